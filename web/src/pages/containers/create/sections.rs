//! The sections of the form and what stands in them.

use super::env_file::parse;
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
        {text(form, "image", "Image", "nginx:1.27", "A local image or any reference; a missing image is pulled.", "images-here")}
        <datalist id="images-here">
            {move || images.get().into_iter().map(|tag| view! { <option value=tag></option> }).collect_view()}
        </datalist>
        {text(form, "name", "Name", "generated", "Letters, digits, _ . and -", "")}
        {text(form, "command", "Command", "from the image", "Split as a shell does; quotes keep words together.", "")}
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
    column("Hard", "same as soft"),
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
            &[("bridge", "Bridge: own address"), ("host", "Host: the network of the host"), ("none", "None: loopback only")],
        )}
        <Show when=bridged fallback=|| view! { <p class="muted">"Ports are published on the bridge network only."</p> }>
            {rows(form, "ports", "Published ports", "Port", &PORT)}
            {text(form, "dns", "DNS servers", "of the host", "", "")}
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
        (!names.is_empty()).then(|| view! { <p class="field__hint">"Existing volumes: " {names.join(", ")}</p> })
    };
    view! {
        {rows(form, "mounts", "Mounts", "Mount", &MOUNT)}
        {known}
        {switch(form, "read_only_root", "Read-only root", "Only mounts can be written.")}
        {text(form, "shm", "Shared memory", "64 MiB", "", "")}
    }
    .into_any()
}

fn environment(form: Form) -> AnyView {
    let pasted = RwSignal::new(String::new());
    let take = move |_| {
        let found = parse(&pasted.get_untracked());
        let found = found.into_iter().map(|(name, value)| vec![name, value]);
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
                "Add variables"
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
                "When it exits",
                "",
                &[
                    ("no", "Do nothing"),
                    ("on_failure", "Restart after a failure"),
                    ("always", "Always restart"),
                    ("unless_stopped", "Restart unless stopped"),
                ],
            )}
            <Show when=on_failure>{text(form, "max_retries", "Maximum restarts", "no limit", "Consecutive restarts.", "")}</Show>
        </div>
        {switch(form, "auto_remove", "Remove when it exits", "")}
    }
    .into_any()
}

fn process(form: Form) -> AnyView {
    view! {
        {text(form, "entrypoint", "Entry point", "from the image", "", "")}
        <div class="create__pair">
            {text(form, "working_dir", "Working directory", "from the image", "", "")}
            {text(form, "user", "User", "from the image", "name, uid or uid:gid", "")}
            {text(form, "hostname", "Host name", "from the container id", "", "")}
            {text(form, "stop_signal", "Stop signal", "from the image", "", "")}
            {text(form, "stop_timeout", "Stop time-out", "10", "Seconds until SIGKILL.", "")}
            {select(
                form,
                "system",
                "System container",
                "For systemd and other init systems: own cgroups, empty /run and /tmp.",
                &[("auto", "Detect from the command"), ("always", "Yes"), ("never", "No")],
            )}
        </div>
        {switch(form, "init", "Init process", "Reaps orphaned processes and forwards signals. Not used for system containers.")}
        {switch(form, "terminal", "Terminal", "For interactive programs.")}
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
            {text(form, "memory_reservation", "Memory reservation", "none", "", "")}
            {text(form, "memory_and_swap", "Memory and swap", "no limit", "The sum of both, above the memory limit.", "")}
            {text(form, "log_keep", "Log size", "512 MiB", "The oldest lines are removed first.", "")}
        </div>
        {switch(form, "log_compress", "Compress old log files", "Every line stays readable and searchable.")}
        {switch(form, "log_non_blocking", "Non-blocking log", "Lines that a slow disk cannot take are dropped and counted.")}
        {rows(form, "rlimits", "Process limits (ulimits)", "Limit", &RLIMIT)}
    }
    .into_any()
}

fn security(form: Form) -> AnyView {
    view! {
        {select(
            form,
            "user_namespace",
            "User namespace",
            "With its own ids, root in the container is an unprivileged user of the host.",
            &[("server", "Server default"), ("own", "Own ids"), ("host", "Host ids")],
        )}
        <div class="create__pair">
            {text(form, "cap_add", "Capabilities added", "none", "Such as NET_ADMIN.", "")}
            {text(form, "cap_drop", "Capabilities dropped", "none", "ALL drops every one.", "")}
        </div>
        {switch(form, "no_new_privileges", "No new privileges", "Recommended. Breaks sudo and ping in the container.")}
        {switch(form, "seccomp_unconfined", "Allow every system call", "Turns the seccomp profile off.")}
        {switch(form, "privileged", "Privileged", "Nearly all rights of root on the host. Administrators only.")}
        {rows(form, "sysctls", "Kernel parameters (sysctls)", "Setting", &SYSCTL)}
    }
    .into_any()
}
