//! Devices. kernel, cgroup-v1/devices.rst

use crate::devices::{Exception, Policy};
use crate::error::CgroupError;
use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};

pub(crate) fn set(dir: &Path, policy: &Policy) -> Result<(), CgroupError> {
    let mut allow = Lines::open(dir.join("devices.allow"))?;
    let mut deny = Lines::open(dir.join("devices.deny"))?;
    // `a` empties the list as well.
    let (base, other) = if policy.allow_by_default {
        (&mut allow, &mut deny)
    } else {
        (&mut deny, &mut allow)
    };
    base.write("a")?;
    for exception in &policy.exceptions {
        other.write(&line(exception))?;
    }
    Ok(())
}

/// `c 1:3 rwm`
fn line(exception: &Exception) -> String {
    let number = |number: Option<u32>| number.map_or("*".into(), |number| number.to_string());
    let access = exception.access;
    let letters = [(access.read, 'r'), (access.write, 'w'), (access.mknod, 'm')];
    format!(
        "{} {}:{} {}",
        if exception.block { 'b' } else { 'c' },
        number(exception.major),
        number(exception.minor),
        letters
            .iter()
            .filter(|(has, _)| *has)
            .map(|(_, letter)| letter)
            .collect::<String>()
    )
}

/// A file of which each write is one line; opened once, since a list has some twenty.
struct Lines {
    path: PathBuf,
    file: File,
}

impl Lines {
    fn open(path: PathBuf) -> Result<Self, CgroupError> {
        match OpenOptions::new().write(true).open(&path) {
            Ok(file) => Ok(Self { path, file }),
            Err(source) => Err(CgroupError::Open { dir: path, source }),
        }
    }

    fn write(&mut self, line: &str) -> Result<(), CgroupError> {
        self.file
            .write_all(line.as_bytes())
            .map_err(|source| CgroupError::Write {
                file: self.path.clone(),
                value: line.to_owned(),
                source,
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::devices::Access;

    #[test]
    fn an_exception_is_a_line_of_the_kernels() {
        let exception = Exception {
            block: false,
            major: Some(136),
            minor: None,
            access: Access {
                read: true,
                write: true,
                mknod: false,
            },
        };
        assert_eq!(line(&exception), "c 136:* rw");
    }
}
