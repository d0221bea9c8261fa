//! Terminals: their near side, and their size.

use super::event_loop::Shim;
use super::process::Terminal;
use anyhow::{Context as _, Result};
use shim_protocol::{Problem, Target};
use std::fs::File;
use std::os::fd::OwnedFd;

/// A terminal's near side thrice: to set its size, to read and to write. They
/// share one open file but need a place each in the poll.
pub(super) fn open(master: OwnedFd) -> Result<(Terminal, OwnedFd, OwnedFd)> {
    let peer = sys::terminal::hold_peer(&master).context("cannot open the far side of the terminal")?;
    let output = master.try_clone().context("cannot share the terminal")?;
    let input = master.try_clone().context("cannot share the terminal")?;
    let terminal = Terminal {
        master: File::from(master),
        peer: Some(peer),
    };
    Ok((terminal, output, input))
}

impl Shim {
    pub(super) fn resize(&mut self, target: &Target, rows: u16, cols: u16) -> Result<(), Problem> {
        let key = self.find_process(target)?;
        let process = &self.processes[&key];
        let Some(terminal) = &process.terminal else {
            return Err(problem("resize", "the process has no terminal"));
        };
        sys::terminal::resize(&terminal.master, rows, cols)
            .map_err(|error| problem("resize", format!("cannot set the terminal's size: {error}")))
    }
}

/// A refusal that stands for no exit code.
pub(super) fn problem(step: &str, message: impl Into<String>) -> Problem {
    Problem {
        step: step.to_owned(),
        message: message.into(),
        code: None,
    }
}
