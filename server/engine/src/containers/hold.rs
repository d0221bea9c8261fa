//! A commit freezes a running container while it reads the container's files.
//!
//! The freeze belongs to the commits that asked for it: the last of them thaws. A marker in the
//! run directory says so, that a server which is killed meanwhile leaves its successor to thaw
//! the container. A pause by a user removes the marker and stays.

use crate::blocking::blocking;
use crate::containers::keeper::Keeper;
use crate::error::{Doing, EngineError};
use model::container::State;
use std::fs;
use std::path::Path;

const MARKER: &str = "frozen-for-commit";

/// One commit's share of a freeze.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct HoldId(u64);

/// The commits that a container is frozen for.
#[derive(Debug, Default)]
pub(super) struct Holds {
    ids: Vec<HoldId>,
    last: u64,
}

impl Holds {
    fn add(&mut self) -> HoldId {
        self.last += 1;
        let id = HoldId(self.last);
        self.ids.push(id);
        id
    }

    /// Whether this was the last one.
    fn remove(&mut self, id: HoldId) -> bool {
        let before = self.ids.len();
        self.ids.retain(|other| *other != id);
        before > 0 && self.ids.is_empty()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }
}

impl Keeper {
    /// `None` where nothing runs, or a user has paused it.
    pub(super) async fn begin_hold(&mut self) -> Result<Option<HoldId>, EngineError> {
        match self.record.state {
            State::Running { .. } => {
                let marker = self.dirs().run.join(MARKER);
                blocking("mark a container as frozen for a commit", move || {
                    fs::write(&marker, b"").doing(|| format!("write `{}`", marker.display()))
                })
                .await?;
                if let Err(error) = self.pause().await {
                    self.forget_holds();
                    return Err(error);
                }
                Ok(Some(self.holds.add()))
            }
            State::Paused { .. } if !self.holds.is_empty() => Ok(Some(self.holds.add())),
            State::Paused { .. }
            | State::Created
            | State::Exited { .. }
            | State::Failed { .. }
            | State::Lost { .. } => Ok(None),
        }
    }

    /// Thaws with the last one. One that a user's pause or unpause, or the end of the run, has
    /// ended already changes nothing.
    pub(super) async fn end_hold(&mut self, hold: HoldId) -> Result<(), EngineError> {
        if self.holds.remove(hold) {
            self.thaw().await?;
        }
        Ok(())
    }

    /// The server ends: nobody would thaw the container before the next one.
    pub(super) async fn end_all_holds(&mut self) {
        if !self.holds.is_empty() {
            let thawed = self.thaw().await;
            self.log_failure("unpause a container after a commit", thawed);
        }
    }

    /// From now on the freeze, if there is one, is not the commits'.
    pub(super) fn forget_holds(&mut self) {
        self.holds.ids.clear();
        remove_marker(&self.dirs().run);
    }

    /// Whether an earlier server froze the container for a commit. Asked once.
    pub(super) fn take_marker(&self) -> bool {
        remove_marker(&self.dirs().run)
    }
}

fn remove_marker(run_dir: &Path) -> bool {
    fs::remove_file(run_dir.join(MARKER)).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_of_several_commits_thaws_and_a_stale_one_does_not() {
        let mut holds = Holds::default();
        let (first, second) = (holds.add(), holds.add());
        assert!(!holds.remove(first));
        assert!(holds.remove(second));
        let third = holds.add();
        assert!(!holds.remove(first), "it ended before the third began");
        assert!(!holds.is_empty());
        assert!(holds.remove(third));
    }
}
