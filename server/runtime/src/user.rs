//! Users and groups by name, from the container's own files. passwd(5), group(5)
//!
//! Nothing of the container is executed or loaded for it: the files are read as
//! text. A number that is also a name is the number.

use crate::Failure;
use std::fs;

#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Identity {
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    pub(crate) groups: Vec<u32>,
    pub(crate) home: Option<String>,
}

/// Resolves `user`, `uid`, `user:group` and so on in the files below `/`.
pub(crate) fn resolve(text: &str, additional: &[u32]) -> Result<Identity, Failure> {
    let read = |path| fs::read(path).map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    find(
        text,
        additional,
        &read("/etc/passwd").unwrap_or_default(),
        &read("/etc/group").unwrap_or_default(),
    )
}

/// A group by name or number.
pub(crate) fn resolve_group(text: &str) -> Result<u32, Failure> {
    let group = fs::read("/etc/group").unwrap_or_default();
    find_group(text, &String::from_utf8_lossy(&group))
}

fn find_group(text: &str, group: &str) -> Result<u32, Failure> {
    let named = || groups(group).find(|group| group.name == text).map(|group| group.gid);
    number(text)
        .or_else(named)
        .ok_or_else(|| Failure::new("user", format!("the container's /etc/group has no group `{text}`")))
}

/// The home directory of a user who is known by number.
pub(crate) fn home_of(uid: u32) -> Option<String> {
    let passwd = fs::read("/etc/passwd").ok()?;
    let passwd = String::from_utf8_lossy(&passwd);
    users(&passwd)
        .find(|user| user.uid == uid)
        .map(|user| user.home.to_owned())
}

struct User<'a> {
    name: &'a str,
    uid: u32,
    gid: u32,
    home: &'a str,
}

fn users(passwd: &str) -> impl Iterator<Item = User<'_>> {
    passwd.lines().filter_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        let (uid, gid) = (number(fields.nth(1)?)?, number(fields.next()?)?);
        let home = fields.nth(1).unwrap_or("/");
        Some(User { name, uid, gid, home })
    })
}

struct Group<'a> {
    name: &'a str,
    gid: u32,
    members: &'a str,
}

fn groups(group: &str) -> impl Iterator<Item = Group<'_>> {
    group.lines().filter_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        let gid = number(fields.nth(1)?)?;
        Some(Group {
            name,
            gid,
            members: fields.next().unwrap_or(""),
        })
    })
}

/// Plain digits only: `+0` and the like are names that nobody has. The highest
/// number means "no change" to the kernel and is refused.
fn number(text: &str) -> Option<u32> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    digits
        .then(|| text.parse().ok())?
        .filter(|number| *number < i32::MAX as u32)
}

pub(crate) fn find(text: &str, additional: &[u32], passwd: &str, group: &str) -> Result<Identity, Failure> {
    let (user_text, group_text) = match text.split_once(':') {
        Some((user, group)) => (user, Some(group).filter(|group| !group.is_empty())),
        None => (text, None),
    };
    let user_text = if user_text.is_empty() { "0" } else { user_text };
    let asked = number(user_text);
    let known = match asked {
        Some(uid) => users(passwd).find(|user| user.uid == uid),
        None => users(passwd).find(|user| user.name == user_text),
    };
    let (uid, known_gid, name, home) = match (&known, asked) {
        (Some(user), _) => (user.uid, user.gid, Some(user.name), Some(user.home.to_owned())),
        (None, Some(uid)) => (uid, 0, None, None),
        (None, None) => {
            return Err(Failure::new(
                "user",
                format!("the container's /etc/passwd has no user `{user_text}`"),
            ));
        }
    };
    let gid = match group_text {
        None => known_gid,
        Some(text) => find_group(text, group)?,
    };
    let mut all = additional.to_vec();
    // A group that was named replaces the user's own ones.
    if let Some(name) = name.filter(|_| group_text.is_none()) {
        all.extend(
            groups(group)
                .filter(|group| group.members.split(',').any(|member| member == name))
                .map(|group| group.gid),
        );
    }
    all.sort_unstable();
    all.dedup();
    Ok(Identity {
        uid,
        gid,
        groups: all,
        home,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSWD: &str = "root:x:0:0:root:/root:/bin/sh\nweb:x:33:34:web:/srv:/bin/false\n1000:x:5:5::/:\nbroken\n";
    const GROUP: &str = "root:x:0:\nlog:x:4:web,other\nwww:x:34:\n";

    fn of(text: &str) -> Result<(u32, u32, Vec<u32>), String> {
        find(text, &[], PASSWD, GROUP)
            .map(|found| (found.uid, found.gid, found.groups))
            .map_err(|failure| failure.message)
    }

    #[test]
    fn users_and_groups_are_found_by_name_and_number() {
        assert_eq!(of(""), Ok((0, 0, vec![])));
        assert_eq!(of("web"), Ok((33, 34, vec![4])));
        assert_eq!(of("33"), Ok((33, 34, vec![4])));
        assert_eq!(of("web:log"), Ok((33, 4, vec![])));
        assert_eq!(of("web:77"), Ok((33, 77, vec![])));
        assert_eq!(of("4711"), Ok((4711, 0, vec![])));
    }

    #[test]
    fn odd_texts_never_give_more_rights() {
        // A name made of digits is the number.
        assert_eq!(of("1000"), Ok((1000, 0, vec![])));
        for text in [
            "+0",
            "-1",
            " 0",
            "0x0",
            "4294967295",
            "4294967296",
            "nobody",
            "web:none",
            "web:-1",
        ] {
            assert!(of(text).is_err(), "{text}");
        }
    }
}
