//! How a container gets files of its own that begin as its image's.

use std::fmt;

/// A way that serves, or may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Snapshotter {
    /// An overlay of the image's layers and a writable one: nothing is copied.
    Overlay,
    /// A snapshot of a btrfs subvolume that holds the image: nothing is copied.
    Btrfs,
    /// A copy of the image's files.
    Copy,
}

impl Snapshotter {
    /// As they are tried.
    pub const ALL: [Self; 3] = [Self::Overlay, Self::Btrfs, Self::Copy];

    /// As switches and settings have it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Overlay => "overlay",
            Self::Btrfs => "btrfs",
            Self::Copy => "copy",
        }
    }

    /// What `docker info` calls one that does the same.
    pub fn docker_name(self) -> &'static str {
        match self {
            Self::Overlay => "overlay2",
            Self::Btrfs => "btrfs",
            Self::Copy => "vfs",
        }
    }
}

impl fmt::Display for Snapshotter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What a server is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Wish {
    /// The one that the data directory has, or the first that serves.
    #[default]
    Auto,
    Only(Snapshotter),
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no snapshotter; there are `auto`, `overlay`, `btrfs` and `copy`")]
pub struct NoSnapshotter(String);

impl Wish {
    pub fn parse(text: &str) -> Result<Self, NoSnapshotter> {
        if text == "auto" {
            return Ok(Self::Auto);
        }
        let found = Snapshotter::ALL.into_iter().find(|one| one.name() == text);
        found.map(Self::Only).ok_or_else(|| NoSnapshotter(text.to_owned()))
    }
}

/// One that was chosen, and why, for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Choice {
    pub snapshotter: Snapshotter,
    pub why: String,
}

/// None of those that were tried serves; each with what stood against it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", failures(.0))]
pub struct NoneServes(pub Vec<(Snapshotter, String)>);

/// Takes the first that serves. `serves` tries one, and says what stands against it.
pub fn choose(mut serves: impl FnMut(Snapshotter) -> Result<(), String>) -> Result<Choice, NoneServes> {
    let mut failed = Vec::new();
    for snapshotter in Snapshotter::ALL {
        match serves(snapshotter) {
            Ok(()) => {
                let why = if failed.is_empty() {
                    "it was tried, and is the first choice".to_owned()
                } else {
                    failures(&failed)
                };
                return Ok(Choice { snapshotter, why });
            }
            Err(error) => failed.push((snapshotter, error)),
        }
    }
    Err(NoneServes(failed))
}

fn failures(failed: &[(Snapshotter, String)]) -> String {
    let each = failed
        .iter()
        .map(|(one, error)| format!("{one} does not serve ({error})"));
    each.collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_that_serves_is_chosen_and_what_does_not_is_told() {
        let first = choose(|_| Ok(())).unwrap();
        assert_eq!(first.snapshotter, Snapshotter::Overlay);
        let last = choose(|one| match one {
            Snapshotter::Copy => Ok(()),
            other => Err(format!("no {other} here")),
        });
        let last = last.unwrap();
        assert_eq!(last.snapshotter, Snapshotter::Copy);
        assert!(last.why.contains("no overlay here") && last.why.contains("no btrfs here"));
        let none = choose(|_| Err("no".to_owned())).unwrap_err();
        assert_eq!(none.0.len(), 3);
    }

    #[test]
    fn a_wish_is_auto_or_one_that_there_is() {
        assert_eq!(Wish::parse("auto"), Ok(Wish::Auto));
        for one in Snapshotter::ALL {
            assert_eq!(Wish::parse(one.name()), Ok(Wish::Only(one)));
        }
        assert!(Wish::parse("zfs").is_err());
    }
}
