//! The server returns: what is wanted, what runs and what was left are brought
//! together again. Done twice, the second time changes nothing.
//!
//! | shim answers | `exit.json` of this run | same boot | then |
//! | --- | --- | --- | --- |
//! | yes | – | yes | adopted |
//! | no | yes | – | `Exited` as recorded; the restart policy decides |
//! | no | no | no | `Lost`, the host restarted; the policy decides |
//! | no | no | yes | what is left is killed; `Lost`, its shim was killed; the policy decides |
//!
//! That is where the row says that it ran. A start that the server's end cut off is
//! ended; where it is over already, `exit.json` is newer than the row and is believed.

use crate::blocking::blocking;
use crate::clock;
use crate::containers::end::End;
use crate::containers::keeper::{Flow, Keeper};
use crate::containers::orphans;
use crate::engine::Inner;
use crate::error::{Doing, EngineError};
use crate::exec::{Exec, ExecId, ExecState};
use crate::layout::remove_dir;
use crate::shim::{self, Shim};
use model::container::restart::Occasion;
use model::container::{ContainerId, Loss, State};
use model::event::{Action, Subject};
use model::{Signal, Timestamp};
use shim_protocol::{Command, ExitRecord, InitState, Target};
use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use store::containers::{ContainerRecord, Phase};
use store::runs::Run;
use tokio::task::JoinSet;

/// A shim that does not answer in this time is as good as dead.
const ANSWER_LIMIT: Duration = Duration::from_secs(5);
/// Containers looked at at once.
const AT_ONCE: usize = 32;

/// Brings everything together and begins to keep what there is.
pub(crate) async fn recover(engine: &Arc<Inner>, same_boot: bool) -> Result<(), EngineError> {
    let rows = store::containers::list(&mut *engine.database().read().await?).await?;
    let known: HashSet<ContainerId> = rows.iter().map(|row| row.id.clone()).collect();
    let mut work = JoinSet::new();
    let mut keepers = Vec::new();
    for row in rows {
        if work.len() >= AT_ONCE {
            keepers.extend(work.join_next().await.and_then(Result::ok).flatten());
        }
        let engine = engine.clone();
        work.spawn(Box::pin(recover_one(engine, row, same_boot)));
    }
    while let Some(looked_at) = work.join_next().await {
        keepers.extend(looked_at.ok().flatten());
    }
    remove_orphans(engine, known).await;
    // Only now: what a container makes that is begun again belongs to nobody yet.
    for keeper in keepers {
        engine.tracker.spawn(keeper.keep());
    }
    Ok(())
}

/// What is to be kept, if it is still there.
async fn recover_one(engine: Arc<Inner>, row: ContainerRecord, same_boot: bool) -> Option<Keeper> {
    let (id, phase) = (row.id.clone(), row.phase);
    let (mut keeper, handle) = Keeper::new(engine.clone(), row);
    engine.containers.insert(id.clone(), handle);
    let flow = match phase {
        Phase::Making | Phase::Removing => keeper.finish_removal().await,
        Phase::Ready => {
            // Of a version that did not keep one.
            if !keeper.dirs().description().exists() {
                keeper.describe().await;
            }
            keeper.recover(same_boot).await
        }
    };
    if flow == Flow::Removed {
        engine.containers.remove(&id);
        return None;
    }
    Some(keeper)
}

impl Keeper {
    async fn finish_removal(&mut self) -> Flow {
        end_foreign_shim(&self.dirs().run).await;
        let killed = self.kill_group().await;
        self.log_failure("kill the processes of a half made container", killed);
        match self.unmake(false).await {
            Ok(()) => Flow::Removed,
            Err(error) => {
                tracing::error!(container = self.record.id.short(), %error, "cannot finish a removal");
                Flow::GoOn
            }
        }
    }

    async fn recover(&mut self, same_boot: bool) -> Flow {
        let believed = self.record.state.init();
        self.health = self.read_health().await;
        let flow = match (self.find_shim().await, believed) {
            (Some((shim, state)), Some(_)) => self.adopt(shim, state).await,
            (Some((shim, state)), None) => self.end_unrecorded_start(shim, state).await,
            (None, Some(init)) => match self.read_exit_record().await {
                Some(record) => self.ended(End::Recorded(record)).await,
                None if same_boot => {
                    self.kill_leftovers(init).await;
                    self.ended(End::Lost(Loss::ShimKilled)).await
                }
                None => self.ended(End::Lost(Loss::HostRestarted)).await,
            },
            (None, None) => match self.read_exit_record().await {
                Some(record) if self.is_news(&record) => self.ended_unseen(record).await,
                _ => Flow::GoOn,
            },
        };
        if flow == Flow::Removed || self.record.state.init().is_some() {
            return flow;
        }
        if self.record.spec.auto_remove && self.record.run > 0 {
            return self.remove_after_end().await;
        }
        // A wait that the server's end cut short goes on; `always` begins again with
        // the server even what was stopped by hand.
        if self.restart.is_none() && self.last_exit.is_some() {
            self.plan_restart(Occasion::Exited { code: self.exit_code() });
        }
        if self.restart.is_none() {
            self.plan_restart(Occasion::ServerStarted);
        }
        Flow::GoOn
    }

    /// The shim of the present run, if it answers. One of another run is ended.
    async fn find_shim(&self) -> Option<(Shim, shim_protocol::State)> {
        let run_dir = self.dirs().run;
        let found = tokio::time::timeout(ANSWER_LIMIT, async {
            let mut shim = shim::connect(&run_dir).await.ok()?;
            let state = shim.state().await.ok()?;
            Some((shim, state))
        })
        .await;
        let (shim, state) = found.ok().flatten()?;
        if state.id != self.record.id.as_str() {
            return None;
        }
        if state.run != self.record.run {
            drop(shim);
            end_foreign_shim(&run_dir).await;
            return None;
        }
        Some((shim, state))
    }

    async fn adopt(&mut self, shim: Shim, state: shim_protocol::State) -> Flow {
        self.shim = Some(shim);
        self.oom_killed = state.oom_kills > 0;
        let started = match state.init {
            InitState::Exited(record) => return self.ended(End::Recorded(record)).await,
            // Its end is told as an event.
            InitState::Created | InitState::Ending => None,
            InitState::Running { started_at_ns } => Some(Timestamp::from_unix_nanos(started_at_ns)),
        };
        self.adopt_execs(state.execs).await;
        let frozen = blocking("look whether a container is paused", {
            let group = self.group();
            move || {
                group
                    .is_frozen()
                    .doing(|| "look whether a container is paused".to_owned())
            }
        })
        .await
        .unwrap_or(false);
        let frozen = frozen && !self.thaw_after_commit().await;
        let mut next = self.record.clone();
        let (State::Running { init, since } | State::Paused { init, since }) = next.state else {
            return Flow::GoOn;
        };
        let since = started.unwrap_or(since);
        next.state = if frozen {
            State::Paused { init, since }
        } else {
            State::Running { init, since }
        };
        if next.state != self.record.state {
            let saved = self.save(next, Vec::new()).await;
            self.log_failure("record an adopted container", saved);
        }
        self.hold_network().await;
        let known = self.read_health().await;
        self.begin_health(known);
        self.show();
        Flow::GoOn
    }

    /// The earlier server died in the middle of a commit, which is lost: what it froze for
    /// that goes on.
    async fn thaw_after_commit(&self) -> bool {
        if !self.take_marker() {
            return false;
        }
        let thawed = self.thaw_group().await;
        let went_on = thawed.is_ok();
        self.log_failure("unpause a container that was frozen for a commit", thawed);
        went_on
    }

    /// What a shim tells of execs to a server that was away.
    pub(super) async fn adopt_execs(&mut self, execs: Vec<shim_protocol::ExecState>) {
        for exec in execs {
            let Some(id) = ExecId::parse(&exec.exec_id) else {
                continue;
            };
            let running = ExecState::Running {
                pid: exec.process.pid,
                since: clock::now(),
            };
            let ended = exec.exit.map(|status| {
                let at = exec.exited_at_ns.map_or_else(clock::now, Timestamp::from_unix_nanos);
                (status.into(), at)
            });
            let state = match ended {
                Some((status, at)) if self.is_told(&id).await => ExecState::Exited { status, at },
                _ => running,
            };
            let adopted = Exec::adopted(id, self.record.id.clone(), state, exec.kept);
            if adopted.is_probe {
                self.end_probe(&exec.exec_id, ended.is_some()).await;
                continue;
            }
            self.engine.execs.adopt(adopted);
            if let Some((status, at)) = ended {
                // Of no effect where the end is known already.
                self.exec_ended(&exec.exec_id, status, at).await;
            }
        }
    }

    /// Whether an event told of the end of the exec.
    async fn is_told(&self, id: &ExecId) -> bool {
        let told = async {
            let mut db = self.engine.database().read().await?;
            let attribute = ("exec_id", id.as_str());
            store::events::is_told(&mut db, self.record.id.as_str(), Action::ExecDie, attribute).await
        };
        // Where that cannot be known it is better told once than twice.
        told.await.unwrap_or(true)
    }

    /// Nobody waits for the result of an earlier server's probe, nor ends it in time.
    async fn end_probe(&mut self, exec_id: &str, ended: bool) {
        if let Some(shim) = self.shim.as_mut().filter(|_| !ended) {
            let kill = Command::Signal {
                target: Target::Exec(exec_id.to_owned()),
                signal: Signal::KILL.number(),
            };
            // It may have ended in this moment.
            let _ = shim.ask(kill).await;
        }
    }

    /// The address stays its own, and its ports are held again.
    async fn hold_network(&self) {
        let Some(endpoint) = self.record.endpoint.clone() else {
            return;
        };
        self.engine.addresses.hold(&self.record.id, endpoint.address);
        if self.record.ports.is_empty() {
            return;
        }
        let (engine, id, ports) = (self.engine.clone(), self.record.id.clone(), self.record.ports.clone());
        let published = blocking("publish ports again", move || {
            engine.publish_ports(&id, &endpoint, &ports)
        })
        .await;
        self.log_failure("publish ports again", published);
    }

    /// Whether the present run ended after everything the row tells of.
    fn is_news(&self, record: &ExitRecord) -> bool {
        let told = match self.record.state {
            State::Created | State::Running { .. } | State::Paused { .. } => None,
            State::Exited { at, .. } | State::Failed { at, .. } | State::Lost { at, .. } => Some(at),
        };
        told.is_none_or(|at| Timestamp::from_unix_nanos(record.at_ns) > at)
    }

    /// The command was begun while the server ended, and is over: nothing but its
    /// end was left to be recorded.
    async fn ended_unseen(&mut self, record: ExitRecord) -> Flow {
        if let Some(started) = record.started_at_ns {
            let recorded = self.record_unseen_start(Timestamp::from_unix_nanos(started)).await;
            self.log_failure("record a start that nobody saw", recorded);
        }
        self.ended(End::Recorded(record)).await
    }

    async fn record_unseen_start(&self, started: Timestamp) -> Result<(), EngineError> {
        let log = self.dirs().log();
        let first_line = blocking("read a log", move || {
            log_store::Reader::open(log)
                .and_then(|mut reader| reader.seq_at_time(started))
                .doing(|| "read the log".to_owned())
        })
        .await?;
        let run = Run {
            run: self.record.run,
            first_line,
            started,
            ended: None,
            exit_code: None,
            oom_killed: false,
            stopped_by: None,
        };
        let mut change = self.engine.journal.change().await?;
        store::runs::insert(change.db(), &self.record.id, &run).await?;
        let subject = Subject::Container(self.record.id.as_str().to_owned());
        let facts = super::keeper::with_facts(&self.record, Vec::new());
        change.event(subject, Action::Start, facts).await?;
        change.commit(|| {}).await
    }

    /// The server ended in the middle of a start. The command may run, but nothing
    /// of it was recorded: it is ended, and the policy decides.
    async fn end_unrecorded_start(&mut self, mut shim: Shim, state: shim_protocol::State) -> Flow {
        if let InitState::Exited(record) = state.init {
            self.shim = Some(shim);
            return self.ended_unseen(record).await;
        }
        shim.end(ANSWER_LIMIT).await;
        let mut next = self.record.clone();
        next.state = State::Failed {
            code: 128,
            reason: "the server ended while the container was being started".to_owned(),
            at: clock::now(),
        };
        let saved = self.save(next, Vec::new()).await;
        self.log_failure("record a start that was cut off", saved);
        self.last_exit = super::keeper::last_exit(&self.record);
        self.clean_up().await;
        Flow::GoOn
    }
}

/// Ends a shim that nobody wants any more, with what runs in it.
async fn end_foreign_shim(run_dir: &Path) {
    let connected = tokio::time::timeout(ANSWER_LIMIT, shim::connect(run_dir)).await;
    if let Ok(Ok(mut shim)) = connected {
        shim.end(ANSWER_LIMIT).await;
    }
}

/// What no row owns: shims, cgroups, devices, ports and run directories are removed, files of
/// containers are moved aside. Each is tried, each failure logged.
async fn remove_orphans(owner: &Arc<Inner>, known: HashSet<ContainerId>) {
    let engine = owner.clone();
    for id in orphans::dirs(&engine.layout.run_containers(), &known) {
        end_foreign_shim(&engine.layout.container(&id).run).await;
    }
    let running: Vec<ContainerId> = engine
        .containers
        .views()
        .iter()
        .filter(|container| container.is_running())
        .map(|container| container.id.clone())
        .collect();
    let swept = blocking("remove what no container owns", move || {
        remove_orphan_groups(&engine, &known);
        match engine.network.sweep(&running) {
            Ok(swept) if swept.devices.is_empty() && swept.ports == 0 => {}
            Ok(swept) => tracing::info!(devices = ?swept.devices, ports = swept.ports, "removed network leftovers"),
            Err(error) => tracing::error!(%error, "cannot remove network leftovers"),
        }
        let dir = engine.layout.run_containers();
        for id in orphans::dirs(&dir, &known) {
            tracing::info!(container = id.short(), dir = %dir.display(), "removing a run directory that no container owns");
            if let Err(error) = remove_dir(&dir.join(id.as_str())) {
                tracing::error!(container = id.short(), %error, "cannot remove a run directory that no container owns");
            }
        }
        Ok(known)
    })
    .await;
    match swept {
        Ok(known) => orphans::set_aside(owner, &known).await,
        Err(error) => tracing::error!(%error, "cannot remove what no container owns"),
    }
}

fn remove_orphan_groups(engine: &Inner, known: &HashSet<ContainerId>) {
    let children = match engine.parent_group().list_children() {
        Ok(children) => children,
        Err(error) => {
            tracing::error!(%error, "cannot look for leftover cgroups");
            return;
        }
    };
    for id in children.iter().filter_map(|name| ContainerId::parse(name).ok()) {
        if known.contains(&id) {
            continue;
        }
        let group = engine.group(&id);
        tracing::info!(container = id.short(), "removing a cgroup that no container owns");
        if let Err(error) = group.kill_all() {
            tracing::error!(container = id.short(), %error, "cannot kill what is left of a container");
        }
        if let Err(error) = group.remove() {
            tracing::error!(container = id.short(), %error, "cannot remove a leftover cgroup");
        }
    }
}
