//! A small process 1 in front of the command, where the container asks for it: it
//! passes signals on, buries orphans and ends as the command ends.

use super::privileges::{Become, begin_program, prepare};
use crate::Failure;
use crate::channel::Channel;
use crate::error::NOT_STARTED;
use sys::children::Ended;
use sys::clone::{Birth, Cloned};
use sys::process_name::ArgumentArea;

/// As people see it in `ps` beside their own processes.
const NAME: &str = "gantry-init";

pub(super) struct Reaper {
    name: Option<ArgumentArea>,
}

impl Reaper {
    /// While the host's `/proc` is there.
    pub(super) fn prepare() -> Self {
        // A process without a good name does its work as well.
        Self {
            name: ArgumentArea::find().ok(),
        }
    }

    /// Begins the program in a child and stands in front of it; comes back only in a
    /// process that could not begin the program, to tell why.
    pub(super) fn begin_behind(self, wanted: Become<'_>, channel: &mut Option<Channel>) -> Failure {
        // Before the child is there, so that its end cannot be missed.
        sys::reaper::block_signals();
        match sys::clone::clone(Birth::default()) {
            Err(error) => Failure::io("init", "cannot clone")(error),
            Ok(Cloned::Child) => {
                sys::reaper::lead_group();
                begin_program(wanted)
            }
            Ok(Cloned::Parent { pid, .. }) => {
                // Only the command's side keeps the channel: its exec closes it.
                drop(channel.take());
                if let Some(area) = self.name {
                    area.rename(NAME);
                }
                // No more rights than the command. If that fails the command failed
                // the same way, and tells.
                let _ = prepare(wanted).and_then(|ready| ready.stay());
                sys::reaper::block_signals();
                sys::reaper::close_from(3);
                let code = match sys::reaper::keep(pid) {
                    Ok(Ended::Code(code)) => code,
                    Ok(Ended::Signal(signal)) => 128 + signal,
                    Err(_) => NOT_STARTED,
                };
                sys::clone::exit_now(code)
            }
        }
    }
}
