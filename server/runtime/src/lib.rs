//! From an OCI bundle to a process: creates containers, starts them, and begins
//! further processes in them. Synchronous, for callers with one thread.
//!
//! ```text
//! caller                          init
//!   |-- clone3, namespaces ------->|   joins its cgroups, first thing
//!   |                              |   mounts, devices, pivot_root
//!   |<---------- ready (terminal) -|   user, capabilities, seccomp
//!   |-- gate --------------------->|   exec
//!   |<-- closed by exec, or error -|
//! ```
//!
//! What happens between clone and exec is in `init`. The two sides talk through
//! one stream of messages (`channel`) that closes when the program runs.
#![forbid(unsafe_code)]

mod channel;
mod create;
mod error;
mod exec;
mod features;
#[cfg(feature = "fuzz")]
pub mod fuzz;
mod group;
pub mod hooks;
mod ids;
mod init;
mod labels;
mod namespaces;
mod net_devices;
mod process;
pub mod resctrl;
mod scheduling;
mod seccomp;
mod shared_mounts;
mod sources;
mod start;
mod sysctl;
mod user;

pub use create::{Create, Created, Gate, Remember, Rootfs, RuntimeHooks, Stdio, Trace, create};
pub use error::{CreateError, ExecError, Failure, StartError};
pub use exec::{Exec, Execed, exec};
pub use features::features;
pub use process::{lacking as lacking_capabilities, never_ambient as capabilities_never_ambient};
pub use shared_mounts::SharedRoot;
pub use start::start;
