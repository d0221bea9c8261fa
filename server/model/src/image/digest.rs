use std::fmt;

/// `sha256:` and 64 lower-case hexadecimal digits: the immovable name of some
/// bytes (image-spec, descriptor.md, "Digests").
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Digest(String);

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a digest of the form `sha256:` and 64 hexadecimal digits")]
pub struct InvalidDigest(pub String);

const PREFIX: &str = "sha256:";

impl Digest {
    pub fn parse(text: &str) -> Result<Self, InvalidDigest> {
        let hex = text
            .strip_prefix(PREFIX)
            .ok_or_else(|| InvalidDigest(text.to_owned()))?;
        let valid = hex.len() == 64 && hex.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        if valid {
            Ok(Self(text.to_owned()))
        } else {
            Err(InvalidDigest(text.to_owned()))
        }
    }

    /// From the 32 bytes that SHA-256 gives.
    pub fn from_sha256(bytes: [u8; 32]) -> Self {
        use fmt::Write as _;
        let mut text = String::with_capacity(71);
        text.push_str(PREFIX);
        for byte in bytes {
            let _ = write!(text, "{byte:02x}");
        }
        Self(text)
    }

    /// With the algorithm: `sha256:…`.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The 64 digits alone.
    pub fn hex(&self) -> &str {
        &self.0[PREFIX.len()..]
    }

    /// The first twelve digits, as lists show it.
    pub fn short(&self) -> &str {
        &self.hex()[..12]
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
