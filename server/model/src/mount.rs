//! What is mounted where in a container, besides its root.

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mount {
    pub source: Source,
    /// Absolute path in the container; never `/`.
    pub target: String,
    pub read_only: bool,
}

/// What becomes of mounts below the source of a bind. Docker's `bind-recursive`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Recursion {
    /// They are bound too, read-only where the bind is.
    #[default]
    Enabled,
    /// They are left out.
    Disabled,
    /// They are bound too, and stay writable where the bind is read-only.
    Writable,
    /// As [`Self::Enabled`], and the bind must be read-only and private.
    ReadOnly,
}

impl Recursion {
    pub const ALL: [Self; 4] = [Self::Enabled, Self::Disabled, Self::Writable, Self::ReadOnly];

    /// As Docker's command line has it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Enabled => "enabled",
            Self::Disabled => "disabled",
            Self::Writable => "writable",
            Self::ReadOnly => "readonly",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|recursion| recursion.as_str() == text)
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// A path of the host.
    Bind {
        path: String,
        propagation: Option<String>,
        create: bool,
        recursion: Recursion,
    },
    /// A named volume, made when it does not exist.
    Volume {
        name: String,
        /// An empty volume stays empty; else it begins with what the image has at the target.
        no_copy: bool,
    },
    Tmpfs {
        size_bytes: Option<u64>,
        mode: Option<u32>,
        options: Vec<String>,
    },
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidMount {
    #[error("mount target `{0}` is not an absolute path")]
    TargetNotAbsolute(String),
    #[error("mount target `{0}` is the container's root")]
    TargetIsRoot(String),
    #[error("mount target `{0}` is given twice")]
    TargetTwice(String),
    #[error("bind source `{0}` is not an absolute path")]
    SourceNotAbsolute(String),
    #[error(
        "`{0}` cannot be a volume's name; it starts with a letter or digit and goes on with letters, digits, `_`, `.` or `-`"
    )]
    VolumeName(String),
    #[error("`{0}` is not a mount; write `SOURCE:TARGET` or `SOURCE:TARGET:ro`")]
    Form(String),
    #[error("mount option `{0}` is not known")]
    UnknownOption(String),
    #[error("bind-recursive `{0}` of mount `{1}` needs a read-only mount")]
    RecursionOfWritable(&'static str, String),
    #[error(
        "bind-recursive `readonly` of mount `{0}` needs the propagation `rprivate`; another one could bring writable mounts in"
    )]
    RecursionOfShared(String),
}

/// A volume's name: as a container's, 1 to 255 bytes.
pub fn is_volume_name(name: &str) -> bool {
    let rest = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-');
    (1..=255).contains(&name.len()) && name.as_bytes()[0].is_ascii_alphanumeric() && name.bytes().all(rest)
}

impl Mount {
    /// Parses the short form `SOURCE:TARGET[:OPTIONS]` of `-v`: a source with a
    /// leading `/` is a path of the host, any other a volume. Options: `ro`,
    /// `rw`, the propagation words of a bind, `nocopy` of a volume, and `z`, `Z`, which
    /// need nothing here.
    pub fn parse(text: &str) -> Result<Self, InvalidMount> {
        let parts: Vec<&str> = text.split(':').collect();
        let (source, target, options) = match parts[..] {
            [source, target] => (source, target, ""),
            [source, target, options] => (source, target, options),
            _ => return Err(InvalidMount::Form(text.to_owned())),
        };
        let mut read_only = false;
        let mut propagation = None;
        let mut no_copy = false;
        for option in options.split(',').filter(|o| !o.is_empty()) {
            match option {
                "ro" => read_only = true,
                "rw" | "z" | "Z" => {}
                "nocopy" if !source.starts_with('/') => no_copy = true,
                "private" | "rprivate" | "slave" | "rslave" | "shared" | "rshared" => {
                    propagation = Some(option.to_owned());
                }
                _ => return Err(InvalidMount::UnknownOption(option.to_owned())),
            }
        }
        let source = if source.starts_with('/') {
            Source::Bind {
                path: source.to_owned(),
                propagation,
                create: true,
                recursion: Recursion::default(),
            }
        } else if is_volume_name(source) {
            Source::Volume {
                name: source.to_owned(),
                no_copy,
            }
        } else {
            return Err(InvalidMount::VolumeName(source.to_owned()));
        };
        let mount = Self {
            source,
            target: target.to_owned(),
            read_only,
        };
        mount.check()?;
        Ok(mount)
    }

    pub fn check(&self) -> Result<(), InvalidMount> {
        if !self.target.starts_with('/') {
            return Err(InvalidMount::TargetNotAbsolute(self.target.clone()));
        }
        if self.target.split('/').all(|part| part.is_empty() || part == ".") {
            return Err(InvalidMount::TargetIsRoot(self.target.clone()));
        }
        if let Source::Bind {
            recursion, propagation, ..
        } = &self.source
        {
            self.check_recursion(*recursion, propagation.as_deref())?;
        }
        match &self.source {
            Source::Bind { path, .. } if !path.starts_with('/') => Err(InvalidMount::SourceNotAbsolute(path.clone())),
            Source::Volume { name, .. } if !is_volume_name(name) => Err(InvalidMount::VolumeName(name.clone())),
            Source::Bind { .. } | Source::Volume { .. } | Source::Tmpfs { .. } => Ok(()),
        }
    }
}

impl Mount {
    fn check_recursion(&self, recursion: Recursion, propagation: Option<&str>) -> Result<(), InvalidMount> {
        let needs_read_only = matches!(recursion, Recursion::Writable | Recursion::ReadOnly);
        if needs_read_only && !self.read_only {
            return Err(InvalidMount::RecursionOfWritable(
                recursion.as_str(),
                self.target.clone(),
            ));
        }
        if recursion == Recursion::ReadOnly && !matches!(propagation, None | Some("rprivate")) {
            return Err(InvalidMount::RecursionOfShared(self.target.clone()));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lies_below_a_bind_is_asked_for_by_dockers_words() {
        for recursion in Recursion::ALL {
            assert_eq!(Recursion::parse(recursion.as_str()), Some(recursion));
        }
        assert_eq!(Recursion::parse("rro"), None);
        let mount = |recursion, read_only, propagation: Option<&str>| Mount {
            source: Source::Bind {
                path: "/a".to_owned(),
                propagation: propagation.map(str::to_owned),
                create: false,
                recursion,
            },
            target: "/b".to_owned(),
            read_only,
        };
        assert!(mount(Recursion::Disabled, false, None).check().is_ok());
        assert!(mount(Recursion::Writable, true, Some("rshared")).check().is_ok());
        assert!(mount(Recursion::ReadOnly, true, Some("rprivate")).check().is_ok());
        assert!(mount(Recursion::Writable, false, None).check().is_err());
        assert!(mount(Recursion::ReadOnly, false, None).check().is_err());
        assert!(mount(Recursion::ReadOnly, true, Some("rslave")).check().is_err());
    }

    #[test]
    fn a_path_is_bound_and_a_word_is_a_volume() {
        let bind = Mount::parse("/srv/web:/usr/share/web:ro").expect("valid");
        assert!(bind.read_only && matches!(bind.source, Source::Bind { .. }));
        let volume = Mount::parse("data:/var/lib/data").expect("valid");
        let source = |no_copy| Source::Volume {
            name: "data".into(),
            no_copy,
        };
        assert_eq!(volume.source, source(false));
        let kept_empty = Mount::parse("data:/var/lib/data:ro,nocopy").expect("valid");
        assert_eq!(kept_empty.source, source(true));
    }

    #[test]
    fn mounts_that_cannot_be_are_refused() {
        for text in [
            "",
            "/a",
            "/a:b",
            "/a:/",
            "/a:/./",
            "/a:/b:nocopy",
            "../a:/b",
            "a:/b:what",
            "a:b:c:d",
        ] {
            assert!(Mount::parse(text).is_err(), "{text}");
        }
    }
}
