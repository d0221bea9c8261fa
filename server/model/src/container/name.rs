use std::fmt;

/// A name people give to a container: `[a-zA-Z0-9][a-zA-Z0-9_.-]*`, at most 128
/// bytes. Unique on a host.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ContainerName(String);

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` cannot be a container's name; it starts with a letter or digit and goes on with letters, digits, `_`, `.` or `-`, 2 to 128 in all"
)]
pub struct InvalidName(pub String);

const FIRST: [&str; 32] = [
    "amber", "bold", "brisk", "calm", "clear", "coastal", "copper", "crisp", "deep", "eager", "early", "fair", "fleet",
    "gentle", "golden", "grand", "harbour", "high", "iron", "keen", "light", "long", "lucid", "mellow", "northern",
    "quiet", "rapid", "silver", "steady", "sunny", "swift", "tidal",
];
const SECOND: [&str; 32] = [
    "anchor", "barge", "beacon", "bollard", "boom", "bridge", "buoy", "cable", "capstan", "cargo", "crane", "davit",
    "derrick", "dock", "ferry", "girder", "hoist", "hull", "jetty", "keel", "lantern", "mast", "pier", "pulley",
    "quay", "rigging", "rudder", "sail", "spar", "tug", "wharf", "winch",
];

impl ContainerName {
    /// Takes a name with or without the leading `/` that Docker clients send.
    pub fn parse(text: &str) -> Result<Self, InvalidName> {
        let name = text.strip_prefix('/').unwrap_or(text);
        let rest = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-');
        let valid =
            (2..=128).contains(&name.len()) && name.as_bytes()[0].is_ascii_alphanumeric() && name.bytes().all(rest);
        if valid {
            Ok(Self(name.to_owned()))
        } else {
            Err(InvalidName(text.to_owned()))
        }
    }

    /// A readable name for a container that was given none. The caller tries
    /// again with another number when it is taken.
    pub fn suggest(random: u64) -> Self {
        let (first, second, number) = (random % 32, random / 32 % 32, random / 1024 % 1000);
        #[expect(clippy::cast_possible_truncation, reason = "below 32")]
        Self(format!(
            "{}-{}-{number}",
            FIRST[first as usize], SECOND[second as usize]
        ))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ContainerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_docker_takes_are_taken() {
        for name in ["web", "/web-1", "a.b_c-9", "0x"] {
            assert!(ContainerName::parse(name).is_ok(), "{name}");
        }
    }

    #[test]
    fn names_that_could_be_paths_or_switches_are_refused() {
        for name in [
            "",
            "a",
            "/",
            "-web",
            ".web",
            "we b",
            "../x",
            "a/b",
            "ä1",
            &"x".repeat(129),
        ] {
            assert!(ContainerName::parse(name).is_err(), "{name}");
        }
    }

    #[test]
    fn a_suggested_name_is_valid() {
        for random in [0, 1, u64::MAX, 987_654_321] {
            let name = ContainerName::suggest(random);
            assert!(ContainerName::parse(name.as_str()).is_ok(), "{name}");
        }
    }
}
