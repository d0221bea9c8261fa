//! What the spec says of a process, as the kernel takes it. runtime-spec, config.md,
//! "Process"

use crate::CreateError;
use bundle::ALL_CAPABILITIES;
use oci_spec::runtime::Process;
use sys::credentials::Capabilities;

/// Refuses early what would fail late or mean two things.
pub(crate) fn check(process: &Process) -> Result<(), CreateError> {
    let refuse = |why: String| Err(CreateError::Bundle(why));
    if !process.cwd().is_absolute() {
        return refuse(format!("process.cwd `{}` is no absolute path", process.cwd().display()));
    }
    let mut seen = Vec::new();
    for limit in process.rlimits().iter().flatten() {
        if seen.contains(&limit.typ()) {
            return refuse(format!("process.rlimits has `{}` twice", limit.typ()));
        }
        seen.push(limit.typ());
    }
    Ok(())
}

/// The capabilities this process has itself: none can be given that is not in
/// them, and asking for one would fail the whole, as in a container on a host
/// that is one, too.
fn held() -> u64 {
    sys::credentials::permitted().unwrap_or(u64::MAX)
}

/// Capabilities that are asked for and left out, since this process lacks them itself.
pub fn lacking(process: &Process) -> Vec<String> {
    let Some(wanted) = process.capabilities() else {
        return Vec::new();
    };
    let held = held();
    let sets = [
        wanted.bounding(),
        wanted.permitted(),
        wanted.effective(),
        wanted.inheritable(),
        wanted.ambient(),
    ];
    let names = sets.into_iter().flatten().flatten().map(ToString::to_string);
    let plain = names.map(|name| name.strip_prefix("CAP_").unwrap_or(&name).to_owned());
    let mut lacking: Vec<String> = plain
        .filter(|name| {
            let place = ALL_CAPABILITIES.iter().position(|known| known == name);
            place.is_none_or(|place| held & (1 << place) == 0)
        })
        .map(|name| format!("CAP_{name}"))
        .collect();
    lacking.sort();
    lacking.dedup();
    lacking
}

/// Capabilities that are asked for as ambient ones and are not both permitted and inheritable:
/// the kernel makes none of them ambient. capabilities(7)
pub fn never_ambient(process: &Process) -> Vec<String> {
    let Some(wanted) = process.capabilities() else {
        return Vec::new();
    };
    let has = |set: &Option<oci_spec::runtime::Capabilities>, name: &oci_spec::runtime::Capability| {
        set.as_ref().is_some_and(|set| set.contains(name))
    };
    let ambient = wanted.ambient().iter().flatten();
    let mut names: Vec<String> = ambient
        .filter(|name| !has(wanted.permitted(), name) || !has(wanted.inheritable(), name))
        .map(|name| format!("CAP_{}", name.to_string().trim_start_matches("CAP_")))
        .collect();
    names.sort();
    names
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

/// A limit and its name, for messages.
pub(crate) struct Rlimit {
    pub(crate) name: String,
    pub(crate) number: u32,
    pub(crate) soft: u64,
    pub(crate) hard: u64,
}

pub(crate) fn rlimits(process: &Process) -> Vec<Rlimit> {
    let listed = process.rlimits().iter().flatten();
    listed
        .filter_map(|limit| {
            let name = limit.typ().to_string();
            let plain = name.strip_prefix("RLIMIT_").unwrap_or(&name);
            let number = (0u32..).zip(RLIMITS).find(|(_, known)| *known == plain)?.0;
            Some(Rlimit {
                number,
                soft: limit.soft(),
                hard: limit.hard(),
                name,
            })
        })
        .collect()
}
