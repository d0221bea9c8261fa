//! Archives taken in: a root filesystem of 300 MB beside tar(1), and what memory an
//! import and a load take.

use super::http::Client;
use super::pull::{folder, quiet};
use super::report::{self, Target};
use super::rounds::{Subject, take_turns};
use super::server::Server;
use super::{Place, memory, starts};
use anyhow::{Context as _, Result, bail};
use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

const ROUNDS: usize = 5;
const BYTES: u64 = 300 << 20;
const OURS: &str = "gantry, import";
const TAR: &str = "tar -x";

pub(super) fn measure(place: &Place) -> Result<()> {
    let server = Server::start(place, "imports")?;
    let tar = place.dir.join("import.tar");
    make_root(&tar)?;
    let bytes = fs::metadata(&tar)?.len();
    let body = fs::read(&tar)?;
    let mut docker = server.docker()?;
    let target = place.dir.join("untar");
    let subjects = vec![
        Subject::new(OURS, || {
            remove(&mut docker);
            let begun = Instant::now();
            starts::import(&mut docker, &body)?;
            Ok(begun.elapsed())
        }),
        Subject::new(TAR, || {
            let _ = fs::remove_dir_all(&target);
            fs::create_dir_all(&target)?;
            let begun = Instant::now();
            quiet(Command::new("tar").arg("-C").arg(&target).arg("-xf").arg(&tar))?;
            Ok(begun.elapsed())
        }),
    ];
    let outcomes = take_turns(ROUNDS, subjects);
    let at_least_as_fast = Target {
        ours: OURS,
        than: TAR,
        part: 1.0,
    };
    let title = format!("An import of a root filesystem of {:.0} MB", bytes as f64 / 1e6);
    report::times(&title, ROUNDS, &outcomes, &[at_least_as_fast]);
    let _ = fs::remove_dir_all(&target);
    remove(&mut docker);
    memory::peak(&server, "an import", || starts::import(&mut docker, &body))?;
    drop(body);
    remove(&mut docker);
    let archive = layout()?;
    memory::peak(&server, "a load", || load(&mut docker, &archive))
}

fn remove(docker: &mut Client) {
    let _ = docker.ask("DELETE", "/images/bench?force=true", "", &[]);
}

/// The image that is pulled, as an OCI layout in a tar.
fn layout() -> Result<Vec<u8>> {
    let tar = Command::new("tar")
        .arg("-C")
        .arg(folder().join("bench"))
        .args(["-c", "."])
        .output()?;
    if !tar.status.success() {
        bail!("tar failed: {}", String::from_utf8_lossy(&tar.stderr));
    }
    Ok(tar.stdout)
}

fn load(docker: &mut Client, archive: &[u8]) -> Result<()> {
    let answer = docker.ask("POST", "/images/load?quiet=1", "application/x-tar", archive)?;
    let text = String::from_utf8_lossy(&answer.body).into_owned();
    if answer.status >= 300 || text.contains("errorDetail") {
        bail!("loading an image answers {}: {}", answer.status, text.trim());
    }
    Ok(())
}

/// The largest layers of the image, one after the other as one tar, until there is
/// enough of them.
fn make_root(tar: &Path) -> Result<()> {
    let blobs = folder().join("bench/blobs/sha256");
    let mut blobs: Vec<(u64, PathBuf)> = fs::read_dir(&blobs)?
        .flatten()
        .filter_map(|blob| Some((blob.metadata().ok()?.len(), blob.path())))
        .collect();
    blobs.sort();
    let mut to = File::create(tar)?;
    let mut written = 0;
    while let Some((_, blob)) = blobs.pop()
        && written < BYTES
    {
        let mut unpacked = Command::new("gzip")
            .arg("-dc")
            .arg(&blob)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()?;
        let mut from = unpacked.stdout.take().context("it is piped")?;
        written += copy_entries(&mut from, &mut to)?;
        unpacked.wait()?;
    }
    // The end of the archive: tar(5), "General Format".
    to.write_all(&[0; 1024])?;
    to.flush()?;
    if written < BYTES / 2 {
        bail!("the layers have only {written} bytes");
    }
    Ok(())
}

/// Without the blocks of zeros that end a tar, so that another may follow.
fn copy_entries(from: &mut impl std::io::Read, to: &mut File) -> Result<u64> {
    let mut bytes = Vec::new();
    from.read_to_end(&mut bytes)?;
    let end = bytes.chunks(512).rposition(|block| block.iter().any(|byte| *byte != 0));
    // The last block that says something may be a file's last one: it is whole.
    let length = end.map_or(0, |block| (block + 1) * 512).min(bytes.len());
    to.write_all(&bytes[..length])?;
    Ok(length as u64)
}
