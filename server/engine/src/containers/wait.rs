//! Waiting for a container's end.

use crate::containers::view::{Container, ExitInfo, WaitCondition};
use model::container::State;
use std::sync::Arc;
use tokio::sync::watch;

/// A wait that has begun: an end from now on is not missed, however late
/// [`Waiting::ended`] is called.
#[derive(Debug)]
pub struct Waiting {
    condition: WaitCondition,
    /// The run whose end, or a later one's, is waited for.
    run: u64,
    already: bool,
    view: watch::Receiver<Arc<Container>>,
}

impl Waiting {
    pub(crate) fn begin(mut view: watch::Receiver<Arc<Container>>, condition: WaitCondition) -> Self {
        let container = view.borrow_and_update().clone();
        let runs = container.is_running();
        Self {
            condition,
            run: if runs { container.run } else { container.run + 1 },
            // What is about to be started again counts as running.
            already: !runs && container.restart_at.is_none() && condition == WaitCondition::NotRunning,
            view,
        }
    }

    /// How it ended. Of a container that never ran: code 0, as Docker has it. When
    /// the server ends meanwhile, what was known last.
    pub async fn ended(mut self) -> ExitInfo {
        if self.already {
            return last_exit(&self.view.borrow());
        }
        loop {
            let container = self.view.borrow_and_update().clone();
            let ended = container.last_exit.as_ref().filter(|exit| exit.run >= self.run);
            if let Some(exit) = ended
                && self.condition != WaitCondition::Removed
            {
                return exit.clone();
            }
            // A restart that was waited for may be called off.
            let rests = !container.is_running() && container.restart_at.is_none();
            if rests && self.condition == WaitCondition::NotRunning {
                return last_exit(&container);
            }
            // The keeper lets go of the view when the container is removed.
            if self.view.changed().await.is_err() {
                return last_exit(&self.view.borrow());
            }
        }
    }
}

fn last_exit(container: &Container) -> ExitInfo {
    container.last_exit.clone().unwrap_or(ExitInfo {
        run: container.run,
        code: 0,
        oom_killed: false,
        error: None,
        at: match container.state {
            State::Running { since, .. } | State::Paused { since, .. } => since,
            State::Created | State::Exited { .. } | State::Failed { .. } | State::Lost { .. } => container.created,
        },
    })
}
