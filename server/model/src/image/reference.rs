use super::Digest;
use std::fmt;

/// A complete name of an image: registry, repository, and a tag, a digest or
/// both. Short names mean Docker Hub: `busybox` is
/// `docker.io/library/busybox:latest`. Grammar: distribution-spec, "Pulling
/// manifests". Where tag and digest are both given, the digest decides.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Reference {
    registry: String,
    repository: String,
    tag: Option<String>,
    digest: Option<Digest>,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidReference {
    #[error("an image name is needed, such as `busybox` or `registry.example:5000/team/web:1.2`")]
    Empty,
    #[error("image name `{0}` has upper-case letters; a repository is lower case")]
    UpperCase(String),
    #[error("`{0}` is not an image name; its parts are lower-case letters and digits, joined by `.`, `_` or `-`")]
    Repository(String),
    #[error("`{0}` is not a registry's address")]
    Registry(String),
    #[error(
        "`{0}` is not a tag; it has 1 to 128 letters, digits, `_`, `.` or `-` and starts with none of the last two"
    )]
    Tag(String),
    #[error(transparent)]
    Digest(#[from] super::digest::InvalidDigest),
}

pub const DOCKER_HUB: &str = "docker.io";
const DEFAULT_TAG: &str = "latest";

impl Reference {
    pub fn parse(text: &str) -> Result<Self, InvalidReference> {
        let (rest, digest) = match text.split_once('@') {
            Some((rest, digest)) => (rest, Some(Digest::parse(digest)?)),
            None => (text, None),
        };
        let after_slash = rest.rfind('/').map_or(0, |slash| slash + 1);
        let (name, tag) = match rest[after_slash..].find(':') {
            Some(colon) => (&rest[..after_slash + colon], Some(&rest[after_slash + colon + 1..])),
            None => (rest, None),
        };
        if name.is_empty() {
            return Err(InvalidReference::Empty);
        }
        if let Some(tag) = tag
            && !is_tag(tag)
        {
            return Err(InvalidReference::Tag(tag.to_owned()));
        }
        let (registry, repository) = match name.split_once('/') {
            Some((first, rest)) if means_registry(first) => (first, rest.to_owned()),
            _ => (DOCKER_HUB, name.to_owned()),
        };
        if !is_registry(registry) {
            return Err(InvalidReference::Registry(registry.to_owned()));
        }
        let registry = if registry == "index.docker.io" {
            DOCKER_HUB
        } else {
            registry
        };
        let repository = if registry == DOCKER_HUB && !repository.contains('/') {
            format!("library/{repository}")
        } else {
            repository
        };
        if repository.bytes().any(|b| b.is_ascii_uppercase()) {
            return Err(InvalidReference::UpperCase(text.to_owned()));
        }
        if repository.len() > 255 || !repository.split('/').all(is_component) {
            return Err(InvalidReference::Repository(text.to_owned()));
        }
        let tag = match (tag, &digest) {
            (Some(tag), _) => Some(tag.to_owned()),
            (None, None) => Some(DEFAULT_TAG.to_owned()),
            (None, Some(_)) => None,
        };
        Ok(Self {
            registry: registry.to_owned(),
            repository,
            tag,
            digest,
        })
    }

    /// Host and port, `docker.io` for Docker Hub.
    pub fn registry(&self) -> &str {
        &self.registry
    }

    pub fn repository(&self) -> &str {
        &self.repository
    }

    pub fn tag(&self) -> Option<&str> {
        self.tag.as_deref()
    }

    pub fn digest(&self) -> Option<&Digest> {
        self.digest.as_ref()
    }

    /// What the registry is asked for: the digest, or else the tag.
    pub fn manifest_name(&self) -> &str {
        match (&self.digest, &self.tag) {
            (Some(digest), _) => digest.as_str(),
            (None, Some(tag)) => tag,
            (None, None) => DEFAULT_TAG,
        }
    }

    pub fn with_digest(&self, digest: Digest) -> Self {
        Self {
            digest: Some(digest),
            tag: None,
            ..self.clone()
        }
    }

    /// Registry and repository as people write them: `busybox`, `registry.example/team/web`.
    pub fn short_name(&self) -> String {
        if self.registry != DOCKER_HUB {
            return format!("{}/{}", self.registry, self.repository);
        }
        match self.repository.split_once('/') {
            Some(("library", rest)) if !rest.contains('/') => rest.to_owned(),
            // Alone it would be taken for another registry's.
            Some((first, _)) if means_registry(first) => format!("{DOCKER_HUB}/{}", self.repository),
            _ => self.repository.clone(),
        }
    }

    /// As people write it: `busybox:latest`.
    pub fn short(&self) -> String {
        let mut text = self.short_name();
        if let Some(tag) = &self.tag {
            text = format!("{text}:{tag}");
        }
        if let Some(digest) = &self.digest {
            text = format!("{text}@{digest}");
        }
        text
    }
}

impl fmt::Display for Reference {
    /// The complete form, as it is stored.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.registry, self.repository)?;
        if let Some(tag) = &self.tag {
            write!(f, ":{tag}")?;
        }
        if let Some(digest) = &self.digest {
            write!(f, "@{digest}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Whether the first of several parts of a name is a host.
fn means_registry(part: &str) -> bool {
    part.contains(['.', ':']) || part == "localhost"
}

fn is_tag(tag: &str) -> bool {
    let first = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    (1..=128).contains(&tag.len())
        && first(tag.as_bytes()[0])
        && tag.bytes().all(|b| first(b) || matches!(b, b'.' | b'-'))
}

/// Lower-case letters and digits, joined by one `.`, one or two `_`, or any number of `-`.
fn is_component(part: &str) -> bool {
    let alphanumeric = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let bytes = part.as_bytes();
    let (Some(first), Some(last)) = (bytes.first(), bytes.last()) else {
        return false;
    };
    if !alphanumeric(*first) || !alphanumeric(*last) {
        return false;
    }
    bytes
        .split(|b| alphanumeric(*b))
        .all(|joint| matches!(joint, b"" | b"." | b"_" | b"__") || joint.iter().all(|b| *b == b'-'))
}

fn is_registry(host: &str) -> bool {
    let (name, port) = match host.rsplit_once(':') {
        Some((name, port)) if !name.contains(':') || name.ends_with(']') => (name, Some(port)),
        _ => (host, None),
    };
    let named = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-');
    let literal = name.strip_prefix('[').and_then(|n| n.strip_suffix(']'));
    let valid_name = match literal {
        Some(address) => address.parse::<std::net::Ipv6Addr>().is_ok(),
        None => !name.is_empty() && name.len() <= 253 && name.bytes().all(named) && !name.starts_with(['-', '.']),
    };
    valid_name && port.is_none_or(|port| port.parse::<u16>().is_ok_and(|p| p > 0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn full(text: &str) -> String {
        Reference::parse(text).expect(text).to_string()
    }

    #[test]
    fn the_short_form_means_the_same_image() {
        for text in [
            "docker.io/library/bus/box",
            "docker.io/library/box",
            "docker.io/team/library/box",
        ] {
            let reference = Reference::parse(text).unwrap();
            assert_eq!(Reference::parse(&reference.short()), Ok(reference), "{text}");
        }
    }

    #[test]
    fn short_names_mean_docker_hub() {
        assert_eq!(full("busybox"), "docker.io/library/busybox:latest");
        assert_eq!(full("team/web:1"), "docker.io/team/web:1");
        assert_eq!(full("index.docker.io/busybox"), "docker.io/library/busybox:latest");
    }

    #[test]
    fn a_first_part_with_dot_or_colon_is_a_registry() {
        assert_eq!(full("127.0.0.1:5000/busybox"), "127.0.0.1:5000/busybox:latest");
        assert_eq!(full("localhost/a/b:x"), "localhost/a/b:x");
        assert_eq!(full("[::1]:5000/web"), "[::1]:5000/web:latest");
    }

    #[test]
    fn a_digest_needs_no_tag_and_decides() {
        let text = format!("web:1@sha256:{}", "a".repeat(64));
        let reference = Reference::parse(&text).expect("valid");
        assert_eq!(reference.manifest_name(), format!("sha256:{}", "a".repeat(64)));
    }

    #[test]
    fn what_is_no_name_is_refused() {
        for text in [
            "",
            ":x",
            "@x",
            "Busybox",
            "a//b",
            "a/",
            "/a",
            "a..b",
            "a___b",
            "-a",
            "a:",
            "a:-x",
            "a b",
            "a@sha256:12",
            "../etc",
            "a.b:99999/x",
            "a.b:0/x",
        ] {
            assert!(Reference::parse(text).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn the_complete_form_means_the_same(text in "[a-z0-9._:/@-]{1,40}") {
            if let Ok(reference) = Reference::parse(&text) {
                prop_assert_eq!(Reference::parse(&reference.to_string()), Ok(reference.clone()));
                prop_assert_eq!(Reference::parse(&reference.short()), Ok(reference));
            }
        }
    }
}
