//! Which devices a group may use.
//!
//! On v1 the kernel keeps the list; on v2 it runs a program of ours. Both get the same
//! [`Policy`], so that a list means the same on both.

use crate::error::CgroupError;
use crate::group::Group;
use crate::hierarchy::{Controller, Version};
use crate::{v1, v2};

/// One line of a list in which later lines change what earlier ones said. OCI
/// runtime-spec, config-linux.md, "Allowed Device list"
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeviceRule {
    pub allow: bool,
    pub kind: DeviceKind,
    /// `None` is every one.
    pub major: Option<u32>,
    pub minor: Option<u32>,
    pub read: bool,
    pub write: bool,
    pub mknod: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeviceKind {
    All,
    Char,
    Block,
}

/// What a list comes to: a default, and exceptions from it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Policy {
    pub(crate) allow_by_default: bool,
    pub(crate) exceptions: Vec<Exception>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Exception {
    pub(crate) block: bool,
    pub(crate) major: Option<u32>,
    pub(crate) minor: Option<u32>,
    pub(crate) access: Access,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Access {
    pub(crate) read: bool,
    pub(crate) write: bool,
    pub(crate) mknod: bool,
}

impl Access {
    fn is_empty(self) -> bool {
        !self.read && !self.write && !self.mknod
    }

    fn with(self, other: Self) -> Self {
        Self {
            read: self.read || other.read,
            write: self.write || other.write,
            mknod: self.mknod || other.mknod,
        }
    }

    fn without(self, other: Self) -> Self {
        Self {
            read: self.read && !other.read,
            write: self.write && !other.write,
            mknod: self.mknod && !other.mknod,
        }
    }
}

impl DeviceRule {
    fn access(&self) -> Access {
        Access {
            read: self.read,
            write: self.write,
            mknod: self.mknod,
        }
    }

    fn is_everything(&self) -> bool {
        let access = self.access();
        self.kind == DeviceKind::All
            && self.major.is_none()
            && self.minor.is_none()
            && access.read
            && access.write
            && access.mknod
    }
}

impl Policy {
    /// Begins with everything denied. Follows the kernel's own v1 rules: a line about
    /// everything begins anew; one like the default takes access away from the very same
    /// exception; one against it adds to it.
    pub(crate) fn of(rules: &[DeviceRule]) -> Self {
        let mut policy = Self {
            allow_by_default: false,
            exceptions: Vec::new(),
        };
        for rule in rules {
            if rule.is_everything() {
                policy.allow_by_default = rule.allow;
                policy.exceptions.clear();
                continue;
            }
            if rule.kind != DeviceKind::Block {
                policy.take(rule, false);
            }
            if rule.kind != DeviceKind::Char {
                policy.take(rule, true);
            }
        }
        policy.exceptions.retain(|exception| !exception.access.is_empty());
        policy
    }

    fn take(&mut self, rule: &DeviceRule, block: bool) {
        let same = self
            .exceptions
            .iter_mut()
            .find(|known| (known.block, known.major, known.minor) == (block, rule.major, rule.minor));
        match (rule.allow == self.allow_by_default, same) {
            (true, Some(known)) => known.access = known.access.without(rule.access()),
            (true, None) => {}
            (false, Some(known)) => known.access = known.access.with(rule.access()),
            (false, None) => self.exceptions.push(Exception {
                block,
                major: rule.major,
                minor: rule.minor,
                access: rule.access(),
            }),
        }
    }
}

impl Group {
    /// Allows the devices that `rules` come to, and no others.
    pub fn set_devices(&self, rules: &[DeviceRule]) -> Result<(), CgroupError> {
        let policy = Policy::of(rules);
        match self.place(Controller::Devices) {
            Some((Version::V1, dir)) => v1::devices::set(&dir, &policy),
            Some((Version::V2, dir)) => v2::devices::set(&dir, &policy),
            // Better none than one that believes itself shut in.
            None => Err(CgroupError::NoController {
                controller: Controller::Devices,
                setting: "choosing devices",
            }),
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) const EVERYTHING: DeviceRule = DeviceRule {
        allow: false,
        kind: DeviceKind::All,
        major: None,
        minor: None,
        read: true,
        write: true,
        mknod: true,
    };

    pub(crate) fn char_device(allow: bool, major: u32, minor: Option<u32>, access: &str) -> DeviceRule {
        DeviceRule {
            allow,
            kind: DeviceKind::Char,
            major: Some(major),
            minor,
            read: access.contains('r'),
            write: access.contains('w'),
            mknod: access.contains('m'),
        }
    }

    #[test]
    fn what_is_allowed_in_two_lines_is_allowed_together() {
        let policy = Policy::of(&[
            EVERYTHING,
            char_device(true, 1, Some(3), "r"),
            char_device(true, 1, Some(3), "w"),
            char_device(true, 5, None, "r"),
            char_device(false, 5, None, "r"),
        ]);
        assert!(!policy.allow_by_default);
        let [null] = policy.exceptions.as_slice() else {
            panic!("{policy:?}");
        };
        assert!(null.access.read && null.access.write && !null.access.mknod);
    }

    #[test]
    fn a_line_about_everything_begins_anew() {
        let all = DeviceRule {
            allow: true,
            ..EVERYTHING
        };
        let policy = Policy::of(&[
            char_device(true, 1, Some(3), "r"),
            all,
            char_device(false, 10, Some(229), "rwm"),
        ]);
        assert!(policy.allow_by_default);
        assert_eq!(policy.exceptions.len(), 1);
    }
}
