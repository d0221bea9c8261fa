//! Changes that a full disk keeps out of the database.
//!
//! What ends something happens all the same, or no room could ever be made: the change is
//! applied in memory and written with the next one, or as soon as there is room. A server that
//! dies before that finds the kernel, and what the shim wrote, telling the same.

use crate::containers::keeper::Keeper;
use crate::error::EngineError;
use model::Timestamp;
use model::container::StoppedBy;
use model::event::Action;
use std::time::Duration;
use store::containers::ContainerRecord;
use tokio::time::Instant;

/// Between attempts to write.
pub(super) const WRITE_AGAIN: Duration = Duration::from_secs(2);

pub(super) type Told = Vec<(Action, Vec<(String, String)>)>;

/// What the database does not have yet, besides the row itself.
#[derive(Debug, Default)]
pub(super) struct Unsaved {
    pub(super) ends: Vec<RunEnd>,
    pub(super) events: Told,
    /// When it is tried again; `None` where nothing is missing.
    pub(super) again: Option<Instant>,
}

/// The end of a run, as its row has it.
#[derive(Debug, Clone)]
pub(super) struct RunEnd {
    pub(super) run: u64,
    pub(super) at: Timestamp,
    pub(super) code: Option<i32>,
    pub(super) oom_killed: bool,
    pub(super) stopped_by: Option<StoppedBy>,
}

impl Keeper {
    /// [`Keeper::save`] of something that ends something: a full disk only delays the writing.
    pub(super) async fn save_end(&mut self, next: ContainerRecord, events: Told) -> Result<(), EngineError> {
        self.save_run_end(next, Vec::new(), events).await
    }

    pub(super) async fn save_run_end(
        &mut self,
        next: ContainerRecord,
        ends: Vec<RunEnd>,
        events: Told,
    ) -> Result<(), EngineError> {
        let mut saved = self.write(next.clone(), ends.clone(), events.clone()).await;
        if is_full(&saved) && self.engine.reserve.release() {
            saved = self.write(next.clone(), ends.clone(), events.clone()).await;
        }
        if !is_full(&saved) {
            return saved;
        }
        tracing::warn!(
            container = self.record.id.short(),
            "the disk is full: a change is written as soon as there is room"
        );
        self.unsaved.ends.extend(ends);
        self.unsaved.events.extend(events);
        self.unsaved.again = Some(Instant::now() + WRITE_AGAIN);
        self.record = next;
        self.show();
        Ok(())
    }

    /// The time has come to write what is missing.
    pub(super) async fn write_again(&mut self) {
        if let Err(error) = self.save(self.record.clone(), Vec::new()).await {
            if !error.is_disk_full() {
                self.log_failure::<()>("write what was missing", Err(error));
            }
            self.unsaved.again = Some(Instant::now() + WRITE_AGAIN);
        }
    }
}

fn is_full<T>(outcome: &Result<T, EngineError>) -> bool {
    matches!(outcome, Err(error) if error.is_disk_full())
}
