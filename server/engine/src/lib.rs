//! The conductor: orders the steps of what image, network, cgroup and shim do,
//! undoes them when one fails, and records what is wanted and what was.
//!
//! It knows no URL, header or status code. One task per container (its keeper)
//! changes that container's state; everyone else asks it. What runs is asked of
//! the shim and the kernel; what was wanted is the database's.
//!
//! The surface, the same for both front doors:
//!
//! ```text
//! Engine::open(Options) -> Engine                      Clone; async, recovers what runs
//! engine.shutdown(stop_containers: bool)
//! // containers
//! create(NewContainer) -> Created                      dry_run(&NewContainer) -> Vec<Mistake>
//! find(&str) -> ContainerId                            full id, exact name, unique prefix; synchronous
//! list() -> ContainerList                              inspect(&id) -> Arc<Container>; both synchronous
//! watch(&id) -> watch::Receiver<Arc<Container>>
//! start(&id)  stop(&id, Option<StopTimeout>, Option<Signal>)  restart(&id, Option<StopTimeout>, Option<Signal>)
//! kill(&id, Signal)  pause(&id)  unpause(&id)  rename(&id, ContainerName)
//! update(&id, Option<Limits>, Option<RestartPolicy>) -> Arc<Container>     limits as read back from the kernel
//! remove(&id, RemoveOptions)                           wait(&id, WaitCondition) -> Waiting; .ended().await -> ExitInfo
//! top(&id) -> Vec<ProcessInfo>                         events_of(&id, limit), runs(&id)
//! attach(&id, AttachOptions) -> Attaching              registered now; .attached().await -> Attached, before the
//!                                                      command runs if it was not started yet
//! Attached: AsyncRead + AsyncWrite; raw bytes with a terminal, else frames of 8-byte header
//!           (stream 1|2, 0,0,0, length BE u32); shutdown() ends the container's standard input
//! resize(&id, rows, cols)
//! exec_create(&id, ExecSpec) -> ExecId                 exec_start(&ExecId, detach: bool, size: Option<(rows, cols)>) -> Option<Attached>
//! exec_resize(&ExecId, rows, cols)                     exec_inspect(&ExecId) -> Exec; execs(&id) -> Vec<Exec>
//! // logs
//! logs(&id) -> Logs      .range() .read(from, max) .read_before(seq, max) .seq_at(time) .search(LogQuery) .follow(from) -> LogFollower
//!                        LogFollower::next().await -> Option<LogBatch>; ends when the container is removed
//! // stats
//! stats_rounds() -> watch::Receiver<Arc<StatsRound>>   stats(&id) -> Arc<Stats>   history(&id) -> Vec<Point>
//! // events
//! events(after: Option<u64>) -> Events                 Events::next().await -> Option<Arc<Event>>; last_seq() -> u64
//! past_events(after: u64, limit) -> Vec<Event>         latest_events(Option<&str>, limit)
//! // images
//! pull(Reference, Option<RegistryLogin>, owner) -> TaskId     load(archive: AsyncRead, owner)  import(tar, Option<Reference>, changes, owner)
//! images() -> Snapshot<Image>   image(&str) -> Image   image_config(&Digest) -> raw JSON   tag(&str, Reference)  remove_image(&str, force) -> Removed
//! // tasks
//! tasks() -> Vec<Task>   task(&TaskId) -> Task   watch_task(&TaskId) -> watch::Receiver<Task>   cancel_task(&TaskId)
//! // volumes, host
//! volumes() volume(name) create_volume(name, labels) remove_volume(name)   host_info() -> HostInfo   disk_usage() -> DiskUsage
//! database() -> &store::Database                       for `access`, which has its own tables
//! ```
#![forbid(unsafe_code)]

mod attach;
mod containers;
mod error;
mod exec;
mod host;
mod images;
mod logs;
mod stats;
mod tasks;
mod volumes;

pub use attach::AttachOptions;
pub use containers::new::{Created, NewContainer, RemoveOptions};
pub use containers::view::{
    Container, ContainerList, ExitInfo, Health, HealthStatus, ProbeResult, ProcessInfo, Snapshot, WaitCondition,
};
pub use error::{EngineError, Kind, Mistake};
pub use exec::{Exec, ExecId, ExecSpec, ExecState};
pub use host::{ContainerDisk, DiskUsage, HostInfo};
pub use images::view::{Image, Layer, RegistryLogin, Removed};
pub use logs::line::{LogBatch, LogHit, LogHits, LogLine, LogQuery, LogRange, LogStream};
pub use stats::sample::{
    CpuUse, HostStats, IoUse, MemoryUse, NetworkUse, Point, Pressure, PressureLine, PressureOf, Stats, StatsRound,
};
pub use tasks::{LayerProgress, LayerState, LoadedImage, Progress, Task, TaskId, TaskKind, TaskState};
pub use volumes::Volume;
