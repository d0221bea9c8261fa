//! What containers and the host use: read once a second for all who look on.

mod host;
pub(crate) mod rates;
pub(crate) mod sample;
mod sampler;
mod usage;

pub(crate) use host::size as host_size;

use crate::engine::{Engine, Inner};
use crate::error::EngineError;
use model::container::{ContainerId, State};
use sample::{Point, Stats, StatsRound};
use sampler::Sampling;
use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::MissedTickBehavior;

/// Points kept of each container and of the host: fifteen minutes.
const KEPT_POINTS: usize = 900;
const INTERVAL: Duration = Duration::from_secs(1);

/// The newest round, and the points of the charts.
#[derive(Debug)]
pub(crate) struct Hub {
    round: watch::Sender<Arc<StatsRound>>,
    points: Mutex<HashMap<ContainerId, VecDeque<Point>>>,
    host: Mutex<VecDeque<sample::HostStats>>,
}

impl Default for Hub {
    fn default() -> Self {
        Self {
            round: watch::channel(Arc::default()).0,
            points: Mutex::default(),
            host: Mutex::default(),
        }
    }
}

impl Hub {
    fn points(&self) -> MutexGuard<'_, HashMap<ContainerId, VecDeque<Point>>> {
        self.points.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn host(&self) -> MutexGuard<'_, VecDeque<sample::HostStats>> {
        self.host.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a round. Containers that are gone lose their points; one that rests keeps them.
    fn add(&self, round: StatsRound, exists: impl Fn(&ContainerId) -> bool) {
        {
            let mut points = self.points();
            points.retain(|id, _| exists(id));
            for stats in &round.containers {
                let kept = points.entry(stats.container.clone()).or_default();
                if kept.len() == KEPT_POINTS {
                    kept.pop_front();
                }
                kept.push_back(rates::point(stats));
            }
        }
        {
            let mut host = self.host();
            if host.len() == KEPT_POINTS {
                host.pop_front();
            }
            host.push_back(round.host);
        }
        self.round.send_replace(Arc::new(round));
    }
}

/// Samples until the server ends. A round that takes longer than a second makes
/// the next ones come later, never all at once.
pub(crate) async fn keep_sampling(engine: Arc<Inner>) {
    let mut ticks = tokio::time::interval(INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut kept = None;
    loop {
        tokio::select! {
            () = engine.ending.cancelled() => return,
            _ = ticks.tick() => {}
        }
        let mut sampling = match kept.take().map_or_else(Sampling::begin, Ok) {
            Ok(sampling) => sampling,
            Err(error) => {
                tracing::error!(%error, "cannot sample what containers use; it is tried again");
                continue;
            }
        };
        let containers = engine.containers.views();
        let taken = tokio::task::spawn_blocking({
            let engine = engine.clone();
            move || {
                let round = sampling.take(&engine, &containers);
                (sampling, round)
            }
        })
        .await;
        match taken {
            Ok((back, round)) => {
                kept = Some(back);
                engine.stats.add(round, |id| engine.containers.get(id).is_ok());
            }
            Err(error) => tracing::error!(%error, "sampling broke off; it begins anew"),
        }
    }
}

impl Engine {
    /// One round a second: the newest is there at once; a slow reader sees fewer.
    pub fn stats_rounds(&self) -> watch::Receiver<Arc<StatsRound>> {
        self.inner.stats.round.subscribe()
    }

    /// The newest sample of a running container.
    pub fn stats(&self, id: &ContainerId) -> Result<Option<Arc<Stats>>, EngineError> {
        self.inspect(id)?;
        let round = self.inner.stats.round.borrow().clone();
        Ok(round.containers.iter().find(|stats| stats.container == *id).cloned())
    }

    /// The first sample of the present run, or with `compared` the first that has one before
    /// it to compare with; waits for it. `None` when the container does not run.
    pub async fn sampled_stats(&self, id: &ContainerId, compared: bool) -> Result<Option<Arc<Stats>>, EngineError> {
        let mut container = self.watch(id)?;
        let mut rounds = self.stats_rounds();
        loop {
            let running_since = match container.borrow_and_update().state {
                State::Running { since, .. } | State::Paused { since, .. } => since,
                State::Created | State::Exited { .. } | State::Failed { .. } | State::Lost { .. } => return Ok(None),
            };
            let sample = rounds
                .borrow_and_update()
                .containers
                .iter()
                .find(|stats| stats.container == *id)
                .cloned();
            // Before that it is of an earlier run.
            let sample = sample.filter(|stats| stats.at >= running_since);
            if sample
                .as_ref()
                .is_some_and(|stats| !compared || stats.previous_cpu.is_some())
            {
                return Ok(sample);
            }
            tokio::select! {
                changed = rounds.changed() => changed.map_err(|_| EngineError::Ending)?,
                // The view closes when the container is removed.
                changed = container.changed() => changed.map_err(|_| EngineError::no_container(id.short()))?,
                () = self.inner.ending.cancelled() => return Err(EngineError::Ending),
            }
        }
    }

    /// The last fifteen minutes of a container, oldest first.
    pub fn history(&self, id: &ContainerId) -> Result<Vec<Point>, EngineError> {
        self.inspect(id)?;
        Ok(self
            .inner
            .stats
            .points()
            .get(id)
            .map(|points| points.iter().copied().collect())
            .unwrap_or_default())
    }

    pub fn host_stats(&self) -> sample::HostStats {
        self.inner.stats.round.borrow().host
    }

    /// The last fifteen minutes of the host, oldest first.
    pub fn host_history(&self) -> Vec<sample::HostStats> {
        self.inner.stats.host().iter().copied().collect()
    }
}
