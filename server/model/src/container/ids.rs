//! Which ids of the host the users of a container are. user_namespaces(7)

use std::fmt;

/// What a container with a user namespace of its own has: its ids from 0 on mean those
/// of the host from `first_user` and `first_group` on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HostIds {
    pub first_user: u32,
    pub first_group: u32,
    /// How many, of each.
    pub count: u32,
    /// Other containers may have the same.
    pub shared: bool,
}

impl HostIds {
    /// Whether an id of one is an id of the other.
    pub fn meets(self, other: Self) -> bool {
        let meet = |one: u32, other_one: u32| one < other_one + other.count && other_one < one + self.count;
        meet(self.first_user, other.first_user) || meet(self.first_group, other.first_group)
    }

    /// The id inside that a user of the host is, if it is any.
    pub fn inside(self, user: u32) -> Option<u32> {
        user.checked_sub(self.first_user).filter(|place| *place < self.count)
    }
}

impl fmt::Display for HostIds {
    /// `100000-165535`, and the groups' where they differ.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let last = |first: u32| first + (self.count - 1);
        write!(f, "{}-{}", self.first_user, last(self.first_user))?;
        if self.first_group != self.first_user {
            write!(f, ", groups {}-{}", self.first_group, last(self.first_group))?;
        }
        Ok(())
    }
}

/// Whose ids a container is to have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum UserNamespace {
    /// As the server has it for all that say nothing.
    #[default]
    Server,
    /// The host's: root inside is root outside.
    Host,
    /// A range that no other container has.
    Own,
}

/// What a server does with containers that say nothing.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum UserNamespaces {
    /// They have the host's ids.
    #[default]
    Off,
    /// Each gets a range of its own.
    Auto,
    /// All have the range that `/etc/subuid` and `/etc/subgid` give to this user.
    OfUser(String),
    /// All have this range, of users and of groups.
    Range { first: u32, count: u32 },
}

/// Distributions give system users ids below this.
const FEWEST_IDS: u32 = 1000;

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidUserNamespaces {
    #[error("`{0}` is no range of ids such as `100000-165535`, within 1 and 4294967294, first before last")]
    Range(String),
    #[error("`{0}` are fewer than {FEWEST_IDS} ids, too few for the users of an image")]
    Few(String),
    #[error("`{0}` is none of `off`, `auto`, a user of /etc/subuid, or a range such as `100000-165535`")]
    Word(String),
}

impl UserNamespaces {
    /// Takes `off`, `auto`, `FIRST-LAST` or the name of a user.
    pub fn parse(text: &str) -> Result<Self, InvalidUserNamespaces> {
        match text {
            "off" => return Ok(Self::Off),
            "auto" => return Ok(Self::Auto),
            _ => {}
        }
        if !text.starts_with(|c: char| c.is_ascii_digit()) {
            let known = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | '$');
            return if !text.is_empty() && text.chars().all(known) {
                Ok(Self::OfUser(text.to_owned()))
            } else {
                Err(InvalidUserNamespaces::Word(text.to_owned()))
            };
        }
        let wrong = || InvalidUserNamespaces::Range(text.to_owned());
        let (first, last) = text.split_once('-').ok_or_else(wrong)?;
        let number = |text: &str| text.parse::<u32>().map_err(|_| wrong());
        let (first, last) = (number(first)?, number(last)?);
        // The highest means "no change" to the kernel, and 0 is the host's root.
        if first == 0 || last == u32::MAX || last < first {
            return Err(wrong());
        }
        let count = last - first + 1;
        if count < FEWEST_IDS {
            return Err(InvalidUserNamespaces::Few(text.to_owned()));
        }
        Ok(Self::Range { first, count })
    }
}

impl fmt::Display for UserNamespaces {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Off => f.write_str("off"),
            Self::Auto => f.write_str("auto"),
            Self::OfUser(name) => f.write_str(name),
            Self::Range { first, count } => write!(f, "{first}-{}", first + (count - 1)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(first: u32) -> HostIds {
        HostIds {
            first_user: first,
            first_group: first,
            count: 65_536,
            shared: false,
        }
    }

    #[test]
    fn a_setting_is_a_word_a_name_or_a_range() {
        assert_eq!(UserNamespaces::parse("off"), Ok(UserNamespaces::Off));
        assert_eq!(UserNamespaces::parse("auto"), Ok(UserNamespaces::Auto));
        assert_eq!(
            UserNamespaces::parse("web-data"),
            Ok(UserNamespaces::OfUser("web-data".to_owned()))
        );
        let range = UserNamespaces::parse("100000-165535").unwrap();
        assert_eq!(
            range,
            UserNamespaces::Range {
                first: 100_000,
                count: 65_536
            }
        );
        assert_eq!(range.to_string(), "100000-165535");
    }

    #[test]
    fn a_range_that_holds_the_hosts_root_or_nothing_is_refused() {
        for text in [
            "0-65535",
            "5-4",
            "100000",
            "100000-",
            "1-4294967295",
            "1-99999999999",
            "100000-100010",
            "",
            "a b",
        ] {
            assert!(UserNamespaces::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn ranges_meet_when_they_share_an_id() {
        assert!(ids(100_000).meets(ids(165_535)));
        assert!(!ids(100_000).meets(ids(165_536)));
        assert!(!ids(165_536).meets(ids(100_000)));
        assert_eq!(ids(100_000).inside(100_033), Some(33));
        assert_eq!(ids(100_000).inside(99_999), None);
    }
}
