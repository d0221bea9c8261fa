//! The program of a process: looked for where a shell would. environ(7), execve(2)

use crate::Failure;
use crate::error::{NOT_EXECUTABLE, NOT_FOUND};
use oci_spec::runtime::Process;
use std::ffi::{CString, OsStr};
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use sys::program::Images;

/// In the words that engines look for.
const DENIED: &str = "permission denied";

const PATH: &[u8] = b"/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Refuses a command that cannot be there. Who creates a container that somebody else
/// starts is to hear of it: nobody would tell it later from a command that ran and failed.
pub(super) fn check(process: &Process) -> Result<(), Failure> {
    let Some(name) = process.args().iter().flatten().next() else {
        return Ok(());
    };
    let environment = process.env().iter().flatten();
    let mut path = environment.filter_map(|variable| variable.strip_prefix("PATH="));
    let candidates = candidates(name.as_bytes(), path.next_back().map(str::as_bytes));
    let mut refused = false;
    for candidate in candidates {
        // As the program sees it that will begin in this directory.
        match fs::metadata(process.cwd().join(candidate)) {
            Ok(found) if found.is_file() && found.permissions().mode() & 0o111 != 0 => return Ok(()),
            Ok(_) => refused = true,
            Err(error) if is_missing(&error) => {}
            // What root may not see its user may yet run.
            Err(_) => return Ok(()),
        }
    }
    if refused {
        return Err(failure(name, NOT_EXECUTABLE, DENIED));
    }
    Err(missing(name))
}

/// Where the program may be, with arguments and environment, ready for execve(2).
pub(super) struct Candidates {
    name: String,
    images: Images,
}

impl Candidates {
    /// `home` is the user's, for an environment without `HOME` or with an empty one.
    pub(super) fn of(process: &Process, home: Option<&str>) -> Result<Self, Failure> {
        let texts = |list: &Option<Vec<String>>| {
            let texts = list.iter().flatten();
            let zero = |_| Failure::new("exec", "an argument holds a zero byte");
            texts
                .map(|text| CString::new(text.as_str()).map_err(zero))
                .collect::<Result<Vec<_>, _>>()
        };
        let arguments = texts(process.args())?;
        let mut environment = last_of_each(texts(process.env())?);
        environment.retain(|variable| variable.to_bytes() != b"HOME=");
        if !environment
            .iter()
            .any(|variable| variable.to_bytes().starts_with(b"HOME="))
        {
            let home = home.filter(|home| !home.is_empty()).unwrap_or("/");
            environment.extend(CString::new(format!("HOME={home}")));
        }
        // A container that is created without a process has none.
        let name = arguments.first().cloned().unwrap_or_default();
        let path = environment
            .iter()
            .find_map(|variable| variable.to_bytes().strip_prefix(b"PATH="));
        let paths = candidates(name.to_bytes(), path)
            .into_iter()
            .filter_map(|candidate| CString::new(candidate.into_os_string().into_encoded_bytes()).ok())
            .collect();
        Ok(Self {
            name: name.to_string_lossy().into_owned(),
            images: Images::new(paths, arguments, environment),
        })
    }

    /// Becomes the program; comes back only with the reason why not.
    pub(super) fn execute(&self) -> Failure {
        let refused = self.images.execute(is_missing);
        match refused {
            None => missing(&self.name),
            Some(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                failure(&self.name, NOT_EXECUTABLE, DENIED)
            }
            Some(error) => failure(&self.name, NOT_EXECUTABLE, &error.to_string()),
        }
    }
}

/// Of variables that are set twice programs take the first or the last, as they
/// like: only the last one stays.
fn last_of_each(environment: Vec<CString>) -> Vec<CString> {
    let name = |variable: &CString| {
        variable
            .to_bytes()
            .split(|byte| *byte == b'=')
            .next()
            .map(<[u8]>::to_vec)
    };
    let mut seen = std::collections::HashSet::new();
    let mut kept: Vec<CString> = environment
        .into_iter()
        .rev()
        .filter(|variable| seen.insert(name(variable)))
        .collect();
    kept.reverse();
    kept
}

/// A name without `/` is looked for in each directory of the path.
fn candidates(name: &[u8], path: Option<&[u8]>) -> Vec<PathBuf> {
    if name.is_empty() {
        return Vec::new();
    }
    if name.contains(&b'/') {
        return vec![OsStr::from_bytes(name).into()];
    }
    let dirs = path.unwrap_or(PATH).split(|byte| *byte == b':');
    dirs.map(|dir| {
        let dir = if dir.is_empty() { b"." } else { dir };
        Path::new(OsStr::from_bytes(dir)).join(OsStr::from_bytes(name))
    })
    .collect()
}

fn is_missing(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

fn missing(name: &str) -> Failure {
    let why = if name.is_empty() {
        "it is empty"
    } else if name.contains('/') {
        "no such file or directory"
    } else {
        "executable file not found in $PATH"
    };
    failure(name, NOT_FOUND, why)
}

fn failure(name: &str, code: i32, why: &str) -> Failure {
    Failure {
        step: "exec".to_owned(),
        message: format!("cannot run `{name}`: {why}"),
        code,
    }
}
