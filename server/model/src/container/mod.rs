//! Containers: what is wanted of one (`spec`), what it may use (`limits`),
//! what it is doing (`state`) and how it ended (`exit`); whose `ids` it has, and whether
//! it is a whole `system`.

pub mod exit;
pub mod health;
pub mod host_access;
pub mod id;
pub mod ids;
pub mod limits;
pub mod name;
pub mod restart;
pub mod spec;
pub mod state;
pub mod stopped_by;
pub mod system;

pub use exit::ExitStatus;
pub use host_access::{HostAccess, host_access};
pub use id::ContainerId;
pub use ids::{HostIds, UserNamespace, UserNamespaces};
pub use limits::Limits;
pub use name::ContainerName;
pub use restart::RestartPolicy;
pub use spec::Spec;
pub use state::{InitProcess, Loss, Refusal, State, Verdict};
pub use stopped_by::StoppedBy;
