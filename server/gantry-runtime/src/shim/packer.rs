//! Packing the log's closed segments: by a process of its own, since it takes more
//! memory and time than a shim has.
//!
//! One at a time. What it does not come to, because the container ends or the disk
//! is full, is packed after the next segment is closed.

use super::complain;
use anyhow::Context as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};

/// The first argument that makes this program a packer.
pub(crate) const ARGUMENT: &str = "shim-pack";

/// Dropped, it ends what runs.
#[derive(Debug)]
pub(super) struct Packer {
    dir: PathBuf,
    running: Option<Child>,
    /// A segment was closed meanwhile.
    again: bool,
}

impl Packer {
    pub(super) fn new(dir: &Path) -> Self {
        Self {
            dir: dir.to_owned(),
            running: None,
            again: false,
        }
    }

    /// A segment was closed.
    pub(super) fn begin(&mut self) {
        self.again = self.running.is_some();
        if self.again {
            return;
        }
        let packer = Command::new("/proc/self/exe")
            .arg(ARGUMENT)
            .arg(&self.dir)
            .stdin(Stdio::null())
            .spawn();
        match packer {
            Ok(child) => self.running = Some(child),
            Err(error) => complain(&anyhow::Error::new(error).context("cannot start the process that packs the log")),
        }
    }

    /// A child was reaped, perhaps ours.
    pub(super) fn ended(&mut self, pid: i32) {
        let ours = self
            .running
            .as_ref()
            .is_some_and(|child| i64::from(child.id()) == i64::from(pid));
        if ours {
            self.running = None;
            if self.again {
                self.begin();
            }
        }
    }
}

impl Drop for Packer {
    fn drop(&mut self) {
        if let Some(mut child) = self.running.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// The packer itself.
pub(crate) fn run(mut arguments: impl Iterator<Item = std::ffi::OsString>) -> ExitCode {
    let Some(dir) = arguments.next() else {
        return ExitCode::FAILURE;
    };
    match log_store::pack_closed(Path::new(&dir)).context("a part of the log stays unpacked") {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            complain(&error);
            ExitCode::FAILURE
        }
    }
}
