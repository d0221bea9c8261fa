//! What the form holds: text as it was typed, kept through reloads, and the
//! request it makes.

use crate::table::{KeySet, Table};
use serde::{Deserialize, Serialize};
use shared::create::{
    EnvEntry, Mount, MountKind, NetworkMode, NewContainer, RestartPolicy, Rlimit, SystemChoice, UserNamespace,
};

/// A row of a list: its cells as typed.
pub type Row = Vec<String>;

/// The whole form as text.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Draft {
    /// Single fields by name.
    pub texts: Table<String, String>,
    /// Lists of rows by name.
    pub rows: Table<String, Vec<Row>>,
    /// Switches that are on.
    pub on: KeySet<String>,
    /// The specification that this is a copy of. What the form does not show, and what
    /// is not changed in it, is taken from here.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub base: Option<NewContainer>,
}

impl Default for Draft {
    /// What the form proposes; the engine's own defaults are Docker's.
    fn default() -> Self {
        let texts = [
            ("pids", "512"),
            ("restart", "no"),
            ("network", "bridge"),
            ("stop_timeout", "10"),
            ("system", "auto"),
            ("user_namespace", "server"),
        ];
        Self {
            texts: texts
                .into_iter()
                .map(|(name, text)| (name.to_owned(), text.to_owned()))
                .collect(),
            rows: Table::new(),
            on: ["init", "start"].into_iter().map(str::to_owned).collect(),
            base: None,
        }
    }
}

impl Draft {
    pub fn text(&self, name: &str) -> &str {
        self.texts.get(name).map_or("", |text| text.trim())
    }

    pub fn list(&self, name: &str) -> &[Row] {
        self.rows.get(name).map_or(&[], Vec::as_slice)
    }

    pub fn is_on(&self, name: &str) -> bool {
        self.on.contains(name)
    }

    /// A draft of a copy: everything of the specification stays but what only one
    /// container can have, its name and its host ports.
    pub fn copy_of(spec: NewContainer) -> Self {
        let base = NewContainer {
            name: None,
            ports: spec.ports.iter().map(|port| without_host_port(port)).collect(),
            start: true,
            ..spec
        };
        Self {
            base: Some(base.clone()),
            ..Self::like(&base)
        }
    }

    /// What the form shows of a specification.
    pub fn like(spec: &NewContainer) -> Self {
        let mut draft = Self::default();
        draft.show_process(spec);
        draft.show_limits(spec);
        draft.show_lists(spec);
        let log = spec.log.as_ref();
        for (name, on) in [
            ("init", spec.init),
            ("terminal", spec.terminal),
            ("stdin_open", spec.stdin_open),
            ("read_only_root", spec.read_only_root),
            ("no_new_privileges", spec.no_new_privileges),
            ("privileged", spec.privileged),
            ("auto_remove", spec.auto_remove),
            ("start", spec.start),
            ("seccomp_unconfined", spec.seccomp.as_deref() == Some("unconfined")),
            ("log_compress", log.is_some_and(|log| log.compress)),
            ("log_non_blocking", log.is_some_and(|log| log.non_blocking)),
        ] {
            if on {
                draft.on.insert(name.to_owned());
            } else {
                draft.on.remove(name);
            }
        }
        draft
    }

    fn set(&mut self, name: &str, text: impl Into<String>) {
        self.texts.insert(name.to_owned(), text.into());
    }

    fn show_process(&mut self, spec: &NewContainer) {
        let text = |value: &Option<String>| value.clone().unwrap_or_default();
        self.set("image", spec.image.clone());
        self.set("name", text(&spec.name));
        self.set("entrypoint", command_line(spec.entrypoint.as_deref()));
        self.set("command", command_line(spec.command.as_deref()));
        self.set("working_dir", text(&spec.working_dir));
        self.set("user", text(&spec.user));
        self.set("hostname", text(&spec.hostname));
        self.set("stop_signal", text(&spec.stop_signal));
        self.set("stop_timeout", shown(spec.stop_timeout));
        self.set("restart", policy_word(spec.restart.policy));
        self.set("max_retries", shown(spec.restart.max_retries));
        self.set("system", system_word(spec.system));
        self.set("user_namespace", users_word(spec.user_namespace));
        self.set("network", network_word(spec.network));
        self.set("dns", spec.dns.join(" "));
        self.set("extra_hosts", spec.extra_hosts.join(" "));
        self.set("cap_add", spec.cap_add.join(" "));
        self.set("cap_drop", spec.cap_drop.join(" "));
    }

    fn show_limits(&mut self, spec: &NewContainer) {
        let limits = &spec.limits;
        let bytes = |value: Option<u64>| value.map(crate::format::size).unwrap_or_default();
        let cores = limits.nano_cpus.flatten();
        self.set(
            "cpu",
            cores.map_or_else(String::new, |nano| crate::format::number::cores(nano as f64 / 1e9)),
        );
        self.set("memory", bytes(limits.memory_bytes.flatten()));
        self.set("memory_reservation", bytes(limits.memory_reservation_bytes.flatten()));
        self.set("memory_and_swap", bytes(limits.memory_and_swap_bytes.flatten()));
        self.set("pids", shown(limits.pids.flatten()));
        self.set("cpu_shares", shown(limits.cpu_shares.flatten()));
        self.set("cpus", limits.cpus.clone().flatten().unwrap_or_default());
        self.set("shm", bytes(spec.shm_bytes));
        self.set("log_keep", bytes(spec.log.as_ref().map(|log| log.keep_bytes)));
    }

    fn show_lists(&mut self, spec: &NewContainer) {
        let pair = |(key, value): (&String, &String)| vec![key.clone(), value.clone()];
        let rlimit = |limit: &Rlimit| vec![limit.name.clone(), limit.soft.to_string(), limit.hard.to_string()];
        let variable = |entry: &EnvEntry| vec![entry.name.clone(), entry.value.clone()];
        let lists: [(&str, Vec<Row>); 6] = [
            ("labels", spec.labels.iter().map(pair).collect()),
            ("sysctls", spec.sysctls.iter().map(pair).collect()),
            ("env", spec.env.iter().map(variable).collect()),
            ("rlimits", spec.rlimits.iter().map(rlimit).collect()),
            ("ports", spec.ports.iter().map(|port| port_row(port)).collect()),
            ("mounts", spec.mounts.iter().map(mount_row).collect()),
        ];
        for (name, rows) in lists {
            self.rows.insert(name.to_owned(), rows);
        }
    }
}

fn shown(number: Option<impl ToString>) -> String {
    number.map(|number| number.to_string()).unwrap_or_default()
}

fn command_line(parts: Option<&[String]>) -> String {
    let parts = parts.unwrap_or_default().iter();
    parts.map(|part| quoted(part)).collect::<Vec<_>>().join(" ")
}

/// Address, host port, container port and protocol of a mapping.
fn port_row(text: &str) -> Row {
    let (ports, protocol) = text.rsplit_once('/').unwrap_or((text, "tcp"));
    let (front, container) = ports.rsplit_once(':').unwrap_or(("", ports));
    let (address, host) = front.rsplit_once(':').unwrap_or(("", front));
    let address = address.trim_start_matches('[').trim_end_matches(']');
    [address, host, container, protocol].map(str::to_owned).to_vec()
}

/// The mapping as the form writes it, with a host port chosen at the start.
fn without_host_port(text: &str) -> String {
    let row = port_row(text);
    port_text(&row[0], "", &row[2], &row[3])
}

/// A mapping of its parts, each of which but the container port may be empty.
pub fn port_text(address: &str, host: &str, container: &str, protocol: &str) -> String {
    let mut text = String::new();
    if !address.is_empty() {
        let bare = address.contains(':') && !address.starts_with('[');
        text += &if bare {
            ["[", address, "]:"].concat()
        } else {
            [address, ":"].concat()
        };
    }
    if !host.is_empty() || !address.is_empty() {
        text += host;
        text.push(':');
    }
    text += container;
    text.push('/');
    text += if protocol.is_empty() { "tcp" } else { protocol };
    text
}

/// The cells of a mount. The last is not shown: the mount as it was, whose further
/// settings stay when a cell is changed.
fn mount_row(mount: &Mount) -> Row {
    let source = match mount.kind {
        MountKind::Tmpfs => mount.size_bytes.map(crate::format::size).unwrap_or_default(),
        MountKind::Bind | MountKind::Volume => mount.source.clone(),
    };
    let access = if mount.read_only { "ro" } else { "" };
    vec![
        kind_word(mount.kind).to_owned(),
        source,
        mount.target.clone(),
        access.to_owned(),
        crate::client::http::json(mount),
    ]
}

/// An argument as a shell would need it.
fn quoted(part: &str) -> String {
    if part.is_empty() || part.contains(|c: char| c.is_whitespace() || matches!(c, '"' | '\'' | '\\')) {
        let escaped = part.replace('\\', "\\\\").replace('"', "\\\"");
        ["\"", &escaped, "\""].concat()
    } else {
        part.to_owned()
    }
}

fn kind_word(kind: MountKind) -> &'static str {
    match kind {
        MountKind::Bind => "bind",
        MountKind::Volume => "volume",
        MountKind::Tmpfs => "tmpfs",
    }
}

fn policy_word(policy: RestartPolicy) -> &'static str {
    match policy {
        RestartPolicy::No => "no",
        RestartPolicy::OnFailure => "on_failure",
        RestartPolicy::Always => "always",
        RestartPolicy::UnlessStopped => "unless_stopped",
    }
}

fn system_word(system: SystemChoice) -> &'static str {
    match system {
        SystemChoice::Auto => "auto",
        SystemChoice::Always => "always",
        SystemChoice::Never => "never",
    }
}

fn users_word(users: UserNamespace) -> &'static str {
    match users {
        UserNamespace::Server => "server",
        UserNamespace::Host => "host",
        UserNamespace::Own => "own",
    }
}

fn network_word(mode: NetworkMode) -> &'static str {
    match mode {
        NetworkMode::Bridge => "bridge",
        NetworkMode::None => "none",
        NetworkMode::Host => "host",
    }
}
