//! What the form holds: text as it was typed, kept through reloads, and the
//! request it makes.

use crate::table::{KeySet, Table};
use serde::{Deserialize, Serialize};
use shared::container::Details;
use shared::create::{MountKind, NetworkMode, RestartPolicy, UserNamespace};

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

    /// A draft that would make a container like this one. Name, fixed host
    /// ports and addresses are left out, since they are taken.
    pub fn like(details: &Details) -> Self {
        let mut draft = Self::default();
        let mut set = |name: &str, text: String| {
            draft.texts.insert(name.to_owned(), text);
        };
        let line = |parts: &[String]| parts.iter().map(|part| quoted(part)).collect::<Vec<_>>().join(" ");
        set("image", details.container.image.clone());
        set("entrypoint", line(&details.spec.entrypoint));
        set("command", line(&details.spec.arguments));
        set("working_dir", details.spec.working_dir.clone());
        set("user", details.spec.user.clone());
        set("stop_signal", details.spec.stop_signal.clone());
        set("restart", policy_word(details.spec.restart.policy).to_owned());
        set("system", if details.spec.system { "always" } else { "auto" }.to_owned());
        set("user_namespace", users_word(details.spec.user_namespace).to_owned());
        set("network", network_word(details.spec.network).to_owned());
        let plain = |value: Option<Option<u64>>| value.flatten().map(|v| v.to_string()).unwrap_or_default();
        let bytes = |value: Option<Option<u64>>| value.flatten().map(crate::format::size).unwrap_or_default();
        set(
            "cpu",
            details
                .spec
                .limits
                .nano_cpus
                .flatten()
                .map(|nano| crate::format::number::cores(nano as f64 / 1e9))
                .unwrap_or_default(),
        );
        set("memory", bytes(details.spec.limits.memory_bytes));
        set("pids", plain(details.spec.limits.pids));
        let ports = details.container.ports.iter().map(|port| {
            vec![
                String::new(),
                String::new(),
                port.container_port.to_string(),
                port.protocol.clone(),
            ]
        });
        draft.rows.insert("ports".to_owned(), ports.collect());
        let env = details
            .spec
            .env
            .iter()
            .map(|entry| vec![entry.name.clone(), entry.value.clone().unwrap_or_default()]);
        draft.rows.insert("env".to_owned(), env.collect());
        let labels = details
            .container
            .labels
            .iter()
            .map(|(key, value)| vec![key.clone(), value.clone()]);
        draft.rows.insert("labels".to_owned(), labels.collect());
        let mounts = details.spec.mounts.iter().map(|mount| {
            vec![
                kind_word(mount.kind).to_owned(),
                mount.source.clone(),
                mount.target.clone(),
                if mount.read_only { "ro" } else { "" }.to_owned(),
            ]
        });
        draft.rows.insert("mounts".to_owned(), mounts.collect());
        for (name, on) in [
            ("init", details.spec.init),
            ("terminal", details.spec.terminal),
            ("stdin_open", details.spec.stdin_open),
            ("read_only_root", details.spec.read_only_root),
            ("no_new_privileges", details.spec.no_new_privileges),
            ("privileged", details.spec.privileged),
        ] {
            if on {
                draft.on.insert(name.to_owned());
            } else {
                draft.on.remove(name);
            }
        }
        draft
    }
}

/// An argument as a shell would need it.
fn quoted(part: &str) -> String {
    if part.is_empty() || part.contains([' ', '\t', '"', '\'', '\\']) {
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
