//! What may be asked of containers from outside.

use crate::attach::{AttachOptions, Attaching};
use crate::blocking::blocking;
use crate::containers::create;
use crate::containers::keeper::with_facts_of;
use crate::containers::new::{Created, NewContainer, RemoveOptions};
use crate::containers::request::{AndThen, Reply, Request};
use crate::containers::top;
use crate::containers::view::{Container, ContainerList, ProcessInfo, WaitCondition};
use crate::containers::wait::Waiting;
use crate::engine::Engine;
use crate::error::{Doing, EngineError, Mistake};
use crate::journal::Events;
use model::Signal;
use model::container::spec::StopTimeout;
use model::container::{ContainerId, ContainerName, Limits, Refusal, RestartPolicy, StoppedBy};
use model::event::{Action, Event, Subject};
use model::network::PortMapping;
use network::PublishError;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{oneshot, watch};

/// What a killed process may take to end: it may be writing to a slow disk.
const KILL_LIMIT: Duration = Duration::from_secs(20);

impl Engine {
    /// # Errors
    /// [`EngineError::Invalid`] with every mistake at once; the name is taken; the image is not here.
    pub async fn create(&self, new: NewContainer) -> Result<Created, EngineError> {
        create::create(&self.inner, new).await
    }

    /// The mistakes [`Engine::create`] would refuse this for.
    pub async fn dry_run(&self, new: NewContainer) -> Result<Vec<Mistake>, EngineError> {
        create::dry_run(&self.inner, new).await
    }

    /// Why each of these ports cannot be published now; `None` for those that can. Where
    /// a port is free only a start tells: it may be taken until then.
    pub async fn check_ports(&self, ports: Vec<PortMapping>) -> Result<Vec<Option<String>>, EngineError> {
        let engine = self.inner.clone();
        blocking("look for ports in use", move || {
            let why = |mapping: &PortMapping| match engine.network.check_port(mapping).err()? {
                PublishError::InUse { port, protocol, owner } => {
                    let name = engine
                        .containers
                        .view(&owner)
                        .map(|view| view.spec.name.as_str().to_owned());
                    let name = name.unwrap_or_else(|_| owner.short().to_owned());
                    let protocol = protocol.word();
                    Some(format!(
                        "port {port}/{protocol} of the host is in use by container `{name}`"
                    ))
                }
                error => Some(error.to_string()),
            };
            Ok(ports.iter().map(why).collect())
        })
        .await
    }

    /// By full id, exact name, or the beginning of one id alone.
    pub fn find(&self, text: &str) -> Result<ContainerId, EngineError> {
        self.inner.containers.find(text)
    }

    /// All containers, newest first.
    pub fn list(&self) -> ContainerList {
        self.inner.containers.list(|| self.inner.journal.last_seq())
    }

    pub fn inspect(&self, id: &ContainerId) -> Result<Arc<Container>, EngineError> {
        self.inner.containers.view(id)
    }

    /// The container as it is, and every change; it closes when the container is removed.
    pub fn watch(&self, id: &ContainerId) -> Result<watch::Receiver<Arc<Container>>, EngineError> {
        self.inner.containers.get(id).map(|handle| handle.view)
    }

    /// Done when the command runs.
    pub async fn start(&self, id: &ContainerId) -> Result<(), EngineError> {
        self.ask(id, Request::Start).await
    }

    /// Done when it rests. `None` takes what the container or its image says. `by` is
    /// kept with the end: what somebody stopped has not failed.
    pub async fn stop(
        &self,
        id: &ContainerId,
        timeout: Option<StopTimeout>,
        signal: Option<Signal>,
        by: StoppedBy,
    ) -> Result<(), EngineError> {
        self.stop_for(id, timeout, signal, AndThen::Rest, by).await
    }

    pub async fn restart(
        &self,
        id: &ContainerId,
        timeout: Option<StopTimeout>,
        signal: Option<Signal>,
        by: StoppedBy,
    ) -> Result<(), EngineError> {
        self.stop_for(id, timeout, signal, AndThen::Start, by).await
    }

    pub(crate) async fn stop_for(
        &self,
        id: &ContainerId,
        timeout: Option<StopTimeout>,
        signal: Option<Signal>,
        and_then: AndThen,
        by: StoppedBy,
    ) -> Result<(), EngineError> {
        self.ask(id, |reply| Request::Stop {
            timeout,
            signal,
            and_then,
            by,
            reply,
        })
        .await
    }

    /// Sends a signal. After `KILL` it is done when the end of the run is recorded.
    pub async fn kill(&self, id: &ContainerId, signal: Signal, by: StoppedBy) -> Result<(), EngineError> {
        let mut view = self.watch(id)?;
        let (run, name) = {
            let container = view.borrow_and_update();
            (container.run, container.spec.name.as_str().to_owned())
        };
        self.ask(id, |reply| Request::Kill { signal, by, reply }).await?;
        if signal != Signal::KILL {
            return Ok(());
        }
        let ended = view.wait_for(|container| container.run != run || !container.is_running());
        match tokio::time::timeout(KILL_LIMIT, ended).await {
            // The view closes when the container is removed with its end.
            Ok(_) => Ok(()),
            Err(_) => Err(EngineError::TimedOut {
                what: format!("the end of container `{name}` after KILL"),
                limit_s: KILL_LIMIT.as_secs(),
            }),
        }
    }

    pub async fn pause(&self, id: &ContainerId) -> Result<(), EngineError> {
        self.ask(id, Request::Pause).await
    }

    pub async fn unpause(&self, id: &ContainerId) -> Result<(), EngineError> {
        self.ask(id, Request::Unpause).await
    }

    pub async fn rename(&self, id: &ContainerId, name: ContainerName) -> Result<(), EngineError> {
        self.ask(id, |reply| Request::Rename { name, reply }).await
    }

    /// The container's environment variables with their values; an event records who asked.
    pub async fn reveal_environment(&self, id: &ContainerId, by: &str) -> Result<Vec<String>, EngineError> {
        let view = self.inspect(id)?;
        let facts = with_facts_of(&view.spec, vec![("by".to_owned(), by.to_owned())]);
        let subject = Subject::Container(id.as_str().to_owned());
        let mut change = self.inner.journal.change().await?;
        change.event(subject, Action::RevealEnvironment, facts).await?;
        change.commit(|| {}).await?;
        Ok(view.spec.process.env.clone())
    }

    /// Changes limits, of a running container at once, and the restart policy. Only
    /// fields that are `Some` change; `Ceiling::Unlimited` clears. The answer has
    /// the limits as the kernel holds them.
    pub async fn update(
        &self,
        id: &ContainerId,
        limits: Option<Limits>,
        restart: Option<RestartPolicy>,
    ) -> Result<Arc<Container>, EngineError> {
        let limits = limits.map(Box::new);
        self.ask(id, |reply| Request::Update { limits, restart, reply }).await
    }

    pub async fn remove(&self, id: &ContainerId, options: RemoveOptions) -> Result<(), EngineError> {
        self.ask(id, |reply| Request::Remove { options, reply }).await
    }

    /// Begins to wait: an end from now on is not missed.
    pub fn wait(&self, id: &ContainerId, condition: WaitCondition) -> Result<Waiting, EngineError> {
        self.watch(id).map(|view| Waiting::begin(view, condition))
    }

    /// Registers an attachment: once this answers, it is sure to see all that comes.
    pub async fn attach(&self, id: &ContainerId, options: AttachOptions) -> Result<Attaching, EngineError> {
        let terminal = self.inspect(id)?.spec.process.terminal;
        let (sender, stream) = oneshot::channel();
        self.ask(id, |registered| Request::Attach {
            options,
            registered,
            stream: sender,
        })
        .await?;
        Ok(Attaching { terminal, stream })
    }

    pub async fn resize(&self, id: &ContainerId, rows: u16, cols: u16) -> Result<(), EngineError> {
        self.ask(id, |reply| Request::Resize { rows, cols, reply }).await
    }

    /// The processes of a running container.
    pub async fn top(&self, id: &ContainerId) -> Result<Vec<ProcessInfo>, EngineError> {
        let container = self.inspect(id)?;
        let name = container.spec.name.as_str().to_owned();
        let Some(init) = container.state.init() else {
            return Err(EngineError::Refused {
                name,
                refusal: Refusal::NotRunning,
            });
        };
        let group = self.inner.group(id);
        blocking("look at a container's processes", move || {
            let pids = group
                .processes()
                .doing(|| format!("list the processes of container `{name}`"))?;
            // Without control groups its processes are known by their PID namespace.
            let pids = if pids.is_empty() { top::beside(init.pid) } else { pids };
            Ok(top::processes(&pids, init.pid, container.ids))
        })
        .await
    }

    /// Events with a number above `after`, or from now on.
    pub fn events(&self, after: Option<u64>) -> Events {
        self.inner.journal.follow(after)
    }

    /// The number of the newest event.
    pub fn last_seq(&self) -> u64 {
        self.inner.journal.last_seq()
    }

    /// What is kept of the past above `after`, oldest first, at most `limit`.
    pub async fn past_events(&self, after: u64, limit: u32) -> Result<Vec<Event>, EngineError> {
        Ok(store::events::list_after(&mut *self.inner.database().read().await?, after, limit).await?)
    }

    /// The newest events, oldest of them first; of one subject where it is given.
    pub async fn latest_events(&self, subject: Option<&str>, limit: u32) -> Result<Vec<Event>, EngineError> {
        Ok(store::events::list_latest(&mut *self.inner.database().read().await?, subject, limit).await?)
    }

    pub(crate) async fn ask<T>(
        &self,
        id: &ContainerId,
        request: impl FnOnce(Reply<T>) -> Request,
    ) -> Result<T, EngineError> {
        let handle = self.inner.containers.get(id)?;
        let (sender, answer) = oneshot::channel();
        let gone = || {
            if self.inner.ending.is_cancelled() {
                EngineError::Ending
            } else {
                EngineError::no_container(id.short())
            }
        };
        handle.requests.send(request(sender)).await.map_err(|_| gone())?;
        answer.await.unwrap_or_else(|_| Err(gone()))
    }
}
