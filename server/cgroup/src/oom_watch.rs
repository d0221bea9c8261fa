//! Hearing at once that the kernel killed a process for want of memory. The kernel's
//! memory.rst ("oom_control", v1) and cgroup-v2.rst ("memory.events").

use crate::control_file;
use crate::error::CgroupError;
use crate::group::Group;
use crate::hierarchy::{Controller, Version};
use std::fs::File;
use std::os::fd::{AsFd, AsRawFd as _, BorrowedFd, OwnedFd};

/// Readable when something happened about the group's memory: then the count of
/// [`Group::oom_kills`] is worth a look. On v1 it may be told a moment before the
/// kill is counted.
#[derive(Debug)]
pub struct OomWatch {
    notice: OwnedFd,
    /// v1 tells as long as this is open.
    _control: Option<File>,
}

impl OomWatch {
    /// Makes it unreadable until the next time.
    pub fn clear(&self) {
        sys::notice::clear(&self.notice);
    }
}

impl AsFd for OomWatch {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.notice.as_fd()
    }
}

impl Group {
    /// `None` where the host has no memory controller.
    pub fn watch_oom(&self) -> Result<Option<OomWatch>, CgroupError> {
        let Some((version, dir)) = self.place(Controller::Memory) else {
            return Ok(None);
        };
        let failed = |file| move |source| CgroupError::Read { file, source };
        match version {
            Version::V2 => {
                let file = dir.join("memory.events");
                let notice = sys::notice::of_changes(&file).map_err(failed(file))?;
                Ok(Some(OomWatch { notice, _control: None }))
            }
            Version::V1 => {
                let file = dir.join("memory.oom_control");
                let control = File::open(&file).map_err(failed(file.clone()))?;
                let notice = sys::notice::counter().map_err(failed(file))?;
                let line = format!("{} {}", notice.as_raw_fd(), control.as_raw_fd());
                control_file::write(&dir.join("cgroup.event_control"), &line)?;
                Ok(Some(OomWatch {
                    notice,
                    _control: Some(control),
                }))
            }
        }
    }
}
