//! Containers: made, kept by one task each, ended and removed.
//!
//! ```text
//!            start              pause
//! Created ──────────▶ Running ◀───────▶ Paused
//!                     │  ▲  │ exit, kill, stop
//!         (not begun) │  │  ▼
//!            Failed ◀─┘  └─ Exited ──▶ removed
//! ```

pub(crate) mod bundle;
pub(crate) mod create;
pub(crate) mod description;
mod devices;
mod end;
pub(crate) mod etc;
mod files;
mod health;
mod health_file;
pub(crate) mod hold;
pub(crate) mod keeper;
pub(crate) mod merge;
pub(crate) mod new;
mod orders;
pub(crate) mod orphans;
mod prober;
pub(crate) mod recover;
pub(crate) mod recreate;
pub(crate) mod registry;
mod remove;
pub(crate) mod request;
mod side_events;
mod start;
mod stop;
mod surface;
mod system;
mod text;
pub(crate) mod top;
mod unsaved;
pub(crate) mod view;
pub(crate) mod wait;

pub(crate) use files::prepare as prepare_files;
