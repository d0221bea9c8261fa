//! Containers: what is wanted of one (`spec`), what it may use (`limits`),
//! what it is doing (`state`) and how it ended (`exit`).

pub mod exit;
pub mod health;
pub mod id;
pub mod limits;
pub mod name;
pub mod restart;
pub mod spec;
pub mod state;

pub use exit::ExitStatus;
pub use id::ContainerId;
pub use limits::Limits;
pub use name::ContainerName;
pub use restart::RestartPolicy;
pub use spec::Spec;
pub use state::{InitProcess, Loss, Refusal, State, Verdict};
