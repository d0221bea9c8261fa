//! Which devices a group may use.
//!
//! On v1 the kernel keeps a list; on v2 it runs a program of ours. Both come from the same
//! rules, of which the last that speaks of a device and a kind of access decides. Where
//! v1's list cannot say that, the rules are refused.

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

/// A set of the kinds of access, as the kernel's bits. linux/bpf.h, `BPF_DEVCG_ACC_*`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Access(pub(crate) u8);

impl Access {
    pub(crate) const MKNOD: Self = Self(1);
    pub(crate) const READ: Self = Self(2);
    pub(crate) const WRITE: Self = Self(4);
    pub(crate) const ALL: Self = Self(7);

    pub(crate) fn is_empty(self) -> bool {
        self.0 == 0
    }

    pub(crate) fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    pub(crate) fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    pub(crate) fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    pub(crate) fn common(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }
}

impl DeviceRule {
    pub(crate) fn access(&self) -> Access {
        let part = |has: bool, access: Access| if has { access } else { Access(0) };
        part(self.read, Access::READ)
            .with(part(self.write, Access::WRITE))
            .with(part(self.mknod, Access::MKNOD))
    }

    /// What a list begins anew with.
    pub(crate) fn is_everything(&self) -> bool {
        self.kind == DeviceKind::All && self.major.is_none() && self.minor.is_none() && self.access() == Access::ALL
    }
}

impl Group {
    /// Allows the devices that `rules` come to, and no others.
    ///
    /// # Errors
    /// [`CgroupError::DeviceRules`] when the list that v1 keeps cannot say it.
    pub fn set_devices(&self, rules: &[DeviceRule]) -> Result<(), CgroupError> {
        match self.place(Controller::Devices) {
            Some((Version::V1, dir)) => v1::devices::set(&dir, rules),
            Some((Version::V2, dir)) => v2::devices::set(&dir, rules),
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
    use proptest::prelude::*;

    pub(crate) const EVERYTHING: DeviceRule = DeviceRule {
        allow: false,
        kind: DeviceKind::All,
        major: None,
        minor: None,
        read: true,
        write: true,
        mknod: true,
    };

    pub(crate) fn any_rule() -> impl Strategy<Value = DeviceRule> {
        let kind = prop_oneof![Just(DeviceKind::All), Just(DeviceKind::Char), Just(DeviceKind::Block)];
        let number = || proptest::option::of(0u32..3);
        (any::<bool>(), kind, number(), number(), 1u8..8).prop_map(|(allow, kind, major, minor, access)| DeviceRule {
            allow,
            kind,
            major,
            minor,
            read: Access(access).has(Access::READ),
            write: Access(access).has(Access::WRITE),
            mknod: Access(access).has(Access::MKNOD),
        })
    }

    /// What the rules say of one question, in words: of each kind of access the last rule
    /// that speaks of it decides, and it is denied where none does.
    pub(crate) fn judge(rules: &[DeviceRule], block: bool, access: Access, major: u32, minor: u32) -> bool {
        [Access::MKNOD, Access::READ, Access::WRITE]
            .into_iter()
            .filter(|one| access.has(*one))
            .all(|one| {
                let speaks = |rule: &&DeviceRule| {
                    let kind = match rule.kind {
                        DeviceKind::All => true,
                        DeviceKind::Char => !block,
                        DeviceKind::Block => block,
                    };
                    kind && rule.access().has(one)
                        && rule.major.is_none_or(|number| number == major)
                        && rule.minor.is_none_or(|number| number == minor)
                };
                rules.iter().rev().find(speaks).is_some_and(|rule| rule.allow)
            })
    }
}
