//! `RUN --mount=…`. Dockerfile reference, "RUN --mount".

use super::Said;
use super::flags::parse_bool;

/// A mount that lasts as long as one RUN.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mount {
    /// Absolute, or relative to the working directory. Empty where the mount is a
    /// secret or a socket that says no place.
    pub target: String,
    pub kind: MountKind,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MountKind {
    Bind {
        /// A stage or an image; `None` is the context.
        from: Option<String>,
        /// A path in it.
        source: String,
        /// Writes go nowhere, but are allowed.
        writable: bool,
    },
    Cache {
        id: String,
        sharing: Sharing,
        read_only: bool,
        /// What an empty cache begins with.
        from: Option<String>,
        source: String,
        owner: Owner,
    },
    Tmpfs {
        size_bytes: Option<u64>,
    },
    Secret {
        id: String,
        required: bool,
        /// Given as this variable, too or instead of as a file.
        env: Option<String>,
        owner: Owner,
    },
    Ssh {
        id: String,
        required: bool,
        owner: Owner,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sharing {
    /// Several may write at once.
    Shared,
    /// Who finds it in use gets one of its own.
    Private,
    /// Who finds it in use waits.
    Locked,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Owner {
    pub uid: u32,
    pub gid: u32,
    pub mode: u32,
}

/// The stage or image a mount names, without reading the rest.
pub(crate) fn from_of(text: &str) -> Result<Option<String>, Said> {
    let mut from = None;
    for field in fields(text)? {
        if let Some(value) = field.strip_prefix("from=") {
            if value.contains('$') {
                return Err(Said(format!(
                    "`from={value}` in a mount takes no variables; name a stage `FROM {value} AS base` and say `from=base`"
                )));
            }
            from = Some(value.to_owned());
        }
    }
    Ok(from)
}

impl Mount {
    /// Reads `type=cache,target=/x`; `expand` replaces variables in values.
    ///
    /// # Errors
    /// An option that the type does not have, or a value it cannot have.
    pub fn parse(text: &str, expand: &dyn Fn(&str) -> Result<String, String>) -> Result<Self, String> {
        parse(text, expand).map_err(|said| said.0)
    }
}

fn parse(text: &str, expand: &dyn Fn(&str) -> Result<String, String>) -> Result<Mount, Said> {
    let mut options = Options::default();
    for field in fields(text)? {
        let (name, value) = match field.split_once('=') {
            Some((name, value)) if name == "from" => (name, Some(value.to_owned())),
            Some((name, value)) => (name, Some(expand(value).map_err(Said)?)),
            None => (field.as_str(), None),
        };
        options
            .given
            .push((canonical(&name.to_ascii_lowercase()).to_owned(), value));
    }
    let kind = options.value("type")?.unwrap_or_else(|| "bind".to_owned());
    let target = options.value("target")?;
    let needs_target = || {
        target.clone().ok_or_else(|| {
            Said(format!(
                "a mount of type {kind} needs `target=`, the place it is seen at"
            ))
        })
    };
    let mount = match kind.as_str() {
        "bind" => Mount {
            target: needs_target()?,
            kind: MountKind::Bind {
                from: options.value("from")?,
                source: options.value("source")?.unwrap_or_else(|| "/".to_owned()),
                writable: options.is_writable()?.unwrap_or(false),
            },
        },
        "cache" => {
            let target = needs_target()?;
            Mount {
                kind: MountKind::Cache {
                    id: options.value("id")?.unwrap_or_else(|| target.clone()),
                    sharing: match options.value("sharing")?.as_deref() {
                        None | Some("shared") => Sharing::Shared,
                        Some("private") => Sharing::Private,
                        Some("locked") => Sharing::Locked,
                        Some(other) => {
                            return Err(Said(format!(
                                "`sharing` is `shared`, `private` or `locked`, not `{other}`"
                            )));
                        }
                    },
                    read_only: !options.is_writable()?.unwrap_or(true),
                    from: options.value("from")?,
                    source: options.value("source")?.unwrap_or_else(|| "/".to_owned()),
                    owner: options.owner(0o755)?,
                },
                target,
            }
        }
        "tmpfs" => Mount {
            target: needs_target()?,
            kind: MountKind::Tmpfs {
                size_bytes: options.value("size")?.map(|text| size(&text)).transpose()?,
            },
        },
        "secret" => {
            let id = options.value("id")?;
            let env = options.value("env")?;
            let id = match (id, &target) {
                (Some(id), _) => id,
                (None, Some(target)) => target.rsplit('/').next().unwrap_or_default().to_owned(),
                (None, None) => String::new(),
            };
            if id.is_empty() {
                return Err(Said(
                    "a secret needs `id=`, the name it was given to the build by".to_owned(),
                ));
            }
            let target = match (target, &env) {
                (Some(target), _) => target,
                (None, Some(_)) => String::new(),
                (None, None) => format!("/run/secrets/{}", id.rsplit('/').next().unwrap_or_default()),
            };
            Mount {
                target,
                kind: MountKind::Secret {
                    required: options.flag("required")?.unwrap_or(false),
                    env,
                    owner: options.owner(0o400)?,
                    id,
                },
            }
        }
        "ssh" => Mount {
            target: target.unwrap_or_default(),
            kind: MountKind::Ssh {
                id: options.value("id")?.unwrap_or_else(|| "default".to_owned()),
                required: options.flag("required")?.unwrap_or(false),
                owner: options.owner(0o600)?,
            },
        },
        other => {
            return Err(Said(format!(
                "there is no mount of type `{other}`; it is one of bind, cache, tmpfs, secret and ssh"
            )));
        }
    };
    options.end(&kind)?;
    Ok(mount)
}

#[derive(Default)]
struct Options {
    given: Vec<(String, Option<String>)>,
}

impl Options {
    fn value(&mut self, name: &str) -> Result<Option<String>, Said> {
        let Some(at) = self.given.iter().position(|(known, _)| known == name) else {
            return Ok(None);
        };
        match self.given.remove(at).1 {
            Some(value) if !value.is_empty() => Ok(Some(value)),
            _ => Err(Said(format!("the mount's `{name}` needs a value: `{name}=…`"))),
        }
    }

    fn flag(&mut self, name: &str) -> Result<Option<bool>, Said> {
        let Some(at) = self.given.iter().position(|(known, _)| known == name) else {
            return Ok(None);
        };
        match self.given.remove(at).1 {
            None => Ok(Some(true)),
            Some(word) => match parse_bool(&word) {
                Some(value) => Ok(Some(value)),
                None => Err(Said(format!("the mount's `{name}` is `true` or `false`, not `{word}`"))),
            },
        }
    }

    /// `rw` or `ro`, whichever is said.
    fn is_writable(&mut self) -> Result<Option<bool>, Said> {
        let writable = self.flag("readwrite")?;
        let read_only = self.flag("readonly")?;
        Ok(writable.or(read_only.map(|read_only| !read_only)))
    }

    fn owner(&mut self, mode: u32) -> Result<Owner, Said> {
        let mut number = |name: &str, radix, otherwise| match self.value(name)? {
            None => Ok(otherwise),
            Some(text) => u32::from_str_radix(&text, radix)
                .map_err(|_| Said(format!("the mount's `{name}` is a number, not `{text}`"))),
        };
        Ok(Owner {
            uid: number("uid", 10, 0)?,
            gid: number("gid", 10, 0)?,
            mode: number("mode", 8, mode)? & 0o7777,
        })
    }

    fn end(self, kind: &str) -> Result<(), Said> {
        match self.given.first() {
            None => Ok(()),
            Some((name, _)) => Err(Said(format!("a mount of type {kind} has no option `{name}`"))),
        }
    }
}

fn canonical(name: &str) -> &str {
    match name {
        "dst" | "destination" => "target",
        "src" => "source",
        "rw" => "readwrite",
        "ro" => "readonly",
        other => other,
    }
}

/// `64m`, `1GB`, `1024`.
fn size(text: &str) -> Result<u64, Said> {
    let wrong = || Said(format!("the mount's `size` is such as `64m`, not `{text}`"));
    let lower = text.to_ascii_lowercase();
    let digits = lower.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let shift = match lower[digits.len()..].trim_end_matches('b').trim_end_matches('i') {
        "" => 0,
        "k" => 10,
        "m" => 20,
        "g" => 30,
        "t" => 40,
        _ => return Err(wrong()),
    };
    let number: u64 = digits.parse().map_err(|_| wrong())?;
    number.checked_mul(1 << shift).ok_or_else(wrong)
}

/// Comma-separated; a field in double quotes may hold commas. RFC 4180
fn fields(text: &str) -> Result<Vec<String>, Said> {
    let mut fields = vec![String::new()];
    let mut quoted = false;
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        let last = fields.len() - 1;
        match letter {
            '"' if quoted && letters.peek() == Some(&'"') => {
                letters.next();
                fields[last].push('"');
            }
            '"' => quoted = !quoted,
            ',' if !quoted => fields.push(String::new()),
            other => fields[last].push(other),
        }
    }
    if quoted {
        return Err(Said("a quote in a mount is opened and not closed".to_owned()));
    }
    Ok(fields)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Mount, String> {
        Mount::parse(text, &|value| Ok(value.replace("$x", "expanded")))
    }

    #[test]
    fn every_type_is_read_with_its_options() {
        let bind = read("target=/src,from=base,source=/a,rw").unwrap();
        assert_eq!(
            bind.kind,
            MountKind::Bind {
                from: Some("base".to_owned()),
                source: "/a".to_owned(),
                writable: true
            }
        );
        let cache = read("type=cache,dst=/root/$x,sharing=locked,uid=7,mode=0700").unwrap();
        assert_eq!(cache.target, "/root/expanded");
        let MountKind::Cache { id, sharing, owner, .. } = cache.kind else {
            panic!("a cache")
        };
        assert_eq!((id.as_str(), sharing), ("/root/expanded", Sharing::Locked));
        assert_eq!((owner.uid, owner.gid, owner.mode), (7, 0, 0o700));
        let secret = read("type=secret,id=team/token,required").unwrap();
        assert_eq!(secret.target, "/run/secrets/token");
        let env = read("type=secret,id=token,env=TOKEN").unwrap();
        assert_eq!(env.target, "");
        assert_eq!(
            read("type=tmpfs,target=/t,size=64m").unwrap().kind,
            MountKind::Tmpfs {
                size_bytes: Some(64 << 20)
            }
        );
        assert!(matches!(read("type=ssh").unwrap().kind, MountKind::Ssh { .. }));
        assert_eq!(read("\"target=/a,b\"").unwrap().target, "/a,b");
    }

    #[test]
    fn what_a_mount_cannot_be_is_told() {
        for (text, wanted) in [
            ("type=cache", "needs `target=`"),
            ("type=nfs,target=/x", "no mount of type `nfs`"),
            ("type=bind,target=/x,size=1", "no option `size`"),
            ("type=cache,target=/x,sharing=some", "`sharing` is"),
            ("type=secret", "needs `id=`"),
            ("target=/x,rw=maybe", "`true` or `false`"),
            ("type=tmpfs,target=/x,size=lots", "`size` is such as"),
            ("\"target=/x", "not closed"),
        ] {
            let error = read(text).unwrap_err();
            assert!(error.contains(wanted), "{text}: {error}");
        }
        assert!(from_of("from=$x,target=/a").is_err());
        assert_eq!(from_of("from=a,target=/a").unwrap().as_deref(), Some("a"));
    }
}
