//! One task per container: the only one that changes its state. All others ask it.

use crate::attach::{AttachOptions, Attached};
use crate::clock;
use crate::containers::end::{End, Unrecorded};
use crate::containers::hold::Holds;
use crate::containers::registry::Handle;
use crate::containers::request::{Reply, Request};
use crate::containers::stop::{StopHow, Stopping};
use crate::containers::unsaved::{RunEnd, Told, Unsaved};
use crate::containers::view::{Container, ExitInfo, Health};
use crate::engine::Inner;
use crate::error::EngineError;
use crate::journal::Facts;
use crate::layout::ContainerDirs;
use crate::shim::Shim;
use crate::snapshots::Place;
use model::Timestamp;
use model::container::{Spec, State};
use model::event::{Action, Subject};
use shim_protocol::Event;
use std::sync::Arc;
use std::time::Duration;
use store::containers::ContainerRecord;
use tokio::sync::{RwLock, mpsc, watch};
use tokio::time::Instant;

/// Requests that may wait for a keeper; askers beyond wait for their turn to ask.
const WAITING_REQUESTS: usize = 64;

/// Whether there is still something to keep.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Flow {
    GoOn,
    Removed,
}

/// Keeps one container.
pub(crate) struct Keeper {
    pub(crate) engine: Arc<Inner>,
    /// As the database has it.
    pub(crate) record: ContainerRecord,
    /// While it runs: the shim tells how it ends.
    pub(super) shim: Option<Shim>,
    pub(super) stopping: Option<Stopping>,
    /// When somebody last sent a signal that is meant to end the run.
    pub(super) killed_at: Option<Instant>,
    pub(super) restart: Option<PlannedRestart>,
    /// What a full disk kept out of the database.
    pub(super) unsaved: Unsaved,
    /// An end that the database would not take yet.
    pub(super) unrecorded: Option<Unrecorded>,
    pub(super) last_exit: Option<ExitInfo>,
    /// Of the present run, or of the last one.
    pub(super) health: Option<Health>,
    /// The kernel killed a process of the present run for want of memory.
    pub(super) oom_killed: bool,
    /// Ends the health probes of the present run.
    pub(super) probes: Option<tokio_util::sync::DropGuard>,
    /// The commits that it is frozen for.
    pub(super) holds: Holds,
    /// Who attached before the start.
    pub(super) attaching: Vec<(AttachOptions, Reply<Attached>)>,
    /// Read-locked by who writes to the files of the resting container.
    pub(crate) files: Arc<RwLock<()>>,
    view: watch::Sender<Arc<Container>>,
    requests: mpsc::Receiver<Request>,
    pub(super) own_requests: mpsc::WeakSender<Request>,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct PlannedRestart {
    pub(super) at: Instant,
    pub(super) shown: Timestamp,
}

impl Keeper {
    /// A keeper for a container, and how to ask it. Nothing happens before [`Keeper::keep`].
    pub(crate) fn new(engine: Arc<Inner>, record: ContainerRecord) -> (Self, Handle) {
        let (sender, requests) = mpsc::channel(WAITING_REQUESTS);
        let last_exit = last_exit(&record);
        let (view, watched) = watch::channel(Arc::new(show(&record, None, None, last_exit.clone())));
        let keeper = Self {
            engine,
            record,
            shim: None,
            stopping: None,
            killed_at: None,
            restart: None,
            unsaved: Unsaved::default(),
            unrecorded: None,
            last_exit,
            health: None,
            oom_killed: false,
            probes: None,
            holds: Holds::default(),
            attaching: Vec::new(),
            files: Arc::default(),
            view,
            requests,
            own_requests: sender.downgrade(),
        };
        let handle = Handle {
            requests: sender,
            view: watched,
        };
        (keeper, handle)
    }

    /// Keeps until the container is removed or the server ends.
    pub(crate) async fn keep(mut self) {
        let ending = self.engine.ending.clone();
        loop {
            let timer = self.next_timer();
            let flow = tokio::select! {
                biased; // what has happened comes before what is wanted
                event = next_event(&mut self.shim) => self.observe(event).await,
                () = sleep_until(timer) => self.on_timer().await,
                request = self.requests.recv() => match request {
                    Some(request) => self.answer(request).await,
                    None => break,
                },
                () = ending.cancelled() => break, // watching ends; the container runs on
            };
            if flow == Flow::Removed {
                return;
            }
        }
        self.end_all_holds().await;
        if self.unsaved.again.is_some() {
            self.write_again().await;
        }
    }

    async fn answer(&mut self, request: Request) -> Flow {
        match request {
            Request::Start(reply) => {
                let outcome = self.start_by_hand().await;
                let flow = self.remove_if_failed_start(&outcome).await;
                let _ = reply.send(outcome);
                return flow;
            }
            Request::Stop {
                timeout,
                signal,
                and_then,
                by,
                reply,
            } => {
                let how = StopHow { timeout, signal };
                return self.stop(how, and_then, by, reply).await;
            }
            Request::Kill { signal, by, reply } => {
                let _ = reply.send(self.kill(signal, by).await);
            }
            Request::Pause(reply) => {
                let _ = reply.send(self.pause().await);
            }
            Request::Unpause(reply) => {
                let _ = reply.send(self.unpause().await);
            }
            Request::BeginHold(reply) => {
                let _ = reply.send(self.begin_hold().await);
            }
            Request::EndHold { hold, reply } => {
                let _ = reply.send(self.end_hold(hold).await);
            }
            Request::Rename { name, reply } => {
                let _ = reply.send(self.rename(name).await);
            }
            Request::Update { limits, restart, reply } => {
                let outcome = self.update(limits.map(|limits| *limits), restart).await;
                let _ = reply.send(outcome.map(|()| self.view.borrow().clone()));
            }
            Request::Remove { options, reply } => {
                let outcome = self.remove(options).await;
                let flow = if outcome.is_ok() { Flow::Removed } else { Flow::GoOn };
                let _ = reply.send(outcome);
                return flow;
            }
            Request::Attach {
                options,
                registered,
                stream,
            } => self.attach(options, registered, stream).await,
            Request::OpenRoot { to_write, reply } => {
                let _ = reply.send(self.open_root(to_write).await);
            }
            Request::Resize { rows, cols, reply } => {
                let _ = reply.send(self.resize(rows, cols).await);
            }
            Request::Probed { run, result } => self.probed(run, result).await,
        }
        Flow::GoOn
    }

    async fn observe(&mut self, event: Option<Event>) -> Flow {
        match event {
            Some(Event::Exited(record)) if record.run == self.record.run => self.ended(End::Recorded(record)).await,
            Some(Event::ExecExited { exec_id, status, at_ns }) => {
                self.exec_ended(&exec_id, status.into(), Timestamp::from_unix_nanos(at_ns))
                    .await;
                Flow::GoOn
            }
            Some(Event::Oom) => {
                self.oom_killed = true;
                self.show();
                let told = self.tell(Action::OutOfMemory, Vec::new()).await;
                self.log_failure("record that memory ran out", told);
                Flow::GoOn
            }
            Some(Event::Exited(_) | Event::Unknown) => Flow::GoOn,
            None => self.shim_closed().await,
        }
    }

    fn next_timer(&self) -> Option<Instant> {
        let stop = self.stopping.as_ref().and_then(|stopping| stopping.deadline);
        let restart = self.restart.map(|restart| restart.at);
        let record = self.unrecorded.as_ref().map(|unrecorded| unrecorded.again);
        let write = self.unsaved.again;
        stop.into_iter().chain(restart).chain(record).chain(write).min()
    }

    async fn on_timer(&mut self) -> Flow {
        let now = Instant::now();
        if let Some(unrecorded) = self.unrecorded.take_if(|unrecorded| unrecorded.again <= now) {
            return self.ended(unrecorded.end).await;
        }
        if self.unsaved.again.is_some_and(|again| again <= now) {
            self.write_again().await;
            return Flow::GoOn;
        }
        if self.restart.is_some_and(|restart| restart.at <= now) {
            return self.restart_now().await;
        }
        if self
            .stopping
            .as_ref()
            .and_then(|s| s.deadline)
            .is_some_and(|deadline| deadline <= now)
        {
            return self.stop_takes_too_long().await;
        }
        Flow::GoOn
    }

    /// Writes `next` and the events that tell of it, then shows it.
    pub(super) async fn save(&mut self, next: ContainerRecord, events: Told) -> Result<(), EngineError> {
        self.write(next, Vec::new(), events).await
    }

    /// [`Keeper::save`] with ends of runs, and with everything that was missing before.
    pub(super) async fn write(
        &mut self,
        next: ContainerRecord,
        ends: Vec<RunEnd>,
        events: Told,
    ) -> Result<(), EngineError> {
        let engine = self.engine.clone();
        let must_describe = self.must_describe(&next);
        let mut change = engine.journal.change().await?;
        store::containers::update(change.db(), &next).await?;
        for end in self.unsaved.ends.iter().chain(&ends) {
            super::side_events::end(&mut change, &next.id, &next.spec).await?;
            let (code, by) = (end.code, end.stopped_by.as_ref());
            store::runs::record_end(change.db(), &next.id, end.run, end.at, code, end.oom_killed, by).await?;
        }
        for (action, attributes) in self.unsaved.events.iter().cloned().chain(events) {
            let attributes = with_facts(&next, attributes);
            change
                .event(Subject::Container(next.id.as_str().to_owned()), action, attributes)
                .await?;
        }
        change
            .commit(|| {
                self.unsaved = Unsaved::default();
                self.record = next;
                self.show();
            })
            .await?;
        if must_describe {
            self.describe().await;
        }
        Ok(())
    }

    /// Tells of something that changes no column.
    pub(super) async fn tell(&self, action: Action, attributes: Vec<(String, String)>) -> Result<(), EngineError> {
        let mut change = self.engine.journal.change().await?;
        let subject = Subject::Container(self.record.id.as_str().to_owned());
        change
            .event(subject, action, with_facts(&self.record, attributes))
            .await?;
        change.commit(|| {}).await
    }

    /// Brings what others see up to date.
    pub(super) fn show(&self) {
        let mut container = show(&self.record, self.restart, self.health.clone(), self.last_exit.clone());
        container.oom_killed |= self.oom_killed && container.is_running();
        self.view.send_replace(Arc::new(container));
    }

    pub(crate) fn name(&self) -> String {
        self.record.spec.name.as_str().to_owned()
    }

    /// Where its files lie, and on what.
    pub(crate) async fn place(&self) -> Result<Place, EngineError> {
        self.engine
            .place_of(&self.record.id, &self.record.spec.image.id, self.record.ids)
            .await
    }

    pub(crate) fn dirs(&self) -> ContainerDirs {
        self.engine.layout.container(&self.record.id)
    }

    pub(super) fn group(&self) -> cgroup::Group {
        self.engine.group(&self.record.id)
    }

    pub(super) fn log_failure<T>(&self, doing: &str, outcome: Result<T, EngineError>) {
        if let Err(error) = outcome {
            tracing::error!(container = self.record.id.short(), %error, "cannot {doing}");
        }
    }
}

pub(super) fn with_facts(record: &ContainerRecord, attributes: Vec<(String, String)>) -> Facts {
    with_facts_of(&record.spec, attributes)
}

/// The facts every event of a container carries.
pub(crate) fn with_facts_of(spec: &Spec, attributes: Vec<(String, String)>) -> Facts {
    let mut all = vec![
        ("name".to_owned(), spec.name.as_str().to_owned()),
        ("image".to_owned(), spec.image.reference.short()),
    ];
    all.extend(attributes);
    Facts {
        attributes: all,
        labels: spec.labels.clone(),
    }
}

fn show(
    record: &ContainerRecord,
    restart: Option<PlannedRestart>,
    health: Option<Health>,
    last_exit: Option<ExitInfo>,
) -> Container {
    Container {
        id: record.id.clone(),
        spec: record.spec.clone(),
        created: record.created,
        state: record.state.clone(),
        run: record.run,
        restart_count: record.restart_count,
        stopped_by_hand: record.stopped_by_hand,
        stopped_by: record.stopped_by.clone(),
        restart_at: restart.map(|restart| restart.shown),
        ids: record.ids,
        endpoint: record.endpoint.clone().filter(|_| record.state.init().is_some()),
        ports: record.ports.clone(),
        health,
        last_exit,
        oom_killed: matches!(record.state, State::Exited { oom_killed: true, .. }),
    }
}

/// The end that the row itself tells of.
pub(super) fn last_exit(record: &ContainerRecord) -> Option<ExitInfo> {
    let info = |code, oom_killed, error, at| {
        Some(ExitInfo {
            run: record.run,
            code,
            oom_killed,
            error,
            at,
        })
    };
    match &record.state {
        State::Created | State::Running { .. } | State::Paused { .. } => None,
        State::Exited {
            status, at, oom_killed, ..
        } => info(status.code(), *oom_killed, None, *at),
        State::Failed { code, reason, at } => info(*code, false, Some(reason.clone()), *at),
        State::Lost { at, why } => info(255, false, Some(super::end::show_loss(*why).to_owned()), *at),
    }
}

/// The moment a planned restart is shown for.
pub(super) fn planned(delay: Duration) -> PlannedRestart {
    let nanos = i64::try_from(delay.as_nanos()).unwrap_or(i64::MAX);
    PlannedRestart {
        at: Instant::now() + delay,
        shown: Timestamp::from_unix_nanos(clock::now().as_unix_nanos().saturating_add(nanos)),
    }
}

async fn next_event(shim: &mut Option<Shim>) -> Option<Event> {
    match shim {
        Some(shim) => shim.next_event().await,
        None => std::future::pending().await,
    }
}

async fn sleep_until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}
