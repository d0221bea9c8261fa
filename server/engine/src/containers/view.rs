use model::Timestamp;
use model::container::{ContainerId, HostIds, Spec, State, StoppedBy};
use model::network::{Endpoint, PortMapping};
use std::sync::Arc;

/// A container as it is at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Container {
    pub id: ContainerId,
    pub spec: Spec,
    pub created: Timestamp,
    pub state: State,
    /// Counts starts; 0 before the first.
    pub run: u64,
    /// Restarts by policy since the last start by hand.
    pub restart_count: u32,
    pub stopped_by_hand: bool,
    /// Who asked for the end of the present or last run.
    pub stopped_by: Option<StoppedBy>,
    /// When the policy starts it again, while that is awaited.
    pub restart_at: Option<Timestamp>,
    /// Of its own user namespace; `None` where it has the host's.
    pub ids: Option<HostIds>,
    pub endpoint: Option<Endpoint>,
    /// In force, with the host ports chosen at the start; empty while not running.
    pub ports: Vec<PortMapping>,
    /// What probes said of the present run, or of the last one.
    pub health: Option<Health>,
    /// The end of the last run, also while another runs already.
    pub last_exit: Option<ExitInfo>,
    /// The kernel killed a process of it for want of memory: of the present run, or of the
    /// last one.
    pub oom_killed: bool,
}

impl Container {
    pub fn is_running(&self) -> bool {
        self.state.init().is_some()
    }
}

/// How a run ended, in a shell's words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExitInfo {
    pub run: u64,
    /// The program's code, 128 and the signal, 126 to 128 when it never ran, 255 when nobody knows.
    pub code: i32,
    pub oom_killed: bool,
    pub error: Option<String>,
    pub at: Timestamp,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Health {
    pub status: HealthStatus,
    pub failing_streak: u32,
    /// The newest five, oldest first.
    pub probes: Vec<ProbeResult>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HealthStatus {
    Starting,
    Healthy,
    Unhealthy,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProbeResult {
    pub started: Timestamp,
    pub ended: Timestamp,
    /// −1 when it took too long or could not run.
    pub exit_code: i32,
    /// The first 4,096 bytes of what it printed.
    pub output: Vec<u8>,
}

/// Many things at one moment, and the number of the newest event they contain:
/// events after it are what changed since.
#[derive(Debug, Clone)]
pub struct Snapshot<T> {
    pub items: Vec<T>,
    pub seq: u64,
}

/// Newest first; the filter belongs to the front doors, which have their own words for it.
pub type ContainerList = Snapshot<Arc<Container>>;

/// What [`crate::Engine::wait`] waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum WaitCondition {
    /// Already so when it does not run now.
    #[default]
    NotRunning,
    NextExit,
    Removed,
}

/// A process of a container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProcessInfo {
    /// As the host counts.
    pub pid: i32,
    /// As the container counts: the last of NSpid in /proc/PID/status.
    pub container_pid: i32,
    /// As the host counts.
    pub parent_pid: i32,
    pub uid: u32,
    /// The container's own name for it, else the number.
    pub user: String,
    /// One letter of proc(5): `S`, `R`, `D`, `Z` …
    pub state: char,
    pub started: Timestamp,
    pub threads: u32,
    pub cpu_ns: u64,
    pub memory_bytes: u64,
    pub terminal: Option<String>,
    /// With its arguments; the name in brackets for a process without any.
    pub command: String,
}
