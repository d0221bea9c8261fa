//! The engine as a whole: opened, recovered, ended.

use crate::addresses::Addresses;
use crate::blocking::blocking;
use crate::builds::Builds;
use crate::containers::orphans;
use crate::containers::recover::recover;
use crate::containers::registry::Registry;
use crate::containers::request::AndThen;
use crate::containers::view::Container;
use crate::error::{Doing, EngineError};
use crate::exec::{Consoles, Execs};
use crate::ids::Ids;
use crate::images::Leases;
use crate::journal::Journal;
use crate::layout::{Layout, remove_dir};
use crate::logs::watcher::Watcher;
use crate::port_proxy::Proxies;
use crate::reserve::Reserve;
use crate::snapshots::{self, Snapshots};
use crate::spawn::{Program, RuntimeProgram};
use crate::stats::Hub;
use crate::tasks::Tasks;
use crate::{instance, stats};
use model::Snapshotter;
use model::container::limits::HostSize;
use model::container::spec::StopTimeout;
use model::container::{ContainerId, StoppedBy, UserNamespaces};
use model::network::Subnet;
use model::snapshotter::Wish;
use network::Network;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use store::Database;
use sys::lock_file::Held;
use tokio::task::{JoinHandle, JoinSet};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// What all containers together get to end when the server takes them along.
const STOP_ALL_PATIENCE: Duration = Duration::from_secs(15);
/// Below this the database is opened so that it maps nothing.
const LEAST_ROOM: u64 = 8 << 20;
/// What tasks get to finish a step they have begun.
const END_PATIENCE: Duration = Duration::from_secs(10);

/// How a server is set up.
#[derive(Debug, Clone)]
pub struct Options {
    pub data_dir: PathBuf,
    pub run_dir: PathBuf,
    /// Every cgroup lies below it, in every hierarchy: `/gantry`.
    pub cgroup_parent: String,
    /// Chosen at the first start and kept; `None` takes the one that is kept, or a free one.
    pub subnet: Option<Subnet>,
    /// Asked first for images of Docker Hub.
    pub mirrors: Vec<String>,
    /// Processes of containers that do not say how many; `None` is no limit.
    pub pids_limit: Option<u64>,
    /// Whose ids containers have that do not say it.
    pub userns: UserNamespaces,
    /// How containers get files of their own; chosen at the first start and kept.
    pub snapshotter: Wish,
    /// The network that containers are bridged in; `None` is the host's own.
    pub network: Option<Arc<OwnedFd>>,
    /// Starts although directories of containers are there and the database has none of them.
    pub forget_everything: bool,
    pub runtime: RuntimeProgram,
}

/// The conductor. Clones are the same engine.
#[derive(Debug, Clone)]
pub struct Engine {
    pub(crate) inner: Arc<Inner>,
}

#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) options: Options,
    pub(crate) layout: Layout,
    pub(crate) instance: String,
    pub(crate) host_size: HostSize,
    pub(crate) journal: Journal,
    pub(crate) reserve: Reserve,
    pub(crate) images: image::Store,
    pub(crate) snapshots: Snapshots,
    pub(crate) leases: Leases,
    pub(crate) network: Network,
    pub(crate) addresses: Addresses,
    pub(crate) ids: Ids,
    pub(crate) proxies: Proxies,
    pub(crate) hierarchies: cgroup::Hierarchies,
    pub(crate) program: Program,
    pub(crate) containers: Registry,
    pub(crate) execs: Execs,
    pub(crate) consoles: Consoles,
    pub(crate) tasks: Tasks,
    pub(crate) builds: Builds,
    pub(crate) stats: Hub,
    pub(crate) log_watcher: Watcher,
    /// Everything that runs beside requests is started through it.
    pub(crate) tracker: TaskTracker,
    pub(crate) ending: CancellationToken,
    /// Held until the engine is gone.
    _locks: [Held; 2],
}

impl Engine {
    /// Takes the directories, brings the database up to date, and finds again what
    /// an earlier server left running.
    ///
    /// # Errors
    /// Another server has the directories, or the host lacks what is needed.
    pub async fn open(options: Options) -> Result<Self, EngineError> {
        let database = options.data_dir.join("gantry.db");
        Self::open_all(options)
            .await
            .map_err(|error| error.of_database(&database))
    }

    async fn open_all(options: Options) -> Result<Self, EngineError> {
        let (layout, locks, instance) = blocking("take the data directory", {
            let options = options.clone();
            move || {
                let layout = Layout::make(&options.data_dir, &options.run_dir)?;
                let locks = instance::lock(&layout)?;
                let name = instance::name(&layout)?;
                Ok((layout, locks, name))
            }
        })
        .await?;
        instance::claim_run_dir(&layout, &instance, options.forget_everything)?;
        let database = open_database(&layout).await?;
        orphans::refuse_if_forgotten(&database, &layout, options.forget_everything).await?;
        let boot = instance::boot(&database).await?;
        let journal = Journal::open(database.clone()).await?;
        let wanted = instance::subnet(&database, options.subnet).await?;
        let choice = snapshots::choose(&database, options.snapshotter, &layout.data).await?;
        let (images, snapshots, program, hierarchies, made_cgroups, ids) = blocking("open the stores", {
            let (layout, options) = (layout.clone(), options.clone());
            move || {
                let is_overlay = choice.snapshotter == Snapshotter::Overlay;
                let images = image::Store::open(&layout.data).doing(|| "open the image store".to_owned())?;
                let images = images.with_roots(snapshots::root_form(choice.snapshotter));
                let snapshots = Snapshots::new(choice, &images, &layout.data);
                let templates = layout.templates();
                remove_dir(&templates).doing(|| format!("remove `{}`", templates.display()))?;
                let program = Program::load(&options.runtime)?;
                let hierarchies = cgroup::Hierarchies::discover().doing(|| "find the host's cgroups".to_owned())?;
                let (parent, shims) = (&options.cgroup_parent, shims_path(&options.cgroup_parent));
                let made_cgroups = !hierarchies.group(parent).exists();
                hierarchies
                    .group(parent)
                    .create_for_many()
                    .and_then(|()| hierarchies.group(&shims).create())
                    .doing(|| format!("make the cgroups `{parent}` and `{shims}`"))?;
                let ids = Ids::settle(&options.userns, &layout.data, is_overlay)?;
                Ok((images, snapshots, program, hierarchies, made_cgroups, ids))
            }
        })
        .await?;
        let opened = instance::open_network(&instance, wanted, options.network.clone()).await;
        if opened.is_err() && made_cgroups {
            // A refused start leaves the host as it was.
            for path in [shims_path(&options.cgroup_parent), options.cgroup_parent.clone()] {
                let _ = hierarchies.group(&path).remove_if_empty();
            }
        }
        let network = opened?;
        instance::keep_subnet(&database, network.subnet()).await?;
        let ending = CancellationToken::new();
        let engine = Arc::new(Inner {
            reserve: Reserve::new(&layout.data),
            layout,
            instance,
            host_size: stats::host_size(),
            journal,
            images,
            snapshots,
            leases: Leases::default(),
            addresses: Addresses::new(network.subnet()),
            ids,
            proxies: Proxies::default(),
            network,
            hierarchies,
            program,
            containers: Registry::default(),
            execs: Execs::default(),
            consoles: Consoles::default(),
            tasks: Tasks::default(),
            builds: Builds::default(),
            stats: Hub::default(),
            log_watcher: Watcher::start(ending.clone()).doing(|| "watch logs".to_owned())?,
            tracker: TaskTracker::new(),
            ending,
            options,
            _locks: locks,
        });
        if !boot.is_same {
            crate::images::lost::forget_lost(&engine).await?;
        }
        recover(&engine, boot.is_same).await?;
        crate::builds::sweep(&engine).await?;
        boot.keep(&database).await?;
        engine.tracker.spawn(stats::keep_sampling(engine.clone()));
        engine.tracker.spawn(crate::reserve::keep(engine.clone()));
        let engine = Self { inner: engine };
        engine.collect_images().await;
        Ok(engine)
    }

    /// Ends watching; containers run on unless they are to be stopped first. What
    /// was begun is finished, within a limit. Answers whether no container runs then.
    pub async fn shutdown(self, stop_containers: bool) -> bool {
        if stop_containers {
            self.stop_all().await;
        }
        self.inner.ending.cancel();
        self.inner.tracker.close();
        if tokio::time::timeout(END_PATIENCE, self.inner.tracker.wait())
            .await
            .is_err()
        {
            tracing::warn!("some work did not end in time and is dropped");
        }
        self.inner.database().close().await;
        let runs = |container: &Arc<Container>| container.is_running();
        let nothing_runs = !self.inner.containers.views().iter().any(runs);
        if nothing_runs {
            self.leave_the_host().await;
        }
        nothing_runs
    }

    /// No container needs what the server made of the host: bridge, nftables table and empty
    /// cgroups go. The next start makes them again.
    async fn leave_the_host(&self) {
        let inner = self.inner.clone();
        let left = blocking("remove the network and the cgroups", move || {
            let mut failures = Vec::new();
            if let Err(error) = inner.network.close() {
                failures.push(error.to_string());
            }
            let shims = inner.hierarchies.group(&inner.shim_cgroup_path());
            for group in [shims, inner.parent_group()] {
                match group.remove_if_empty() {
                    Ok(true) => {}
                    // Another server's, or a shim that is about to end.
                    Ok(false) => break,
                    Err(error) => failures.push(error.to_string()),
                }
            }
            Ok(failures)
        });
        for failure in left.await.unwrap_or_default() {
            tracing::warn!(failure, "something of this server stays on the host");
        }
    }

    async fn stop_all(&self) {
        let mut stops = JoinSet::new();
        for container in self.inner.containers.views() {
            if container.is_running() {
                let engine = self.clone();
                let patience = container
                    .spec
                    .stop_timeout
                    .or(Some(StopTimeout::After(STOP_ALL_PATIENCE / 2)));
                stops.spawn(async move {
                    let stopped = engine
                        .stop_for(&container.id, patience, None, AndThen::ServerEnds, StoppedBy::Server)
                        .await;
                    if let Err(error) = stopped {
                        tracing::error!(container = container.id.short(), %error, "cannot stop a container");
                    }
                });
            }
        }
        let all = async { while stops.join_next().await.is_some() {} };
        if tokio::time::timeout(STOP_ALL_PATIENCE, all).await.is_err() {
            tracing::warn!("some containers did not end in time and run on");
        }
    }

    /// Runs work in a task of the server: it goes on when its caller is dropped, and shutdown
    /// waits for it.
    pub fn run_to_end<F>(&self, work: F) -> JoinHandle<F::Output>
    where
        F: Future<Output: Send> + Send + 'static,
    {
        self.inner.tracker.spawn(work)
    }

    /// For `access`, which has tables of its own.
    pub fn database(&self) -> &Database {
        self.inner.database()
    }
}

impl From<Arc<Inner>> for Engine {
    fn from(inner: Arc<Inner>) -> Self {
        Self { inner }
    }
}

impl Inner {
    pub(crate) fn database(&self) -> &Database {
        self.journal.database()
    }

    /// Below every hierarchy's mount.
    pub(crate) fn cgroup_path(&self, id: &ContainerId) -> String {
        format!("{}/{id}", self.options.cgroup_parent.trim_end_matches('/'))
    }

    pub(crate) fn shim_cgroup_path(&self) -> String {
        shims_path(&self.options.cgroup_parent)
    }

    pub(crate) fn group(&self, id: &ContainerId) -> cgroup::Group {
        self.hierarchies.group(&self.cgroup_path(id))
    }

    pub(crate) fn parent_group(&self) -> cgroup::Group {
        self.hierarchies.group(&self.options.cgroup_parent)
    }
}

/// SQLite maps its index of the log, and a mapped page that a full disk has no block for kills
/// the server (SIGBUS). Where room is short the index is kept in memory instead, which locks
/// other processes, such as `gantry token`, out while the server runs.
async fn open_database(layout: &Layout) -> Result<Database, EngineError> {
    let space = sys::host::space(&layout.data).doing(|| format!("look at `{}`", layout.data.display()))?;
    if space.free_bytes >= LEAST_ROOM {
        return Ok(Database::open(&layout.database()).await?);
    }
    tracing::warn!(
        free_bytes = space.free_bytes,
        "the disk of `{}` is full; the database is opened for this server alone until the next start",
        layout.data.display()
    );
    Ok(Database::open_alone(&layout.database()).await?)
}

/// The shims are in a group of their own, beside the containers'.
fn shims_path(parent: &str) -> String {
    format!("{}/shims", parent.trim_end_matches('/'))
}
