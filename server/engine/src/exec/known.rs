//! All execs that can be asked for.

use super::{Exec, ExecId, ExecState};
use crate::clock;
use crate::error::EngineError;
use model::Timestamp;
use model::container::{ContainerId, ExitStatus};
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::watch;

/// An exec that is over can be asked for this long.
const REMEMBERED: Duration = Duration::from_secs(600);

/// All execs, by id. Each is watched, so that its end can be waited for.
#[derive(Debug, Default)]
pub(crate) struct Execs {
    by_id: Mutex<HashMap<ExecId, watch::Sender<Exec>>>,
}

impl Execs {
    fn lock(&self) -> MutexGuard<'_, HashMap<ExecId, watch::Sender<Exec>>> {
        self.by_id.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn insert(&self, exec: Exec) {
        let now = clock::now();
        let mut by_id = self.lock();
        by_id.retain(|_, known| match &known.borrow().state {
            ExecState::Exited { at, .. } | ExecState::Failed { at, .. } => now.since(*at) < REMEMBERED,
            ExecState::Created | ExecState::Starting | ExecState::Running { .. } => true,
        });
        by_id.insert(exec.id.clone(), watch::channel(exec).0);
    }

    /// Lets `change` decide on a new state; `None` leaves it.
    pub(super) fn change(&self, id: &ExecId, change: impl FnOnce(&Exec) -> Option<ExecState>) -> Option<Exec> {
        let by_id = self.lock();
        let known = by_id.get(id)?;
        let next = change(&known.borrow())?;
        known.send_modify(|exec| exec.state = next);
        Some(known.borrow().clone())
    }

    pub(super) fn watch(&self, id: &ExecId) -> Result<watch::Receiver<Exec>, EngineError> {
        let found = self.lock().get(id).map(watch::Sender::subscribe);
        found.ok_or_else(|| EngineError::NotFound {
            what: "exec",
            name: id.as_str().chars().take(12).collect(),
        })
    }

    pub(super) fn all_of(&self, container: &ContainerId) -> Vec<Exec> {
        let by_id = self.lock();
        let all = by_id.values().map(|known| known.borrow().clone());
        all.filter(|exec| exec.container == *container).collect()
    }

    pub(crate) fn forget(&self, id: &ExecId) {
        self.lock().remove(id);
    }

    pub(crate) fn forget_all_of(&self, container: &ContainerId) {
        self.lock().retain(|_, known| known.borrow().container != *container);
    }

    /// The run is over, and with it everything in it.
    pub(crate) fn end_all_of(&self, container: &ContainerId) {
        let now = clock::now();
        for known in self.lock().values() {
            let open = {
                let exec = known.borrow();
                exec.container == *container && matches!(exec.state, ExecState::Starting | ExecState::Running { .. })
            };
            if open {
                known.send_modify(|exec| {
                    exec.state = ExecState::Exited {
                        status: ExitStatus::Signaled(model::Signal::KILL),
                        at: now,
                    };
                });
            }
        }
    }

    /// The exec as it was before, when it was known and not over.
    pub(crate) fn record_end(&self, id: &ExecId, status: ExitStatus, at: Timestamp) -> Option<Exec> {
        self.change(id, |exec| {
            (!exec.state.is_over()).then_some(ExecState::Exited { status, at })
        })
    }

    /// An exec that an earlier server began. What is known already stays as it is.
    pub(crate) fn adopt(&self, exec: Exec) {
        if !self.lock().contains_key(&exec.id) {
            self.insert(exec);
        }
    }
}
