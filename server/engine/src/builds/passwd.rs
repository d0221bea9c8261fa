//! Names of users and groups, as the files of a stage know them.

use super::failure::Failure;
use super::select::open_file;
use build::{Owners, Who, find_ids};
use std::io::{self, Read as _};
use std::os::fd::{AsFd as _, OwnedFd};
use std::path::Path;

const MOST_BYTES: u64 = 4 << 20;

/// Numbers of `user:group`.
pub(super) fn owners(root: &OwnedFd, who: &Who) -> Result<Owners, Failure> {
    if let Some(owners) = who.numbers() {
        return Ok(owners);
    }
    find_ids(who, &read(root, "etc/passwd")?, &read(root, "etc/group")?).map_err(Failure::Mistake)
}

/// A file that is not there says nothing.
fn read(root: &OwnedFd, path: &str) -> Result<String, Failure> {
    let unreadable = |error: io::Error| Failure::mistake(format!("the image's /{path} cannot be read: {error}"));
    let file = match open_file(root.as_fd(), Path::new(path)) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(String::new()),
        Err(error) => return Err(unreadable(error)),
    };
    let mut bytes = Vec::new();
    file.take(MOST_BYTES).read_to_end(&mut bytes).map_err(unreadable)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}
