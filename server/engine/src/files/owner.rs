//! Users and groups by the names a container has for them: passwd(5), group(5).

use super::root::ContainerRoot;
use crate::error::EngineError;
use std::io::{Read as _, Take};
use std::path::Path;

/// Of the container's files nobody knows how long they are.
const MOST_BYTES: u64 = 4 << 20;

/// `user`, `uid`, `user:group` and so on, as numbers.
///
/// # Errors
/// The container knows no such name.
pub(super) fn numbers(root: &ContainerRoot, text: &str) -> Result<(u32, u32), EngineError> {
    let (user, group) = match text.split_once(':') {
        Some((user, group)) => (user, Some(group)),
        None => (text, None),
    };
    let users = lines(root, "/etc/passwd");
    let entry = users
        .iter()
        .find(|fields| fields[0] == user || fields.get(2).is_some_and(|id| id == user));
    let number = |fields: &Vec<String>, place: usize| fields.get(place).and_then(|id| id.parse::<u32>().ok());
    let uid = match (user, entry) {
        ("", _) => Some(0),
        (_, Some(entry)) => number(entry, 2),
        (user, None) => user.parse().ok(),
    };
    let gid = match group {
        None => Some(entry.and_then(|entry| number(entry, 3)).unwrap_or(0)),
        Some(group) => match group.parse() {
            Ok(gid) => Some(gid),
            Err(_) => {
                let groups = lines(root, "/etc/group");
                let entry = groups.iter().find(|fields| fields[0] == group);
                entry.and_then(|entry| number(entry, 2))
            }
        },
    };
    match (uid, gid) {
        (Some(uid), Some(gid)) => Ok((uid, gid)),
        _ => Err(EngineError::invalid(
            "user",
            format!("the container knows no user `{text}`"),
        )),
    }
}

fn lines(root: &ContainerRoot, path: &str) -> Vec<Vec<String>> {
    let file = sys::beneath::find(root, Path::new(path)).and_then(sys::tree::reopen_file);
    let mut text = String::new();
    let read = file
        .map(|file| file.take(MOST_BYTES))
        .and_then(|mut file: Take<_>| file.read_to_string(&mut text));
    match read {
        Ok(_) => text
            .lines()
            .map(|line| line.split(':').map(str::to_owned).collect())
            .collect(),
        Err(_) => Vec::new(),
    }
}
