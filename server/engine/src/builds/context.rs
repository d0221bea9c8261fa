//! The context: a tar that a stranger made becomes a directory they cannot leave.

use super::failure::Failure;
use crate::error::{Doing as _, EngineError};
use build::Ignore;
use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::ffi::OsStringExt as _;
use std::path::{Path, PathBuf};
use sys::unpack::{Attributes, Root};
use tar::EntryType;
use tokio_util::sync::CancellationToken;

const MOST_ENTRIES: u64 = 2_000_000;
const MOST_FILE_BYTES: u64 = 4 << 20;

/// Files that say what is left out, the more special first.
pub(super) fn ignore_files(dockerfile: Option<&str>) -> Vec<String> {
    let own = dockerfile.map(|path| format!("{path}.dockerignore"));
    own.into_iter().chain([".dockerignore".to_owned()]).collect()
}

/// Unpacks the tar, packed or not, below `into`. Owners become root, as if the files
/// were copied by hand; devices and the like are refused. Blocks.
pub(super) fn receive(from: impl Read, into: &Path, cancel: &CancellationToken) -> Result<(), Failure> {
    fs::create_dir_all(into).doing(|| format!("make the directory `{}`", into.display()))?;
    let limits = image::Limits::default();
    let unpacked = image::Unpacked::new(from, None, limits).map_err(unreadable)?;
    let mut root = Root::open(into).doing(|| format!("open `{}`", into.display()))?;
    let headers = image::Headers::within(limits);
    let mut archive = headers.archive(unpacked);
    let mut entries = archive.entries().map_err(unreadable)?;
    let mut count = 0u64;
    // Writing into a directory changes its time: those come last, deepest first.
    let mut directories: Vec<(PathBuf, Attributes)> = Vec::new();
    while let Some(entry) = headers.next(&mut entries) {
        let mut entry = entry.map_err(unreadable)?;
        if cancel.is_cancelled() {
            return Err(Failure::Cancelled);
        }
        count += 1;
        if count > MOST_ENTRIES {
            return Err(Failure::mistake(format!(
                "the context has more than {MOST_ENTRIES} entries"
            )));
        }
        let path = PathBuf::from(OsString::from_vec(entry.path_bytes().into_owned()));
        place(&mut root, &mut entry, &mut directories).map_err(|error| match error.kind() {
            io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData => {
                Failure::mistake(format!("the context's `{}` is refused: {error}", path.display()))
            }
            _ => Failure::Engine(EngineError::Host {
                doing: format!("unpack the context's `{}`", path.display()),
                source: Box::new(error),
            }),
        })?;
        image::Headers::leave(&mut entry).map_err(unreadable)?;
    }
    for (path, attributes) in directories.iter().rev() {
        root.finish_directory(path, attributes)
            .doing(|| format!("unpack the context's `{}`", path.display()))?;
    }
    Ok(())
}

fn unreadable(error: io::Error) -> Failure {
    Failure::mistake(format!("the context cannot be read as a tar: {error}"))
}

fn place<R: Read>(
    root: &mut Root,
    entry: &mut tar::Entry<'_, R>,
    directories: &mut Vec<(PathBuf, Attributes)>,
) -> io::Result<()> {
    let heading = image::Heading::of(entry)?;
    let path = heading.path.as_path();
    let attributes = Attributes {
        uid: 0,
        gid: 0,
        xattrs: Vec::new(),
        ..heading.attributes
    };
    match entry.header().entry_type() {
        EntryType::Regular | EntryType::Continuous | EntryType::GNUSparse => {
            root.file(path, &attributes, |file| heading.fill(entry, file))
        }
        EntryType::Directory => {
            root.directory(path)?;
            directories.push((path.to_owned(), attributes));
            Ok(())
        }
        EntryType::Symlink => {
            let target = target(entry)?;
            root.symlink(
                path,
                &target,
                &Attributes {
                    mode: 0o777,
                    ..attributes
                },
            )
        }
        EntryType::Link => {
            let target = target(entry)?;
            root.hard_link(path, &target)
        }
        EntryType::Char | EntryType::Block | EntryType::Fifo => Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "a context has files, directories and links only; leave it out by .dockerignore",
        )),
        _ => Ok(()),
    }
}

fn target<R: Read>(entry: &tar::Entry<'_, R>) -> io::Result<PathBuf> {
    let bytes = entry
        .link_name_bytes()
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "a link without a target"))?;
    Ok(PathBuf::from(OsString::from_vec(bytes.into_owned())))
}

/// A small text of the context; `None` when there is none.
pub(super) fn read_text(context: &Path, path: &str) -> Result<Option<String>, Failure> {
    let root = File::open(context).doing(|| format!("open `{}`", context.display()))?;
    let handle = match sys::beneath::find(&root, Path::new(path)) {
        Ok(handle) => handle,
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            return Ok(None);
        }
        Err(error) => {
            return Err(Failure::mistake(format!(
                "`{path}` in the context cannot be read: {error}"
            )));
        }
    };
    let file = sys::tree::reopen_file(&handle)
        .map_err(|error| Failure::mistake(format!("`{path}` in the context cannot be read: {error}")))?;
    let mut bytes = Vec::new();
    file.take(MOST_FILE_BYTES + 1)
        .read_to_end(&mut bytes)
        .doing(|| format!("read `{path}` in the context"))?;
    if bytes.len() as u64 > MOST_FILE_BYTES {
        return Err(Failure::mistake(format!(
            "`{path}` is longer than {} MiB; is this the right file?",
            MOST_FILE_BYTES >> 20
        )));
    }
    String::from_utf8(bytes)
        .map(Some)
        .map_err(|_| Failure::mistake(format!("`{path}` is no text in UTF-8")))
}

/// Takes away what is left out. A directory that is left out stays only for what a
/// later line keeps in it.
pub(super) fn leave_out(context: &Path, ignore: &Ignore) -> Result<(), Failure> {
    if ignore.is_empty() {
        return Ok(());
    }
    sweep(context, "", ignore).map_err(|error| {
        Failure::Engine(EngineError::Host {
            doing: "apply .dockerignore to the context".to_owned(),
            source: Box::new(error),
        })
    })
}

fn sweep(dir: &Path, below: &str, ignore: &Ignore) -> io::Result<()> {
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        let name = entry.file_name();
        let path = if below.is_empty() {
            name.to_string_lossy().into_owned()
        } else {
            format!("{below}/{}", name.to_string_lossy())
        };
        // Links are not followed.
        let is_dir = entry.file_type()?.is_dir();
        let out = ignore.leaves_out(&path);
        if is_dir {
            sweep(&entry.path(), &path, ignore)?;
            if out {
                // Not empty: something in it is kept.
                let _ = fs::remove_dir(entry.path());
            }
        } else if out {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use tar::{Builder, Header};

    fn tar(entries: &[(&str, EntryType, &str)]) -> Vec<u8> {
        let mut builder = Builder::new(Vec::new());
        for (path, kind, text) in entries {
            let mut header = Header::new_gnu();
            header.set_entry_type(*kind);
            header.set_mode(0o644);
            header.set_mtime(1000);
            header.set_uid(1234);
            header.set_gid(1234);
            let is_link = matches!(kind, EntryType::Symlink | EntryType::Link);
            header.set_size(if is_link { 0 } else { text.len() as u64 });
            if is_link {
                header.set_link_name_literal(text).unwrap();
            }
            header.as_mut_bytes()[..path.len()].copy_from_slice(path.as_bytes());
            header.set_cksum();
            builder
                .append(&header, if is_link { b"" } else { text.as_bytes() })
                .unwrap();
        }
        builder.into_inner().unwrap()
    }

    fn received(entries: &[(&str, EntryType, &str)]) -> (tempfile::TempDir, Result<(), Failure>) {
        let dir = tempfile::tempdir().unwrap();
        let outcome = receive(&tar(entries)[..], &dir.path().join("c"), &CancellationToken::new());
        (dir, outcome)
    }

    /// GNU tar manual, "Storing Sparse Files", version 1.0.
    #[test]
    fn a_file_with_holes_is_as_long_as_it_was() {
        if !sys::user::is_root() {
            println!("skipped: needs root");
            return;
        }
        let mut builder = Builder::new(Vec::new());
        let records = [
            ("GNU.sparse.major", "1"),
            ("GNU.sparse.minor", "0"),
            ("GNU.sparse.name", "disk"),
            ("GNU.sparse.realsize", "7"),
        ];
        builder
            .append_pax_extensions(records.map(|(key, value)| (key, value.as_bytes())))
            .unwrap();
        let mut data = b"1\n2\n3\n".to_vec();
        data.resize(512, 0);
        data.extend(b"end");
        let mut header = Header::new_gnu();
        header.set_mode(0o644);
        header.set_size(data.len() as u64);
        builder
            .append_data(&mut header, "GNUSparseFile.0/disk", &data[..])
            .unwrap();
        let dir = tempfile::tempdir().unwrap();
        let into = dir.path().join("c");
        receive(&builder.into_inner().unwrap()[..], &into, &CancellationToken::new()).unwrap();
        assert_eq!(fs::read(into.join("disk")).unwrap(), b"\0\0end\0\0");
    }

    #[test]
    fn a_context_cannot_write_outside_of_itself() {
        if !sys::user::is_root() {
            println!("skipped: needs root");
            return;
        }
        let (dir, outcome) = received(&[
            ("up", EntryType::Symlink, "../.."),
            ("up/evil", EntryType::Regular, "x"),
            ("abs", EntryType::Symlink, "/"),
            ("abs/evil2", EntryType::Regular, "x"),
        ]);
        outcome.unwrap();
        assert!(dir.path().join("c/evil").is_file() && dir.path().join("c/evil2").is_file());
        for wrong in [
            ("../evil", EntryType::Regular, "x"),
            ("null", EntryType::Char, ""),
            ("pipe", EntryType::Fifo, ""),
            ("hard", EntryType::Link, "/etc/passwd"),
        ] {
            let (dir, outcome) = received(&[wrong]);
            assert!(outcome.is_err(), "{wrong:?}");
            assert!(!dir.path().join("evil").exists());
        }
        assert!(receive(&b"no tar at all"[..], &dir.path().join("d"), &CancellationToken::new()).is_err());
    }

    #[test]
    fn what_is_left_out_goes_and_what_is_kept_in_it_stays() {
        let dir = tempfile::tempdir().unwrap();
        for path in ["a/b/keep", "a/b/x", "c/x", "x", "y"] {
            fs::create_dir_all(dir.path().join(path).parent().unwrap()).unwrap();
            fs::write(dir.path().join(path), "").unwrap();
        }
        let ignore = Ignore::parse("a\n!a/b/keep\nc\nx").unwrap();
        leave_out(dir.path(), &ignore).unwrap();
        let there = |path: &str| dir.path().join(path).exists();
        assert!(there("a/b/keep") && there("y"));
        assert!(!there("a/b/x") && !there("c") && !there("x"));
    }

    #[test]
    fn a_dockerfile_that_is_a_link_to_outside_is_not_read() {
        let dir = tempfile::tempdir().unwrap();
        let context = dir.path().join("context");
        fs::create_dir(&context).unwrap();
        fs::write(dir.path().join("secret"), "x").unwrap();
        std::os::unix::fs::symlink("../secret", context.join("Dockerfile")).unwrap();
        assert!(matches!(read_text(&context, "Dockerfile"), Ok(None)));
        assert!(matches!(read_text(&context, "none/Dockerfile"), Ok(None)));
    }
}
