//! Holding all processes of a group still, and letting them go on.
//!
//! The v2 tree is used where there is one, also next to v1 controllers: there a frozen
//! process can still be killed.

use crate::control_file;
use crate::error::CgroupError;
use crate::group::Group;
use crate::hierarchy::{Controller, Version};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

/// A process in an uninterruptible wait on a slow disk freezes when that ends.
const PATIENCE: Duration = Duration::from_secs(10);

enum Freezer {
    V1(PathBuf),
    V2(PathBuf),
}

impl Group {
    /// Answers when every process stands still.
    pub fn freeze(&self) -> Result<(), CgroupError> {
        let Some(freezer) = self.freezer() else {
            return Err(no_freezer());
        };
        let frozen = freezer.turn(true);
        if frozen.is_err() {
            // Half frozen is worse than either.
            let _ = freezer.turn(false);
        }
        frozen
    }

    /// Answers when the processes go on.
    pub fn thaw(&self) -> Result<(), CgroupError> {
        let thawed = self.freezer().ok_or_else(no_freezer)?.turn(false);
        // Killed processes end and their group is removed meanwhile: nothing is frozen then.
        if thawed.is_err() && self.freezer().is_none_or(|freezer| !freezer.dir().exists()) {
            return Ok(());
        }
        thawed
    }

    pub fn is_frozen(&self) -> Result<bool, CgroupError> {
        self.freezer().map_or(Ok(false), |freezer| freezer.is_asked())
    }

    fn freezer(&self) -> Option<Freezer> {
        match self.v2_dir() {
            // The root of the tree has no such file, and cannot be frozen.
            Some(dir) if dir.join("cgroup.freeze").exists() => Some(Freezer::V2(dir)),
            _ => match self.place(Controller::Freezer)? {
                (Version::V1, dir) => Some(Freezer::V1(dir)),
                (Version::V2, _) => None,
            },
        }
    }
}

fn no_freezer() -> CgroupError {
    CgroupError::NoController {
        controller: Controller::Freezer,
        setting: "pausing",
    }
}

impl Freezer {
    /// Whether freezing was asked for, though some process may still be on its way.
    fn is_asked(&self) -> Result<bool, CgroupError> {
        let (file, frozen): (_, &[&str]) = match self {
            Self::V1(dir) => (dir.join("freezer.state"), &["FROZEN", "FREEZING"]),
            Self::V2(dir) => (dir.join("cgroup.freeze"), &["1"]),
        };
        let text = control_file::read_if_there(&file)?.unwrap_or_default();
        Ok(frozen.contains(&text.trim()))
    }

    fn turn(&self, freeze: bool) -> Result<(), CgroupError> {
        let began = Instant::now();
        let mut wait = Duration::from_micros(100);
        self.ask(freeze)?;
        while self.is_frozen()? != freeze {
            if began.elapsed() >= PATIENCE {
                return Err(CgroupError::Freezer {
                    dir: self.dir().to_owned(),
                    wanted: if freeze { "frozen" } else { "thawed" },
                    waited_ms: began.elapsed().as_millis(),
                });
            }
            thread::sleep(wait);
            wait = (wait * 2).min(Duration::from_millis(10));
            // On v1 a process forked meanwhile is caught by asking again. kernel,
            // cgroup-v1/freezer-subsystem.rst
            if matches!(self, Self::V1(_)) {
                self.ask(freeze)?;
            }
        }
        Ok(())
    }

    fn ask(&self, freeze: bool) -> Result<(), CgroupError> {
        match self {
            Self::V1(dir) => control_file::write(&dir.join("freezer.state"), if freeze { "FROZEN" } else { "THAWED" }),
            Self::V2(dir) => control_file::write(&dir.join("cgroup.freeze"), if freeze { "1" } else { "0" }),
        }
    }

    fn is_frozen(&self) -> Result<bool, CgroupError> {
        match self {
            Self::V1(dir) => Ok(control_file::read(&dir.join("freezer.state"))?.trim() == "FROZEN"),
            Self::V2(dir) => {
                let events = control_file::read(&dir.join("cgroup.events"))?;
                Ok(control_file::keyed(&events, "frozen") == Some(1))
            }
        }
    }

    fn dir(&self) -> &Path {
        match self {
            Self::V1(dir) | Self::V2(dir) => dir,
        }
    }
}
