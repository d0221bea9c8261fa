//! Which namespaces a container has of its own, and which it shares.
//! runtime-spec, config-linux.md, "Namespaces"

use crate::CreateError;
use crate::ids::IdMaps;
use oci_spec::runtime::{LinuxNamespaceType, LinuxTimeOffset, Spec};
use std::fs::File;
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt as _;
use sys::namespace;

/// Namespaces: which are new, which are joined. Any other is the caller's.
#[derive(Debug, Default)]
pub(crate) struct Namespaces {
    pub(crate) new: u64,
    /// The user namespace first: rights over the others come with it.
    pub(crate) joined: Vec<(u64, OwnedFd)>,
}

impl Namespaces {
    /// `network` takes the place of what the spec says of the network.
    pub(crate) fn of(spec: &Spec, network: Option<OwnedFd>) -> Result<Self, CreateError> {
        let mut found = Self::default();
        let mut seen = 0;
        let listed = spec.linux().as_ref().and_then(|linux| linux.namespaces().as_ref());
        for wanted in listed.into_iter().flatten() {
            let kind = bit(wanted.typ());
            let name = wanted.typ();
            if seen & kind != 0 {
                return Err(CreateError::Bundle(format!("namespace `{name}` is listed twice")));
            }
            seen |= kind;
            if kind == namespace::NETWORK && network.is_some() {
                continue;
            }
            // An empty path is none, as some engines write it.
            match wanted.path().as_ref().filter(|path| !path.as_os_str().is_empty()) {
                None => found.new |= kind,
                Some(path) => {
                    let shown = path.display();
                    let file = File::open(path).map_err(|error| {
                        CreateError::Bundle(format!("namespace `{shown}` cannot be opened: {error}"))
                    })?;
                    if namespace::kind_of(&file).ok() != Some(kind) {
                        return Err(CreateError::Bundle(format!("`{shown}` is no {name} namespace")));
                    }
                    // Joining its own changes nothing, and is no namespace of its own.
                    if !is_callers(&file, wanted.typ()) {
                        found.joined.push((kind, file.into()));
                    }
                }
            }
        }
        if let Some(network) = network {
            found.joined.push((namespace::NETWORK, network));
        }
        found.joined.sort_by_key(|(kind, _)| *kind != namespace::USER);
        Ok(found)
    }

    pub(crate) fn has_new(&self, kind: u64) -> bool {
        self.new & kind != 0
    }

    pub(crate) fn joins(&self, kind: u64) -> bool {
        self.joined.iter().any(|(joined, _)| *joined == kind)
    }

    /// Whether nobody else sees the container's mounts.
    pub(crate) fn has_own_mounts(&self) -> bool {
        self.has_new(namespace::MOUNT)
    }

    /// Whether the container's users are others than the caller's.
    pub(crate) fn has_own_users(&self) -> bool {
        self.has_new(namespace::USER) || self.joins(namespace::USER)
    }

    /// Whether a process must enter first and clone init from there: what is new has
    /// to belong to the user namespace that is joined, and only children are ever in
    /// a pid namespace that is.
    pub(crate) fn needs_a_process_between(&self) -> bool {
        self.joins(namespace::USER) || self.joins(namespace::PID)
    }

    /// What the rest of the spec asks of them.
    pub(crate) fn check(&self, spec: &Spec, ids: Option<&IdMaps>) -> Result<(), CreateError> {
        let refuse = |why: &str| Err(CreateError::Bundle(why.to_owned()));
        if self.has_new(namespace::USER) && !self.has_new(namespace::MOUNT) {
            return refuse("a new user namespace needs a new mount namespace: its root may mount in no other");
        }
        match (self.has_new(namespace::USER), ids.is_some()) {
            (true, false) => return refuse("a new user namespace needs uidMappings and gidMappings"),
            (false, true) => return refuse("uidMappings and gidMappings need a new user namespace"),
            _ => {}
        }
        let has_time = self.has_new(namespace::TIME) || self.joins(namespace::TIME);
        if has_time && !namespace::has_time() {
            return refuse("it asks for a time namespace, which this kernel does not have (CONFIG_TIME_NS)");
        }
        if !offsets(spec).is_empty() && !self.has_new(namespace::TIME) {
            return refuse("timeOffsets need a new time namespace");
        }
        let has_uts = self.has_new(namespace::UTS) || self.joins(namespace::UTS);
        if !has_uts && (named(spec.hostname().as_ref()) || named(spec.domainname().as_ref())) {
            return refuse("hostname and domainname need a uts namespace");
        }
        Ok(())
    }
}

/// Whether `file` is the namespace of that type which the calling process is in.
fn is_callers(file: &File, kind: LinuxNamespaceType) -> bool {
    let name = KINDS
        .iter()
        .find(|(known, ..)| *known == kind)
        .map(|(_, name, _)| *name);
    // The two that have other names in the file system. namespaces(7)
    let name = match name {
        Some("mount") => "mnt",
        Some("network") => "net",
        other => other.unwrap_or_default(),
    };
    let own = std::fs::metadata(format!("/proc/self/ns/{name}"));
    let same = own.and_then(|own| Ok((own.dev(), own.ino()) == file.metadata().map(|it| (it.dev(), it.ino()))?));
    same.unwrap_or(false)
}

fn named(name: Option<&String>) -> bool {
    name.is_some_and(|name| !name.is_empty())
}

/// Lines for `/proc/self/timens_offsets`: clock, seconds, nanoseconds.
pub(crate) fn offsets(spec: &Spec) -> Vec<String> {
    let given = spec.linux().as_ref().and_then(|linux| linux.time_offsets().as_ref());
    let line = |(clock, offset): (&String, &LinuxTimeOffset)| {
        format!(
            "{clock} {} {}\n",
            offset.secs().unwrap_or(0),
            offset.nanosecs().unwrap_or(0)
        )
    };
    given.into_iter().flatten().map(line).collect()
}

/// By the names of the specification.
const KINDS: [(LinuxNamespaceType, &str, u64); 8] = [
    (LinuxNamespaceType::Cgroup, "cgroup", namespace::CGROUP),
    (LinuxNamespaceType::Ipc, "ipc", namespace::IPC),
    (LinuxNamespaceType::Mount, "mount", namespace::MOUNT),
    (LinuxNamespaceType::Network, "network", namespace::NETWORK),
    (LinuxNamespaceType::Pid, "pid", namespace::PID),
    (LinuxNamespaceType::Time, "time", namespace::TIME),
    (LinuxNamespaceType::User, "user", namespace::USER),
    (LinuxNamespaceType::Uts, "uts", namespace::UTS),
];

pub(crate) fn kinds() -> Vec<&'static str> {
    KINDS.iter().map(|(_, name, _)| *name).collect()
}

fn bit(kind: LinuxNamespaceType) -> u64 {
    let found = KINDS.iter().find(|(known, ..)| *known == kind);
    found.map_or(0, |(_, _, bit)| *bit)
}
