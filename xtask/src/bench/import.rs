//! Archives taken in: a root filesystem of 300 MB beside tar(1), and what memory an
//! import and a load take.

use super::http::Client;
use super::pull::{folder, quiet, suite};
use super::report::{self, Target};
use super::rounds::{Subject, take_turns};
use super::server::Server;
use super::{Place, memory, starts};
use crate::process::run;
use crate::{packages, workspace};
use anyhow::{Result, bail};
use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::Instant;

const ROUNDS: usize = 5;
/// With these it is 300 MB.
const CONTENTS: &str = "vim,git";
const OURS: &str = "gantry, import";
const TAR: &str = "tar -x";

/// Made before the place apart, which has no network: a whole Debian.
pub(super) fn prepare() -> Result<()> {
    packages::install(packages::TO_BENCH_PULLS)?;
    let done = root();
    if done.exists() {
        return Ok(());
    }
    eprintln!("Making the root filesystem that is imported: this takes a minute, once");
    let new = done.with_extension("new.tar");
    run(packages::mmdebstrap()
        .args(["--variant=important", "--quiet", "--skip=check/empty"])
        .arg(format!("--include={CONTENTS}"))
        .arg(suite())
        .arg(&new))?;
    Ok(fs::rename(new, done)?)
}

fn root() -> PathBuf {
    workspace::target().join("bench-root.tar")
}

pub(super) fn measure(place: &Place) -> Result<()> {
    let server = Server::start(place, "imports")?;
    let tar = root();
    let bytes = fs::metadata(&tar)?.len();
    let body = fs::read(&tar)?;
    let mut docker = server.docker()?;
    // A new one each time: ext4 gives out what was just removed late, and tar would wait for that.
    let target = place.dir.join("untar");
    let mut unpacked = 0;
    let subjects = vec![
        Subject::new(OURS, || {
            remove(&mut docker);
            let begun = Instant::now();
            starts::import(&mut docker, &body)?;
            Ok(begun.elapsed())
        }),
        Subject::new(TAR, || {
            unpacked += 1;
            let target = target.join(unpacked.to_string());
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
