//! What init will do, worked out before it exists.

use crate::CreateError;
use bundle::ALL_CAPABILITIES;
use oci_spec::runtime::{LinuxNamespaceType, Process, Spec};
use std::fs::File;
use std::os::fd::OwnedFd;
use sys::credentials::Capabilities;
use sys::namespace;

/// Namespaces: which are new, which are joined.
#[derive(Debug, Default)]
pub(crate) struct Namespaces {
    pub(crate) new: u64,
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
            if seen & kind != 0 {
                return Err(CreateError::Bundle(format!(
                    "namespace `{}` is listed twice",
                    wanted.typ()
                )));
            }
            seen |= kind;
            if kind == namespace::USER {
                return Err(CreateError::Bundle("user namespaces are not supported".to_owned()));
            }
            if kind == namespace::NETWORK && network.is_some() {
                continue;
            }
            match wanted.path() {
                None => found.new |= kind,
                Some(path) => {
                    let file = File::open(path).map_err(CreateError::system("open a namespace to join"))?;
                    found.joined.push((kind, file.into()));
                }
            }
        }
        if let Some(network) = network {
            found.joined.push((namespace::NETWORK, network));
        }
        Ok(found)
    }

    pub(crate) fn has_new(&self, kind: u64) -> bool {
        self.new & kind != 0
    }
}

fn bit(kind: LinuxNamespaceType) -> u64 {
    match kind {
        LinuxNamespaceType::Mount => namespace::MOUNT,
        LinuxNamespaceType::Cgroup => namespace::CGROUP,
        LinuxNamespaceType::Uts => namespace::UTS,
        LinuxNamespaceType::Ipc => namespace::IPC,
        LinuxNamespaceType::User => namespace::USER,
        LinuxNamespaceType::Pid => namespace::PID,
        LinuxNamespaceType::Network => namespace::NETWORK,
        LinuxNamespaceType::Time => namespace::TIME,
    }
}

/// The capabilities this process has itself: none can be given that is not in
/// them, and asking for one would fail the whole, as in a container on a host
/// that is one, too.
fn held() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    status
        .lines()
        .find_map(|line| u64::from_str_radix(line.strip_prefix("CapPrm:")?.trim(), 16).ok())
        .unwrap_or(u64::MAX)
}

/// The sets a process gets; without a word in the spec it keeps none.
pub(crate) fn capabilities(process: &Process, last: u32) -> Capabilities {
    let Some(wanted) = process.capabilities() else {
        return Capabilities::default();
    };
    let known = (u64::MAX >> (63 - last.min(63))) & held();
    let bits = |set: &Option<oci_spec::runtime::Capabilities>| {
        set.iter().flatten().fold(0, |bits, capability| {
            let name = capability.to_string();
            let name = name.strip_prefix("CAP_").unwrap_or(&name);
            let place = ALL_CAPABILITIES.iter().position(|known| *known == name);
            bits | place.map_or(0, |place| 1u64 << place)
        }) & known
    };
    let (permitted, inheritable) = (bits(wanted.permitted()), bits(wanted.inheritable()));
    Capabilities {
        bounding: bits(wanted.bounding()),
        permitted,
        effective: bits(wanted.effective()),
        inheritable,
        // The kernel makes none ambient that is not both; `runc spec` asks for such.
        ambient: bits(wanted.ambient()) & permitted & inheritable,
    }
}

const RLIMITS: [&str; 16] = [
    "CPU",
    "FSIZE",
    "DATA",
    "STACK",
    "CORE",
    "RSS",
    "NPROC",
    "NOFILE",
    "MEMLOCK",
    "AS",
    "LOCKS",
    "SIGPENDING",
    "MSGQUEUE",
    "NICE",
    "RTPRIO",
    "RTTIME",
];

/// Number, soft and hard value of each rlimit.
pub(crate) fn rlimits(process: &Process) -> Vec<(u32, u64, u64)> {
    let listed = process.rlimits().iter().flatten();
    listed
        .filter_map(|limit| {
            let name = limit.typ().to_string();
            let name = name.strip_prefix("RLIMIT_").unwrap_or(&name);
            let number = (0u32..).zip(RLIMITS).find(|(_, known)| *known == name)?.0;
            Some((number, limit.soft(), limit.hard()))
        })
        .collect()
}
