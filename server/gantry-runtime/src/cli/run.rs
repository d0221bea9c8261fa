//! `run`: create, start, wait, delete.

use super::arguments::{Arguments, Global};
use super::create::{self, Wish};
use super::{console, delete, start};
use anyhow::Result;
use sys::children::Ended;

/// The command's exit code, or 0 when detached.
pub(super) fn run(global: &Global, arguments: Arguments) -> Result<u8> {
    let wish = Wish::parse(arguments)?;
    let (mut state, mut created) = create::make(global, &wish, wish.detach)?;
    let terminal = created.terminal.take();
    let shown = match (&wish.console_socket, terminal) {
        (Some(socket), Some(master)) => {
            console::hand_over(socket, &master)?;
            None
        }
        (_, terminal) => terminal,
    };
    let outcome = start::open_gate(global, &mut state).and_then(|()| {
        if wish.detach {
            return Ok(0);
        }
        if let Some(master) = shown {
            console::show(master)?;
        }
        // What would end this command is for the container to hear.
        sys::reaper::block_signals();
        let ended = sys::reaper::attend(created.init.pid, &created.pidfd)?;
        Ok(code_of(ended))
    });
    if (!wish.detach && !wish.keep) || outcome.is_err() {
        delete::remove(global, &state)?;
    }
    outcome
}

/// The code a shell would show.
pub(super) fn code_of(ended: Ended) -> u8 {
    let code = match ended {
        Ended::Code(code) => code,
        Ended::Signal(signal) => 128 + signal,
    };
    u8::try_from(code).unwrap_or(u8::MAX)
}
