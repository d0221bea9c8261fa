//! `--chown` and `USER`: names and numbers, and what an image's own files make of
//! them. passwd(5), group(5)

/// A user or group as written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Name {
    Id(u32),
    Named(String),
}

/// `user`, `user:group`, by name or number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Who {
    pub user: Name,
    /// `None` is the group the image has the user in; for a number, the same number.
    pub group: Option<Name>,
}

/// Numbers, found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Owners {
    pub uid: u32,
    pub gid: u32,
}

impl Who {
    pub fn parse(text: &str) -> Result<Self, String> {
        let (user, group) = match text.split_once(':') {
            Some((user, group)) => (user, Some(group)),
            None => (text, None),
        };
        if user.is_empty() || group.is_some_and(|group| group.is_empty() || group.contains(':')) {
            return Err(format!("`{text}` is no owner; write `user`, `user:group` or numbers"));
        }
        Ok(Self {
            user: name(user),
            group: group.map(name),
        })
    }

    /// Whether the image's files need not be asked.
    pub fn numbers(&self) -> Option<Owners> {
        match (&self.user, &self.group) {
            (Name::Id(uid), None) => Some(Owners { uid: *uid, gid: *uid }),
            (Name::Id(uid), Some(Name::Id(gid))) => Some(Owners { uid: *uid, gid: *gid }),
            _ => None,
        }
    }
}

fn name(text: &str) -> Name {
    text.parse().map_or_else(|_| Name::Named(text.to_owned()), Name::Id)
}

/// Looks names up in the image's `/etc/passwd` and `/etc/group`.
pub fn find_ids(who: &Who, passwd: &str, group: &str) -> Result<Owners, String> {
    let (uid, primary) = match &who.user {
        Name::Id(uid) => (*uid, *uid),
        Name::Named(user) => {
            let mut fields = passwd.lines().map(|line| line.split(':').collect::<Vec<_>>());
            let found = fields.find_map(|fields| match fields[..] {
                [name, _, uid, gid, ..] if name == user => Some((uid.parse().ok()?, gid.parse().ok()?)),
                _ => None,
            });
            found.ok_or_else(|| {
                format!("the image's /etc/passwd has no user `{user}`; make it first, or give its number")
            })?
        }
    };
    let gid = match &who.group {
        None => primary,
        Some(Name::Id(gid)) => *gid,
        Some(Name::Named(wanted)) => {
            let found = group.lines().find_map(|line| {
                let fields: Vec<&str> = line.split(':').collect();
                match fields[..] {
                    [name, _, gid, ..] if name == wanted => gid.parse().ok(),
                    _ => None,
                }
            });
            found.ok_or_else(|| {
                format!("the image's /etc/group has no group `{wanted}`; make it first, or give its number")
            })?
        }
    };
    Ok(Owners { uid, gid })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_looked_up_and_numbers_are_not() {
        let (passwd, group) = (
            "root:x:0:0::/:/bin/sh\nweb:x:33:34::/:/bin/sh\n",
            "web:x:35:\nstaff:x:50:\n",
        );
        let ids = |text: &str| find_ids(&Who::parse(text).unwrap(), passwd, group).map(|o| (o.uid, o.gid));
        assert_eq!(ids("web"), Ok((33, 34)));
        assert_eq!(ids("web:staff"), Ok((33, 50)));
        assert_eq!(ids("7"), Ok((7, 7)));
        assert_eq!(ids("7:web"), Ok((7, 35)));
        assert!(ids("nobody").unwrap_err().contains("/etc/passwd"));
        assert!(ids("0:none").unwrap_err().contains("/etc/group"));
        assert!(Who::parse(":x").is_err() && Who::parse("x:").is_err());
    }
}
