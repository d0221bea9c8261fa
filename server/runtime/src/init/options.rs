//! Mount options as runtime-spec, config.md, "Linux mount options" lists them.

use sys::mount::{self, Propagation};

/// What a list of options means.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Options {
    /// For the mount alone.
    pub(super) set: u64,
    pub(super) clear: u64,
    /// For all mounts below too.
    pub(super) set_recursive: u64,
    pub(super) clear_recursive: u64,
    /// `Some(true)` is recursive.
    pub(super) bind: Option<bool>,
    pub(crate) propagation: Option<(Propagation, bool)>,
    pub(super) copy_up: bool,
    /// Changes what is mounted there already.
    pub(super) remount: bool,
    /// For the file system.
    pub(super) data: Vec<String>,
}

impl Options {
    pub(crate) fn parse(options: &[String]) -> Self {
        let mut parsed = Self::default();
        for option in options {
            parsed.take(option);
        }
        parsed
    }

    fn take(&mut self, option: &str) {
        match option {
            "bind" => self.bind = Some(false),
            "rbind" => self.bind = Some(true),
            "tmpcopyup" => self.copy_up = true,
            "remount" => self.remount = true,
            // Mappings are the caller's business, who alone may make such mounts.
            "idmap" | "ridmap" => {}
            _ if WITHOUT_MEANING.contains(&option) => {}
            _ => {
                if let Some((set, clear)) = attribute(option) {
                    self.set = self.set & !clear | set;
                    self.clear = self.clear & !set | clear;
                } else if let Some((set, clear)) = option.strip_prefix('r').and_then(attribute) {
                    self.set_recursive = self.set_recursive & !clear | set;
                    self.clear_recursive = self.clear_recursive & !set | clear;
                } else if let Some(found) = propagation(option) {
                    self.propagation = Some((found, false));
                } else if let Some(found) = option.strip_prefix('r').and_then(propagation) {
                    self.propagation = Some((found, true));
                } else {
                    self.data.push(option.to_owned());
                }
            }
        }
    }
}

/// Every option that is no file system's own, in order.
pub(crate) fn known() -> Vec<String> {
    let plain = ATTRIBUTES
        .iter()
        .map(|(name, ..)| *name)
        .chain(PROPAGATIONS.iter().map(|(name, _)| *name));
    let mut all: Vec<String> = plain.flat_map(|name| [name.to_owned(), format!("r{name}")]).collect();
    let alone = OTHERS.iter().chain(&WITHOUT_MEANING);
    all.extend(alone.map(|name| (*name).to_owned()));
    all.sort();
    all
}

const OTHERS: [&str; 6] = ["bind", "rbind", "tmpcopyup", "remount", "idmap", "ridmap"];

/// What is so anyway, or what the kernel keeps no more.
const WITHOUT_MEANING: [&str; 7] = ["defaults", "silent", "loud", "mand", "nomand", "iversion", "noiversion"];

/// Bits to set and to clear.
const ATTRIBUTES: [(&str, u64, u64); 18] = [
    ("ro", mount::READ_ONLY, 0),
    ("rw", 0, mount::READ_ONLY),
    ("nosuid", mount::NO_SUID, 0),
    ("suid", 0, mount::NO_SUID),
    ("nodev", mount::NO_DEVICES, 0),
    ("dev", 0, mount::NO_DEVICES),
    ("noexec", mount::NO_EXEC, 0),
    ("exec", 0, mount::NO_EXEC),
    ("nosymfollow", mount::NO_SYMLINK_FOLLOW, 0),
    ("symfollow", 0, mount::NO_SYMLINK_FOLLOW),
    ("nodiratime", mount::NO_DIR_ATIME, 0),
    ("diratime", 0, mount::NO_DIR_ATIME),
    // A value, not a set of bits: the kernel wants all of them cleared.
    ("noatime", mount::NO_ATIME, mount::ATIME_FIELD),
    ("strictatime", mount::STRICT_ATIME, mount::ATIME_FIELD),
    ("relatime", mount::RELATIVE_ATIME, mount::ATIME_FIELD),
    ("atime", mount::RELATIVE_ATIME, mount::ATIME_FIELD),
    ("nostrictatime", mount::RELATIVE_ATIME, mount::ATIME_FIELD),
    // Relative is also the kernel's default, where no other setting is asked for. mount(2)
    ("norelatime", mount::RELATIVE_ATIME, mount::ATIME_FIELD),
];

fn attribute(option: &str) -> Option<(u64, u64)> {
    let found = ATTRIBUTES.iter().find(|(name, ..)| *name == option);
    found.map(|(_, set, clear)| (*set, *clear))
}

const PROPAGATIONS: [(&str, Propagation); 4] = [
    ("private", Propagation::Private),
    ("shared", Propagation::Shared),
    ("slave", Propagation::Slave),
    ("unbindable", Propagation::Unbindable),
];

fn propagation(option: &str) -> Option<Propagation> {
    let found = PROPAGATIONS.iter().find(|(name, _)| *name == option);
    found.map(|(_, propagation)| *propagation)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Options {
        Options::parse(&text.split(',').map(str::to_owned).collect::<Vec<_>>())
    }

    #[test]
    fn flags_and_data_are_told_apart() {
        let parsed = parse("nosuid,noexec,nodev,mode=755,size=64k,newinstance");
        assert_eq!(parsed.set, mount::NO_SUID | mount::NO_EXEC | mount::NO_DEVICES);
        assert_eq!(parsed.data, ["mode=755", "size=64k", "newinstance"]);
    }

    #[test]
    fn the_later_of_two_that_disagree_holds() {
        assert_eq!(parse("ro,rw").set & mount::READ_ONLY, 0);
        assert_eq!(parse("rw,ro").set & mount::READ_ONLY, mount::READ_ONLY);
    }

    #[test]
    fn what_is_listed_is_known_and_no_data() {
        for option in known() {
            assert_eq!(parse(&option).data, [""; 0], "{option}");
        }
    }

    #[test]
    fn recursive_forms_are_kept_apart() {
        let parsed = parse("rbind,rro,rprivate");
        assert_eq!(
            (parsed.bind, parsed.set, parsed.set_recursive),
            (Some(true), 0, mount::READ_ONLY)
        );
        assert_eq!(parsed.propagation, Some((Propagation::Private, true)));
    }
}
