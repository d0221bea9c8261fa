//! Which ids of a user namespace mean which of its parent. user_namespaces(7)

use std::fs;
use std::io;

/// A run of ids: `size` of them from `inside` on mean those from `outside` on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IdRange {
    pub inside: u32,
    pub outside: u32,
    pub size: u32,
}

/// Gives the new user namespace of process `pid` its ids, which can be done once.
///
/// # Errors
/// `EPERM` when the caller may not map those ids, `EINVAL` when ranges overlap or are
/// more than 340.
pub fn write_maps(pid: i32, users: &[IdRange], groups: &[IdRange]) -> io::Result<()> {
    let write = |file: &str, ranges: &[IdRange]| {
        // All in one write: the kernel takes no second.
        let lines: String = ranges
            .iter()
            .map(|IdRange { inside, outside, size }| format!("{inside} {outside} {size}\n"))
            .collect();
        fs::write(format!("/proc/{pid}/{file}"), lines)
    };
    match write("gid_map", groups) {
        // Without rights over groups, only after giving up to drop any.
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            fs::write(format!("/proc/{pid}/setgroups"), "deny")?;
            write("gid_map", groups)?;
        }
        outcome => outcome?,
    }
    write("uid_map", users)
}
