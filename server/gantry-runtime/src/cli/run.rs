//! `run`: create, start, wait, delete.

use super::arguments::{Arguments, Global};
use super::create::{self, Made, Waits, Wish};
use super::{console, delete, hooks};
use anyhow::Result;
use sys::children::Ended;

/// The command's exit code, or 0 when detached.
pub(super) fn run(global: &Global, arguments: Arguments) -> Result<u8> {
    let wish = Wish::parse(arguments)?;
    let mut made = create::make(global, &wish, Waits::No { detached: wish.detach })?;
    let outcome = follow(&wish, &mut made);
    if (!wish.detach && !wish.keep) || outcome.is_err() {
        delete::remove(global, &made.state, &made.group, Some(&made.spec))?;
    }
    outcome
}

fn follow(wish: &Wish, made: &mut Made) -> Result<u8> {
    let terminal = made.created.terminal.take();
    let shown = match (&wish.console_socket, terminal) {
        (Some(socket), Some(master)) => {
            console::hand_over(socket, &master)?;
            None
        }
        (_, terminal) => terminal,
    };
    made.created.start()?;
    hooks::after_start(&made.state, &made.spec)?;
    if wish.detach {
        return Ok(0);
    }
    attend(shown, made.created.init.pid, &made.created.pidfd)
}

/// Waits for the end of what runs in the foreground.
pub(super) fn attend(terminal: Option<std::os::fd::OwnedFd>, pid: i32, pidfd: &std::os::fd::OwnedFd) -> Result<u8> {
    // What would end this command is for the container to hear.
    sys::reaper::block_signals();
    let ended = match terminal {
        Some(master) => console::show(master, pid, pidfd)?,
        None => sys::reaper::attend(pid, pidfd)?,
    };
    Ok(code_of(ended))
}

/// The code a shell would show.
fn code_of(ended: Ended) -> u8 {
    let code = match ended {
        Ended::Code(code) => code,
        Ended::Signal(signal) => 128 + signal,
    };
    u8::try_from(code).unwrap_or(u8::MAX)
}
