//! Device nodes and the rules of who may use them.

use crate::BundleError;
use serde_json::{Value, json};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeviceKind {
    All,
    Character,
    Block,
}

impl DeviceKind {
    /// runtime-spec, config-linux.md, "Devices".
    fn letter(self) -> &'static str {
        match self {
            Self::All => "a",
            Self::Character => "c",
            Self::Block => "b",
        }
    }
}

/// A device of the host, as it was found there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceNode {
    pub kind: DeviceKind,
    pub major: u32,
    pub minor: u32,
    /// Permissions of the node.
    pub mode: u32,
    pub uid: u32,
    pub gid: u32,
}

/// A rule of the devices controller; `None` is any number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceRule {
    pub allow: bool,
    pub kind: DeviceKind,
    pub major: Option<u32>,
    pub minor: Option<u32>,
    pub read: bool,
    pub write: bool,
    pub mknod: bool,
}

/// A device number's parts, as `stat` gives it on Linux. makedev(3)
#[expect(clippy::cast_possible_truncation, reason = "masked to their bits")]
pub fn major_minor(number: u64) -> (u32, u32) {
    let major = ((number >> 32) & 0xffff_f000) | ((number >> 8) & 0xfff);
    let minor = ((number >> 12) & 0xffff_ff00) | (number & 0xff);
    (major as u32, minor as u32)
}

/// What every container may use: making nodes, the default devices, terminals.
/// Kind, major, minor, access.
type Allowed = (DeviceKind, Option<u32>, Option<u32>, &'static str);

const ALLOWED: [Allowed; 11] = {
    const fn all(major: u32, minor: u32) -> Allowed {
        (DeviceKind::Character, Some(major), Some(minor), "rwm")
    }
    [
        (DeviceKind::Character, None, None, "m"),
        (DeviceKind::Block, None, None, "m"),
        all(1, 3),
        all(1, 5),
        all(1, 7),
        all(1, 8),
        all(1, 9),
        all(5, 0),
        all(5, 1),
        all(5, 2),
        (DeviceKind::Character, Some(136), None, "rwm"),
    ]
};

/// Deny all, then what every container may use.
pub(crate) fn default_rules() -> Vec<Value> {
    let mut rules = vec![rule(false, DeviceKind::All, None, None, "rwm")];
    rules.extend(ALLOWED.map(|(kind, major, minor, access)| rule(true, kind, major, minor, access)));
    rules
}

/// What every container may use whatever its bundle says: the devices that are made
/// for it. runtime-spec, config-linux.md, "Default Devices"
pub fn always_allowed() -> impl Iterator<Item = DeviceRule> {
    ALLOWED.into_iter().map(|(kind, major, minor, access)| DeviceRule {
        allow: true,
        kind,
        major,
        minor,
        read: access.contains('r'),
        write: access.contains('w'),
        mknod: access.contains('m'),
    })
}

pub(crate) fn rule(allow: bool, kind: DeviceKind, major: Option<u32>, minor: Option<u32>, access: &str) -> Value {
    let mut rule = json!({ "allow": allow, "type": kind.letter(), "access": access });
    if let Some(major) = major {
        rule["major"] = major.into();
    }
    if let Some(minor) = minor {
        rule["minor"] = minor.into();
    }
    rule
}

pub(crate) fn node(path: &str, device: &DeviceNode) -> Value {
    json!({
        "path": path,
        "type": device.kind.letter(),
        "major": device.major,
        "minor": device.minor,
        "fileMode": device.mode & 0o7777,
        "uid": device.uid,
        "gid": device.gid,
    })
}

pub(crate) fn check_access(access: &str) -> Result<(), BundleError> {
    if access.is_empty() || !access.chars().all(|letter| matches!(letter, 'r' | 'w' | 'm')) {
        return Err(BundleError::DeviceAccess(access.to_owned()));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_number_is_taken_apart_as_the_c_library_does() {
        assert_eq!(major_minor(0x103), (1, 3));
        assert_eq!(major_minor(0x0010_0801), (8, 0x101));
    }
}
