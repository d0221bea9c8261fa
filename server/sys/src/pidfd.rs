//! Handles to processes, which never come to mean another process. pidfd_open(2)

use rustix::event::{PollFd, PollFlags, poll};
use rustix::process::{Pid, PidfdFlags};
use std::fs;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

/// Opens a handle to process `pid`.
///
/// # Errors
/// `ESRCH` when there is no such process.
pub fn open(pid: i32) -> io::Result<OwnedFd> {
    let pid = Pid::from_raw(pid).ok_or(io::ErrorKind::InvalidInput)?;
    Ok(rustix::process::pidfd_open(pid, PidfdFlags::empty())?)
}

/// Opens a handle to `pid` if it is still the process that started at
/// `start_ticks`; `None` when that one is gone. The time is read after the handle
/// is taken, so the number cannot be reused in between.
pub fn open_if_same(pid: i32, start_ticks: u64) -> io::Result<Option<OwnedFd>> {
    let handle = match open(pid) {
        Ok(handle) => handle,
        Err(error) if error.raw_os_error() == Some(libc::ESRCH) => return Ok(None),
        Err(error) => return Err(error),
    };
    Ok(self::start_ticks(pid)
        .is_ok_and(|ticks| ticks == start_ticks)
        .then_some(handle))
}

/// pidfd_send_signal(2)
///
/// # Errors
/// `ESRCH` when the process has ended, `EINVAL` for a number that is no signal.
pub fn send_signal(handle: impl AsFd, signal: i32) -> io::Result<()> {
    // rustix's `Signal` leaves out the real-time signals that the C library keeps.
    let fd = std::os::fd::AsRawFd::as_raw_fd(&handle.as_fd());
    // SAFETY: the descriptor is borrowed for the call, and a null siginfo is allowed.
    let outcome = unsafe {
        libc::syscall(
            libc::SYS_pidfd_send_signal,
            fd,
            signal,
            std::ptr::null::<libc::siginfo_t>(),
            0,
        )
    };
    if outcome < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

/// Waits until the process has ended, its child or not; whether it did in time.
pub fn wait_for_end(handle: impl AsFd, limit: Duration) -> io::Result<bool> {
    let until = Instant::now() + limit;
    loop {
        let left = until.saturating_duration_since(Instant::now());
        let left = rustix::event::Timespec::try_from(left).map_err(|_| io::ErrorKind::InvalidInput)?;
        let mut waiting = [PollFd::new(&handle, PollFlags::IN)];
        match poll(&mut waiting, Some(&left)) {
            Ok(count) => return Ok(count > 0),
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// How a process stands that was to execute a program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Execution {
    /// It has executed a program since it was cloned.
    pub begun: bool,
    /// The signal that ended it, if one did.
    pub signal: Option<i32>,
}

/// Whether a process has executed a program, also of one that has ended and is not reaped.
/// `PF_FORKNOEXEC` in field 9 and the status in field 52 of /proc/PID/stat,
/// proc_pid_stat(5)
///
/// # Errors
/// `NotFound` when there is no such process.
pub fn execution(pid: i32) -> io::Result<Execution> {
    const PF_FORKNOEXEC: u64 = 0x40;
    let stat = fs::read(format!("/proc/{pid}/stat"))?;
    let (flags, status) = (field(&stat, 9)?, field(&stat, 52).unwrap_or(0));
    let signal = i32::try_from(status & 0x7f).unwrap_or(0);
    Ok(Execution {
        begun: flags & PF_FORKNOEXEC == 0,
        signal: (signal != 0).then_some(signal),
    })
}

/// Clock ticks after boot at which `pid` started: field 22 of /proc/PID/stat, proc(5).
pub fn start_ticks(pid: i32) -> io::Result<u64> {
    field(&fs::read(format!("/proc/{pid}/stat"))?, 22)
}

/// A number of /proc/PID/stat, counted from 1 as in proc_pid_stat(5); from the third on.
fn field(stat: &[u8], number: usize) -> io::Result<u64> {
    // The name in the second field may hold anything, spaces and `)` too: count from its end.
    let after_name = stat.iter().rposition(|byte| *byte == b')').map_or(0, |end| end + 1);
    std::str::from_utf8(&stat[after_name..])
        .ok()
        .and_then(|rest| rest.split_ascii_whitespace().nth(number - 3))
        .and_then(|field| field.parse().ok())
        .ok_or_else(|| {
            io::Error::new(
                io::ErrorKind::InvalidData,
                format!("/proc/PID/stat has no number in field {number}"),
            )
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_told_from_another_by_its_start_time() {
        let own = i32::try_from(std::process::id()).unwrap();
        let ticks = start_ticks(own).unwrap();
        assert!(open_if_same(own, ticks).unwrap().is_some());
        assert!(open_if_same(own, ticks + 1).unwrap().is_none());
    }

    #[test]
    fn an_end_is_waited_for_within_a_limit() {
        let mut child = std::process::Command::new("sleep").arg("600").spawn().unwrap();
        let handle = open(i32::try_from(child.id()).unwrap()).unwrap();
        assert!(!wait_for_end(&handle, Duration::from_millis(1)).unwrap());
        send_signal(&handle, 9).unwrap();
        assert!(wait_for_end(&handle, Duration::from_secs(10)).unwrap());
        child.wait().unwrap();
    }

    #[test]
    fn a_process_that_is_not_there_is_none() {
        assert!(open_if_same(i32::MAX - 1, 1).unwrap().is_none());
    }
}
