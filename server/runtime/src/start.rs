//! Starting a container that another process created, and telling whether its program
//! began.

use crate::{Failure, StartError, init};
use model::container::InitProcess;
use oci_spec::runtime::Spec;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

/// Lets the command of a container begin, and waits until its program runs or did not. The
/// FIFOs are those of [`crate::Gate::Fifos`]; the first is removed, so that only one can
/// start it.
///
/// # Errors
/// [`StartError`] with the exit code 126, 127 or 128. Init has ended then.
pub fn start(spec: &Spec, init: InitProcess, start: &Path, outcome: &Path) -> Result<(), StartError> {
    let failed = |what: &'static str| move |error: io::Error| StartError::from(Failure::io("start", what)(error));
    // Opened first, so that init does not write in vain.
    let outcome = match sys::pipe::open_reader(outcome) {
        Ok(reader) => Some(File::from(reader)),
        // A container of an earlier version, which tells nothing.
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => return Err(failed("cannot wait for the start")(error)),
    };
    // While init sleeps at it the byte waits; whoever is too late finds no FIFO.
    sys::pipe::open_writer_if_read(start)
        .and_then(|fifo| sys::pipe::write_all(&fifo, b"0"))
        .map_err(failed("cannot open the gate of the container"))?;
    std::fs::remove_file(start).map_err(failed("another process started the container"))?;
    let mut told = Vec::new();
    if let Some(mut outcome) = outcome {
        outcome
            .read_to_end(&mut told)
            .map_err(failed("cannot hear from init"))?;
    }
    if !told.is_empty() {
        return Err(Failure::from_bytes(&told).into());
    }
    // With a reaper in front it is another process that executes the program.
    let ended = Some(init.pid)
        .filter(|pid| !init::has_reaper(spec) && is_same(*pid, init.start_ticks))
        .and_then(ended_before_program);
    ended.map_or(Ok(()), |failure| Err(failure.into()))
}

fn is_same(pid: i32, start_ticks: u64) -> bool {
    sys::pidfd::start_ticks(pid).is_ok_and(|ticks| ticks == start_ticks)
}

/// Why a process did not execute its program, which has closed its channel and told
/// nothing: a filter may kill it before it can. `None` for one that did, and for one that
/// is reaped already.
pub(crate) fn ended_before_program(pid: i32) -> Option<Failure> {
    const SIGSYS: i32 = 31;
    let execution = sys::pidfd::execution(pid).ok()?;
    if execution.begun {
        return None;
    }
    let why = match execution.signal {
        Some(SIGSYS) => {
            "a system call that the start needs is not allowed by the seccomp filter, which killed the process (SIGSYS)"
                .to_owned()
        }
        Some(signal) => format!("signal {signal} ended the process before the program began"),
        None => "the process ended before the program began".to_owned(),
    };
    Some(Failure::new("exec", why))
}
