//! Devices. kernel, cgroup-v1/devices.rst

use crate::devices::{Access, DeviceKind, DeviceRule};
use crate::error::CgroupError;
use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};

/// What the kernel keeps: a default, and exceptions from it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Policy {
    allow_by_default: bool,
    exceptions: Vec<Exception>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Exception {
    block: bool,
    major: Option<u32>,
    minor: Option<u32>,
    access: Access,
}

pub(crate) fn set(dir: &Path, rules: &[DeviceRule]) -> Result<(), CgroupError> {
    let policy = Policy::of(rules)?;
    let mut allow = Lines::open(dir.join("devices.allow"))?;
    let mut deny = Lines::open(dir.join("devices.deny"))?;
    // `a` empties the list as well.
    let (base, other) = if policy.allow_by_default {
        (&mut allow, &mut deny)
    } else {
        (&mut deny, &mut allow)
    };
    base.write("a")?;
    for exception in &policy.exceptions {
        other.write(&line(exception))?;
    }
    Ok(())
}

impl Policy {
    /// Begins with everything denied; a rule about everything begins anew.
    fn of(rules: &[DeviceRule]) -> Result<Self, CgroupError> {
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
                policy.take(rule, false)?;
            }
            if rule.kind != DeviceKind::Char {
                policy.take(rule, true)?;
            }
        }
        policy.exceptions.retain(|exception| !exception.access.is_empty());
        Ok(policy)
    }

    /// A rule against the default is one more exception; one like it takes away from those
    /// it covers. From a wider one it would have to cut a piece, for which the kernel has
    /// no words.
    fn take(&mut self, rule: &DeviceRule, block: bool) -> Result<(), CgroupError> {
        let wanted = Exception {
            block,
            major: rule.major,
            minor: rule.minor,
            access: rule.access(),
        };
        if rule.allow != self.allow_by_default {
            let same = |known: &&mut Exception| {
                (known.block, known.major, known.minor) == (wanted.block, wanted.major, wanted.minor)
            };
            match self.exceptions.iter_mut().find(same) {
                Some(known) => known.access = known.access.with(wanted.access),
                None => self.exceptions.push(wanted),
            }
            return Ok(());
        }
        for known in &mut self.exceptions {
            if wanted.covers(known) {
                known.access = known.access.without(wanted.access);
            } else if wanted.meets(known) && !known.access.common(wanted.access).is_empty() {
                return Err(CgroupError::DeviceRules {
                    rule: format!("{} {}", if rule.allow { "allow" } else { "deny" }, line(&wanted)),
                    wider: line(known),
                });
            }
        }
        Ok(())
    }
}

impl Exception {
    fn covers(&self, other: &Self) -> bool {
        let number = |own: Option<u32>, other: Option<u32>| own.is_none() || own == other;
        self.block == other.block && number(self.major, other.major) && number(self.minor, other.minor)
    }

    fn meets(&self, other: &Self) -> bool {
        let number = |own: Option<u32>, other: Option<u32>| own.is_none() || other.is_none() || own == other;
        self.block == other.block && number(self.major, other.major) && number(self.minor, other.minor)
    }
}

/// `c 1:3 rwm`
fn line(exception: &Exception) -> String {
    let number = |number: Option<u32>| number.map_or("*".into(), |number| number.to_string());
    let letters = [(Access::READ, 'r'), (Access::WRITE, 'w'), (Access::MKNOD, 'm')];
    format!(
        "{} {}:{} {}",
        if exception.block { 'b' } else { 'c' },
        number(exception.major),
        number(exception.minor),
        letters
            .iter()
            .filter(|(access, _)| exception.access.has(*access))
            .map(|(_, letter)| letter)
            .collect::<String>()
    )
}

/// A file of which each write is one line; opened once, since a list has some twenty.
struct Lines {
    path: PathBuf,
    file: File,
}

impl Lines {
    fn open(path: PathBuf) -> Result<Self, CgroupError> {
        match OpenOptions::new().write(true).open(&path) {
            Ok(file) => Ok(Self { path, file }),
            Err(source) => Err(CgroupError::Open { dir: path, source }),
        }
    }

    fn write(&mut self, line: &str) -> Result<(), CgroupError> {
        self.file
            .write_all(line.as_bytes())
            .map_err(|source| CgroupError::Write {
                file: self.path.clone(),
                value: line.to_owned(),
                source,
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::devices::tests::{EVERYTHING, any_rule, judge};
    use proptest::prelude::*;

    #[test]
    fn an_exception_is_a_line_of_the_kernels() {
        let exception = Exception {
            block: false,
            major: Some(136),
            minor: None,
            access: Access::READ.with(Access::WRITE),
        };
        assert_eq!(line(&exception), "c 136:* rw");
    }

    fn char_device(allow: bool, minor: Option<u32>) -> DeviceRule {
        DeviceRule {
            allow,
            kind: DeviceKind::Char,
            major: Some(1),
            minor,
            ..EVERYTHING
        }
    }

    #[test]
    fn what_is_taken_back_in_full_is_gone() {
        let policy = Policy::of(&[EVERYTHING, char_device(true, Some(3)), char_device(false, None)]).unwrap();
        assert_eq!(policy.exceptions, []);
    }

    #[test]
    fn a_piece_that_cannot_be_cut_out_is_refused() {
        let error = Policy::of(&[EVERYTHING, char_device(true, None), char_device(false, Some(3))]).unwrap_err();
        assert!(error.to_string().contains("deny c 1:3 rwm"), "{error}");
    }

    proptest! {
        /// What the kernel answers of one kind of access; of several at once it may deny
        /// more, as it asks each exception for all of them.
        #[test]
        fn the_list_answers_as_the_rules_say(
            rules in proptest::collection::vec(any_rule(), 0..6),
            access in 1u8..8, block in any::<bool>(), major in 0u32..4, minor in 0u32..4,
        ) {
            let Ok(policy) = Policy::of(&rules) else { return Ok(()) };
            let access = Access(access);
            let asked = Exception { block, major: Some(major), minor: Some(minor), access };
            let mut met = policy.exceptions.iter().filter(|known| known.covers(&asked));
            let answer = if policy.allow_by_default {
                !met.any(|known| !known.access.common(access).is_empty())
            } else {
                met.any(|known| known.access.has(access))
            };
            let meant = judge(&rules, block, access, major, minor);
            if access.0.is_power_of_two() {
                prop_assert_eq!(answer, meant);
            } else {
                prop_assert!(!answer || meant);
            }
        }
    }
}
