//! One action on many containers: a task of the server, so that it goes on without the page
//! that asked for it.

use crate::containers::new::RemoveOptions;
use crate::containers::view::Container;
use crate::engine::Engine;
use crate::error::EngineError;
use crate::tasks::{ItemState, Progress, Running, TaskId, TaskItem, TaskKind};
use model::Signal;
use model::container::spec::StopTimeout;
use model::container::{ContainerId, StoppedBy};
use std::collections::HashSet;
use std::sync::Arc;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

/// Containers worked on at once: a stop mostly waits, and the rest is the kernel's.
const AT_ONCE: usize = 16;
/// Of one task.
const MAX_TARGETS: usize = 10_000;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BulkAction {
    Start,
    Stop {
        timeout: Option<StopTimeout>,
        signal: Option<Signal>,
    },
    Restart {
        timeout: Option<StopTimeout>,
        signal: Option<Signal>,
    },
    Kill(Signal),
    Pause,
    Unpause,
    Remove(RemoveOptions),
}

impl BulkAction {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Stop { .. } => "stop",
            Self::Restart { .. } => "restart",
            Self::Kill(_) => "kill",
            Self::Pause => "pause",
            Self::Unpause => "unpause",
            Self::Remove(_) => "remove",
        }
    }
}

/// Which containers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BulkTargets {
    /// Ids, names or the beginnings of ids. One that is not there fails alone.
    Names(Vec<String>),
    Matching(BulkFilter),
}

/// Every field that is given has to fit; an empty filter fits all.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct BulkFilter {
    /// Words of [`model::container::State::word`]; none given fits any.
    pub states: Vec<&'static str>,
    /// Part of the name.
    pub name: Option<String>,
    /// `None` for a label that only has to be there.
    pub labels: Vec<(String, Option<String>)>,
}

impl BulkFilter {
    fn fits(&self, container: &Container) -> bool {
        let spec = &container.spec;
        let label = |(name, value): &(String, Option<String>)| {
            let labels = &mut spec.labels.iter();
            labels.any(|(known, held)| known == name && value.as_ref().is_none_or(|value| value == held))
        };
        (self.states.is_empty() || self.states.contains(&container.state.word()))
            && self.name.as_ref().is_none_or(|part| spec.name.as_str().contains(part))
            && self.labels.iter().all(label)
    }
}

/// One of the containers that a task works on.
struct Target {
    id: Result<ContainerId, EngineError>,
    given: String,
    name: String,
}

impl Engine {
    /// Begins the action on all of them, sixteen at a time. A cancelled task finishes what it
    /// has begun and leaves the rest.
    ///
    /// # Errors
    /// More targets than one task takes.
    pub fn bulk(&self, action: BulkAction, targets: BulkTargets, owner: Option<String>) -> Result<TaskId, EngineError> {
        let targets = self.targets(targets);
        if targets.len() > MAX_TARGETS {
            return Err(EngineError::invalid(
                "ids",
                format!(
                    "{} containers are more than the {MAX_TARGETS} of one task",
                    targets.len()
                ),
            ));
        }
        let count = targets.len();
        let subject = format!("{count} container{}", if count == 1 { "" } else { "s" });
        let inner = &self.inner;
        let kind = TaskKind::Bulk(action);
        let by = owner.clone().map_or(StoppedBy::Unknown, StoppedBy::User);
        let (id, running) = inner.tasks.join_or_begin(kind, subject, owner, &inner.ending, false);
        if let Some(running) = running {
            running.show(Progress {
                phase: action.as_str(),
                ..Progress::default()
            });
            running.set_items(targets.iter().map(|target| {
                TaskItem {
                    id: target
                        .id
                        .as_ref()
                        .map_or_else(|_| target.given.clone(), ToString::to_string),
                    name: target.name.clone(),
                    state: ItemState::Waiting,
                }
            }));
            let engine = self.clone();
            inner
                .tracker
                .spawn(async move { engine.run_bulk(action, by, targets, running).await });
        }
        Ok(id)
    }

    /// The containers that [`Engine::bulk`] would act on now.
    pub fn bulk_containers(&self, targets: &BulkTargets) -> Vec<Arc<Container>> {
        match targets {
            BulkTargets::Matching(filter) => {
                let all = self.list().items.into_iter();
                all.filter(|container| filter.fits(container)).collect()
            }
            BulkTargets::Names(names) => {
                let found = names.iter().filter_map(|name| self.find(name).ok());
                found.filter_map(|id| self.inspect(&id).ok()).collect()
            }
        }
    }

    fn targets(&self, wanted: BulkTargets) -> Vec<Target> {
        let of = |container: &Arc<Container>| Target {
            id: Ok(container.id.clone()),
            given: container.id.to_string(),
            name: container.spec.name.to_string(),
        };
        match wanted {
            BulkTargets::Matching(filter) => {
                let all = self.list().items;
                all.iter().filter(|container| filter.fits(container)).map(of).collect()
            }
            BulkTargets::Names(names) => {
                let mut seen = HashSet::new();
                let found = names.into_iter().filter_map(|given| {
                    let container = self.find(&given).and_then(|id| self.inspect(&id));
                    let target = match container {
                        Ok(container) => of(&container),
                        Err(error) => Target {
                            id: Err(error),
                            name: given.clone(),
                            given,
                        },
                    };
                    // One container may have been given by name and by id.
                    let key = target
                        .id
                        .as_ref()
                        .map_or_else(|_| target.given.clone(), ToString::to_string);
                    seen.insert(key).then_some(target)
                });
                found.collect()
            }
        }
    }

    async fn run_bulk(&self, action: BulkAction, by: StoppedBy, targets: Vec<Target>, running: Running) {
        let (places, mut work) = (Arc::new(Semaphore::new(AT_ONCE)), JoinSet::new());
        let count = targets.len();
        for (number, target) in targets.into_iter().enumerate() {
            let place = tokio::select! {
                biased;
                () = running.cancel.cancelled() => break,
                place = places.clone().acquire_owned() => place,
            };
            let (engine, running, by) = (self.clone(), running.clone(), by.clone());
            work.spawn(async move {
                running.set_item(number, ItemState::Running);
                let outcome = match target.id {
                    Ok(id) => engine.act(&id, action, by).await,
                    Err(error) => Err(error),
                };
                let is_ok = outcome.is_ok();
                running.set_item(
                    number,
                    outcome.map_or_else(|error| ItemState::failed(&error), |()| ItemState::Done),
                );
                drop(place);
                is_ok
            });
        }
        let outcomes = work.join_all().await;
        let failed = outcomes.iter().filter(|is_ok| !**is_ok).count();
        let cancelled = outcomes.len() < count;
        running.cancel_waiting_items();
        running.end(match (cancelled, failed) {
            (true, _) => Err(EngineError::Cancelled(format!("the action `{}`", action.as_str()))),
            (false, 0) => Ok(Vec::new()),
            (false, failed) => Err(EngineError::Bulk {
                action: action.as_str(),
                failed,
                count,
            }),
        });
    }

    async fn act(&self, id: &ContainerId, action: BulkAction, by: StoppedBy) -> Result<(), EngineError> {
        match action {
            BulkAction::Start => self.start(id).await,
            BulkAction::Stop { timeout, signal } => self.stop(id, timeout, signal, by).await,
            BulkAction::Restart { timeout, signal } => self.restart(id, timeout, signal, by).await,
            BulkAction::Kill(signal) => self.kill(id, signal, by).await,
            BulkAction::Pause => self.pause(id).await,
            BulkAction::Unpause => self.unpause(id).await,
            BulkAction::Remove(options) => self.remove(id, options).await,
        }
    }
}
