//! Ids that the host's administrator gave to users for their user namespaces, and who
//! those users are. subuid(5), subgid(5), passwd(5)

use std::fs;
use std::io;
use std::path::Path;

/// A run of ids.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Run {
    pub first: u32,
    pub count: u32,
}

/// A user of the host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    pub name: String,
    pub uid: u32,
    pub gid: u32,
    pub home: String,
}

/// Runs of users and of groups, in the order of the files.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Subordinate {
    pub users: Vec<Run>,
    pub groups: Vec<Run>,
}

/// What `/etc/subuid` and `/etc/subgid` give to a user, by name or by number. A file that
/// is not there gives nothing.
pub fn of(name: &str, uid: Option<u32>) -> io::Result<Subordinate> {
    let read = |path: &str| match fs::read_to_string(path) {
        Ok(text) => Ok(runs(&text, name, uid)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(error),
    };
    Ok(Subordinate {
        users: read("/etc/subuid")?,
        groups: read("/etc/subgid")?,
    })
}

/// By name, from `/etc/passwd`.
pub fn user_by_name(name: &str) -> Option<User> {
    find(|user| user.name == name)
}

/// By number, from `/etc/passwd`.
pub fn user_by_id(uid: u32) -> Option<User> {
    find(|user| user.uid == uid)
}

fn find(wanted: impl Fn(&User) -> bool) -> Option<User> {
    let text = fs::read_to_string(Path::new("/etc/passwd")).ok()?;
    text.lines().filter_map(user).find(wanted)
}

fn user(line: &str) -> Option<User> {
    let fields: Vec<&str> = line.split(':').collect();
    let [name, _, uid, gid, _, home, ..] = fields[..] else {
        return None;
    };
    Some(User {
        name: name.to_owned(),
        uid: uid.parse().ok()?,
        gid: gid.parse().ok()?,
        home: home.to_owned(),
    })
}

fn runs(text: &str, name: &str, uid: Option<u32>) -> Vec<Run> {
    let number = uid.map(|uid| uid.to_string());
    text.lines()
        .filter_map(|line| {
            let mut fields = line.trim().split(':');
            let owner = fields.next()?;
            let run = Run {
                first: fields.next()?.parse().ok()?,
                count: fields.next()?.parse().ok()?,
            };
            let own = owner == name || number.as_deref() == Some(owner);
            (own && run.count > 0 && run.first.checked_add(run.count).is_some()).then_some(run)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_users_runs_are_found_by_name_and_by_number() {
        let text = "web:100000:65536\n# web:1:1\n1000:300000:10\nother:5:5\nweb:x:1\nweb:4294967295:2\n";
        let found = runs(text, "web", Some(1000));
        let run = |first, count| Run { first, count };
        assert_eq!(found, [run(100_000, 65_536), run(300_000, 10)]);
        assert_eq!(runs(text, "nobody", None), []);
    }

    #[test]
    fn root_is_a_user() {
        let root = user_by_id(0).unwrap();
        assert_eq!(user_by_name(&root.name), Some(root));
    }
}
