//! Builds: a Dockerfile and a context become an image.
//!
//! ```text
//! request ─▶ context ─▶ plan (crate `build`) ─▶ bases ─▶ stages side by side ─▶ image
//!                                                        │ each step: key ─▶ cache,
//!                                                        │ or run, place, fetch
//!                                                        └▶ board: steps and lines, live
//! ```
//!
//! A build is a task and has its id. It holds a lease from its beginning to its end,
//! so nothing it stands on is collected. What it makes on the way lies below
//! `builds/work/<id>` and is swept at the next start; the containers of its `RUN`s are
//! in no registry and have no row, so the recovery ends and removes them as orphans.
//! Secrets lie below the run directory while a `RUN` lasts, and nowhere else.

mod bases;
mod board;
mod cache;
mod container;
mod context;
mod failure;
mod fetch;
mod finish;
mod log;
mod mounts;
mod passwd;
mod place;
mod request;
mod root;
mod run;
mod select;
mod settings;
mod solve;
mod stage;
mod surface;
mod sweep;

pub use board::{Build, BuildState, BuildStep, StepState};
pub use cache::{CacheEntry, CachePruneRules, CachePruned};
pub(crate) use cache::{forget_all as forget_cache, kept as kept_by_cache};
pub use log::{BuildLine, BuildLog, LineStream};
pub use request::{BuildNetwork, FileChoice, NewBuild, Secret};
pub(crate) use settings::apply_changes;
pub(crate) use surface::Builds;
pub(crate) use sweep::sweep;
