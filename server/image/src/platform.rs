use std::fmt;

/// What an image runs on: `linux/arm64/v8`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Platform {
    pub os: String,
    /// As Go counts them: `amd64`, `arm64`.
    pub architecture: String,
    pub variant: String,
}

impl Platform {
    /// This host's.
    pub fn own() -> Self {
        let (architecture, variant) = match std::env::consts::ARCH {
            "x86_64" => ("amd64", ""),
            "aarch64" => ("arm64", "v8"),
            other => (other, ""),
        };
        Self {
            os: "linux".to_owned(),
            architecture: architecture.to_owned(),
            variant: variant.to_owned(),
        }
    }

    /// `linux/amd64`, `linux/arm64/v8`, or the architecture alone.
    pub fn parse(text: &str) -> Option<Self> {
        let parts: Vec<&str> = text.split('/').collect();
        let (os, architecture, variant) = match parts[..] {
            [architecture] => ("linux", architecture, ""),
            [os, architecture] => (os, architecture, ""),
            [os, architecture, variant] => (os, architecture, variant),
            _ => return None,
        };
        (!os.is_empty() && !architecture.is_empty()).then(|| Self {
            os: os.to_owned(),
            architecture: architecture.to_owned(),
            variant: variant.to_owned(),
        })
    }

    pub(crate) fn fits(&self, wanted: &Self) -> bool {
        let variant = self.variant.is_empty() || wanted.variant.is_empty() || self.variant == wanted.variant;
        self.os == wanted.os && self.architecture == wanted.architecture && variant
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.os, self.architecture)?;
        if !self.variant.is_empty() {
            write!(f, "/{}", self.variant)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_variant_that_is_not_told_fits_every_wish() {
        let own = Platform::parse("linux/arm64/v8").unwrap();
        assert!(Platform::parse("arm64").unwrap().fits(&own));
        assert!(!Platform::parse("linux/arm64/v7").unwrap().fits(&own));
        assert!(!Platform::parse("windows/arm64").unwrap().fits(&own));
    }
}
