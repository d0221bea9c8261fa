//! The sections of the form and what stands in them.

use super::form::{Column, Form, column, rows, select, switch, text};
use crate::client::http;
use crate::state::signal::{Edit, See};
use leptos::prelude::*;
use leptos::task::spawn_local;
use shared::image::Image;
use shared::list::List;
use shared::volume::Volume;

pub struct Section {
    pub word: &'static str,
    pub title: &'static str,
    /// The fields whose mistakes are counted in the index.
    pub fields: &'static [&'static str],
    /// Only shown with all settings.
    pub advanced: bool,
    pub draw: fn(Form) -> AnyView,
}

pub const SECTIONS: [Section; 9] = [
    Section {
        word: "basics",
        title: "Basics",
        fields: &["image", "name", "labels"],
        advanced: false,
        draw: basics,
    },
    Section {
        word: "network",
        title: "Ports and network",
        fields: &["ports", "network", "dns", "extra_hosts"],
        advanced: false,
        draw: network,
    },
    Section {
        word: "storage",
        title: "Storage",
        fields: &["mounts", "shm"],
        advanced: false,
        draw: storage,
    },
    Section {
        word: "environment",
        title: "Environment",
        fields: &["env"],
        advanced: false,
        draw: environment,
    },
    Section {
        word: "resources",
        title: "Resources",
        fields: &["cpu", "memory"],
        advanced: false,
        draw: resources,
    },
    Section {
        word: "restart",
        title: "Restart",
        fields: &["restart", "max_retries"],
        advanced: false,
        draw: restart,
    },
    Section {
        word: "process",
        title: "Process",
        fields: &[
            "entrypoint",
            "command",
            "working_dir",
            "user",
            "hostname",
            "stop_signal",
            "stop_timeout",
            "system",
        ],
        advanced: true,
        draw: process,
    },
    Section {
        word: "limits",
        title: "More limits and log",
        fields: &[
            "pids",
            "cpu_shares",
            "cpus",
            "memory_reservation",
            "memory_and_swap",
            "rlimits",
            "log_keep",
        ],
        advanced: true,
        draw: more_limits,
    },
    Section {
        word: "security",
        title: "Security",
        fields: &["user_namespace", "cap_add", "cap_drop", "sysctls"],
        advanced: true,
        draw: security,
    },
];

fn basics(form: Form) -> AnyView {
    let images = RwSignal::new(Vec::<String>::new());
    spawn_local(async move {
        if let Ok(list) = http::get::<List<Image>>("/images").await {
            let _ = images.try_set(list.items.into_iter().flat_map(|image| image.tags).collect());
        }
    });
    view! {
        {text(form, "image", "Image", "nginx:1.27", "One of this host, or any reference: it is pulled when it is not here.", "images-here")}
        <datalist id="images-here">
            {move || images.get().into_iter().map(|tag| view! { <option value=tag></option> }).collect_view()}
        </datalist>
        {text(form, "name", "Name", "chosen for you", "Letters, digits, _ . and -", "")}
        {text(form, "command", "Command", "as the image says", "Split as a shell does; quotes keep words together.", "")}
        {rows(form, "labels", "Labels", "Label", &LABEL)}
    }
    .into_any()
}

static LABEL: [Column; 2] = [column("Key", "team"), column("Value", "core")];
static PORT: [Column; 4] = [
    column("Host address", "every address"),
    column("Host port", "automatic"),
    column("Container port", "80"),
    Column {
        label: "Protocol",
        placeholder: "",
        choices: &[("tcp", "TCP"), ("udp", "UDP")],
    },
];
static MOUNT: [Column; 4] = [
    Column {
        label: "Kind",
        placeholder: "",
        choices: &[("volume", "Volume"), ("bind", "Host path"), ("tmpfs", "Memory")],
    },
    column("Source", "volume, /host/path or size"),
    column("Target", "/path/in/container"),
    Column {
        label: "Access",
        placeholder: "",
        choices: &[("", "Read and write"), ("ro", "Read only")],
    },
];
static ENV: [Column; 2] = [column("Name", "NAME"), column("Value", "value")];
static RLIMIT: [Column; 3] = [
    column("Name", "nofile"),
    column("Soft", "1024"),
    column("Hard", "as soft"),
];
static SYSCTL: [Column; 2] = [column("Setting", "net.core.somaxconn"), column("Value", "1024")];

fn network(form: Form) -> AnyView {
    let bridged = move || form.draft.see(|draft| draft.text("network") == "bridge");
    view! {
        {select(
            form,
            "network",
            "Network",
            "",
            &[("bridge", "Bridge: an address of its own"), ("host", "Host: the host's own network"), ("none", "None: loopback only")],
        )}
        <Show when=bridged fallback=|| view! { <p class="muted">"Ports are published on the bridge network only."</p> }>
            {rows(form, "ports", "Published ports", "Port", &PORT)}
            {text(form, "dns", "DNS servers", "the host's", "", "")}
            {text(form, "extra_hosts", "Extra hosts", "name:address", "Written into /etc/hosts.", "")}
        </Show>
    }
    .into_any()
}

fn storage(form: Form) -> AnyView {
    let volumes = RwSignal::new(Vec::<String>::new());
    spawn_local(async move {
        if let Ok(list) = http::get::<List<Volume>>("/volumes").await {
            let _ = volumes.try_set(list.items.into_iter().map(|volume| volume.name).collect());
        }
    });
    let known = move || {
        let names = volumes.get();
        (!names.is_empty()).then(|| view! { <p class="field__hint">"Volumes here: " {names.join(", ")}</p> })
    };
    view! {
        {rows(form, "mounts", "Mounts", "Mount", &MOUNT)}
        {known}
        {switch(form, "read_only_root", "Read-only root", "Only mounts can be written.")}
        {text(form, "shm", "Shared memory", "64 MiB", "", "")}
    }
    .into_any()
}

/// `.env` text as rows.
fn parse_env(text: &str) -> Vec<Vec<String>> {
    text.lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .filter_map(|line| line.strip_prefix("export ").unwrap_or(line).split_once('='))
        .map(|(name, value)| {
            let value = value.trim();
            let bare = ['"', '\'']
                .iter()
                .find_map(|quote| value.strip_prefix(*quote)?.strip_suffix(*quote))
                .unwrap_or(value);
            vec![name.trim().to_owned(), bare.to_owned()]
        })
        .collect()
}

fn environment(form: Form) -> AnyView {
    let pasted = RwSignal::new(String::new());
    let take = move |_| {
        let found = parse_env(&pasted.get_untracked());
        form.draft
            .edit(|draft| draft.rows.or_insert_with("env".to_owned(), Vec::new).extend(found));
        pasted.set(String::new());
    };
    view! {
        {rows(form, "env", "Variables", "Variable", &ENV)}
        <details class="create__paste">
            <summary>"Paste a .env file"</summary>
            <textarea
                class="textarea"
                aria-label="Lines of NAME=value"
                placeholder="NAME=value"
                data-testid="create.env.paste"
                prop:value=move || pasted.get()
                on:input=move |event| pasted.set(event_target_value(&event))
            ></textarea>
            <button type="button" class="button button--small" data-testid="create.env.take" on:click=take>
                "Add these"
            </button>
        </details>
    }
    .into_any()
}

fn resources(form: Form) -> AnyView {
    view! {
        <div class="create__pair">
            {text(form, "cpu", "CPU", "no limit", "Cores, such as 0.5 or 2.", "")}
            {text(form, "memory", "Memory", "no limit", "Such as 512 MiB or 2 GiB.", "")}
        </div>
    }
    .into_any()
}

fn restart(form: Form) -> AnyView {
    let on_failure = move || form.draft.see(|draft| draft.text("restart") == "on_failure");
    view! {
        <div class="create__pair">
            {select(
                form,
                "restart",
                "When it ends",
                "",
                &[
                    ("no", "Leave it"),
                    ("on_failure", "Restart after a failure"),
                    ("always", "Restart always"),
                    ("unless_stopped", "Restart unless stopped by hand"),
                ],
            )}
            <Show when=on_failure>{text(form, "max_retries", "At most", "without end", "Restarts in a row.", "")}</Show>
        </div>
        {switch(form, "auto_remove", "Remove when it ends", "")}
    }
    .into_any()
}

fn process(form: Form) -> AnyView {
    view! {
        {text(form, "entrypoint", "Entry point", "as the image says", "", "")}
        <div class="create__pair">
            {text(form, "working_dir", "Working directory", "as the image says", "", "")}
            {text(form, "user", "User", "as the image says", "name, uid or uid:gid", "")}
            {text(form, "hostname", "Host name", "the first digits of the id", "", "")}
            {text(form, "stop_signal", "Stop signal", "as the image says", "", "")}
            {text(form, "stop_timeout", "Stop time-out", "10", "Seconds until SIGKILL.", "")}
            {select(
                form,
                "system",
                "A whole system",
                "For systemd and other inits: groups of their own, empty /run and /tmp.",
                &[("auto", "By the command"), ("always", "Yes"), ("never", "No")],
            )}
        </div>
        {switch(form, "init", "Init process", "Reaps orphaned processes and forwards signals. Left out in front of a system's own.")}
        {switch(form, "terminal", "Terminal", "For programs that want one.")}
        {switch(form, "stdin_open", "Keep standard input open", "")}
    }
    .into_any()
}

fn more_limits(form: Form) -> AnyView {
    view! {
        <div class="create__pair">
            {text(form, "pids", "Processes", "no limit", "", "")}
            {text(form, "cpu_shares", "CPU weight", "1024", "2 to 262144", "")}
            {text(form, "cpus", "Pinned CPUs", "every CPU", "Such as 0-3,6.", "")}
            {text(form, "memory_reservation", "Memory kept under pressure", "none", "", "")}
            {text(form, "memory_and_swap", "Memory and swap", "no limit", "Together, above the memory limit.", "")}
            {text(form, "log_keep", "Log kept", "512 MiB", "The oldest lines go first.", "")}
        </div>
        {switch(form, "log_compress", "Pack old lines", "Files of the log that are full are compressed; every line stays readable.")}
        {switch(form, "log_non_blocking", "Never wait for the log", "Lines a slow disk cannot take are dropped and counted.")}
        {rows(form, "rlimits", "Limits of each process", "Limit", &RLIMIT)}
    }
    .into_any()
}

fn security(form: Form) -> AnyView {
    view! {
        {select(
            form,
            "user_namespace",
            "Users",
            "With ids of its own, root of the container is nobody on the host.",
            &[("server", "As the server has it"), ("own", "Ids of its own"), ("host", "The host's ids")],
        )}
        <div class="create__pair">
            {text(form, "cap_add", "Capabilities added", "none", "Such as NET_ADMIN.", "")}
            {text(form, "cap_drop", "Capabilities dropped", "none", "ALL drops every one.", "")}
        </div>
        {switch(form, "no_new_privileges", "No new privileges", "Recommended. Breaks sudo and ping in the container.")}
        {switch(form, "seccomp_unconfined", "Allow every system call", "Turns the seccomp profile off.")}
        {switch(form, "privileged", "Privileged", "Almost everything root of the host may do. For administrators.")}
        {rows(form, "sysctls", "Kernel settings", "Setting", &SYSCTL)}
    }
    .into_any()
}

#[cfg(test)]
mod tests {
    use super::parse_env;

    #[test]
    fn an_env_file_becomes_rows() {
        let rows = parse_env("# comment\nexport A=1\nB=\"two words\"\n\nC=x=y\nnonsense");
        assert_eq!(rows, [["A", "1"], ["B", "two words"], ["C", "x=y"]]);
    }
}
