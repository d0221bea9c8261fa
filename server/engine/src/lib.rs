//! The conductor: orders the steps of what image, network, cgroup and shim do,
//! undoes them when one fails, and records what is wanted and what was.
//!
//! It knows no URL, header or status code. One task per container (its keeper)
//! changes that container's state; everyone else asks it. What runs is asked of
//! the shim and the kernel; what was wanted is the database's.
//!
//! | to find | look in |
//! | --- | --- |
//! | what may be asked of containers | `containers::surface` |
//! | the task that keeps one | `containers::keeper`, with `start`, `stop`, `orders`, `end`, `remove` |
//! | what a returning server does | `containers::recover` |
//! | execs, attachments | `exec`, `attach` |
//! | files of containers, in and out | `files` |
//! | logs, by number | `logs` |
//! | use of processor, memory, network, disk | `stats` |
//! | pulls, pushes and other long work | `tasks`, `images` |
//! | registries and what signs in there | `registries`, `vault` |
//! | ids of containers in user namespaces | `ids` |
//! | images made from Dockerfiles | `builds` |
//! | published ports of a server in a user namespace | `port_proxy` |
//! | changes and their events | `journal` |
//! | talking with shims, starting them | `shim`, `spawn` |
//!
//! Event order is a promise: created → started → (paused, unpaused)* → exited →
//! removed. Who hears of a change can see it.
#![forbid(unsafe_code)]

mod addresses;
mod attach;
mod blocking;
mod builds;
mod bulk;
mod cleanup;
mod clock;
mod containers;
mod disk_use;
mod engine;
mod error;
mod exec;
mod files;
mod host;
mod ids;
mod images;
mod instance;
mod journal;
mod layout;
mod logs;
mod port_proxy;
mod rebuild;
mod registries;
mod reserve;
mod shim;
mod snapshots;
mod spawn;
mod stats;
mod tasks;
mod undo;
mod vault;
mod volumes;

pub use attach::{AttachOptions, Attached, Attaching};
pub use builds::{
    Build, BuildLine, BuildLog, BuildNetwork, BuildState, BuildStep, CacheEntry, CachePruneRules, CachePruned,
    FileChoice, LineStream, NewBuild, Secret, StepState,
};
pub use bulk::{BulkAction, BulkFilter, BulkTargets};
pub use cleanup::{CleanupOptions, InstanceLeftovers};
pub use containers::new::{Created, NewContainer, RemoveOptions};
pub use containers::view::{
    Container, ContainerList, ExitInfo, Health, HealthStatus, ProbeResult, ProcessInfo, Snapshot, WaitCondition,
};
pub use containers::wait::Waiting;
pub use engine::{Engine, Options};
pub use error::{EngineError, Kind, Mistake};
pub use exec::{Console, ConsoleClient, ConsoleInput, Exec, ExecId, ExecSpec, ExecState};
pub use files::{ChangeKind, CopyOptions, Download, PathKind, PathStatus};
pub use host::{ContainerDisk, DiskUsage, HostInfo};
pub use image::document::ContainerConfig;
pub use image::{ArchiveFormat, LayerChange, LayerFile, Referrer, SbomFormat, Waste};
pub use images::commit::NewCommit;
pub use images::ledger::ImageSize;
pub use images::prune::{PruneRules, Pruned, PrunedCache, PrunedImage};
pub use images::template::Template;
pub use images::tree::{TreeLeaf, TreeNode};
pub use images::view::{Image, Layer, Removed};
pub use images::{NewImport, RegistryLogin};
pub use journal::Events;
pub use logs::line::{HitRange, LogBatch, LogHits, LogLine, LogPage, LogQuery, LogRange, LogStream};
pub use logs::{LineJoiner, LogFollower, Logs};
pub use rebuild::{Rebuilt, rebuild};
pub use registries::{KnownRegistry, RegistrySetup, RegistryVerdict, import_registries};
pub use spawn::RuntimeProgram;
pub use stats::sample::{
    CpuUse, HostStats, IoUse, MemoryUse, NetworkUse, Point, Pressure, PressureLine, PressureOf, Stats, StatsRound,
};
pub use store::runs::Run;
pub use sys::tree::Kind as EntryKind;
pub use tasks::{
    ItemState, LayerProgress, LayerState, LoadedImage, Progress, Task, TaskId, TaskItem, TaskKind, TaskState,
};
pub use volumes::Volume;
