use model::container::health::HealthCheck;
use model::container::spec::{ConsoleSize, Device, LogOptions, Network, Rlimit, Security, StopTimeout};
use model::container::system::SystemChoice;
use model::container::{ContainerName, Limits, RestartPolicy};
use model::network::NetworkMode;
use model::{Signal, mount::Mount};

/// What a client asks for. Where the image has a say, `None` takes the image's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewContainer {
    /// `None` has a readable one made up.
    pub name: Option<ContainerName>,
    /// A reference, a digest or the beginning of an image's id.
    pub image: String,
    pub entrypoint: Option<Vec<String>>,
    /// `None` takes the image's, unless an entrypoint is given.
    pub command: Option<Vec<String>>,
    /// Added to the image's; a later `NAME=` wins; `NAME` alone removes it.
    pub env: Vec<String>,
    pub working_dir: Option<String>,
    pub user: Option<String>,
    pub groups: Vec<String>,
    pub terminal: bool,
    pub stdin_open: bool,
    pub stdin_once: bool,
    /// Of its terminal, where it has one.
    pub console_size: Option<ConsoleSize>,
    pub hostname: Option<String>,
    pub domainname: Option<String>,
    /// Added to the image's; a later one wins.
    pub labels: Vec<(String, String)>,
    /// Exposed ports are added to the image's.
    pub network: Network,
    /// A volume whose name is empty gets one of its own.
    pub mounts: Vec<Mount>,
    /// Targets that get a volume without a name, besides the image's own.
    pub anonymous_volumes: Vec<String>,
    pub limits: Limits,
    pub security: Security,
    pub restart: RestartPolicy,
    pub auto_remove: bool,
    pub stop_signal: Option<Signal>,
    pub stop_timeout: Option<StopTimeout>,
    /// Left out where the command is the init of a whole system itself.
    pub init: bool,
    pub system: SystemChoice,
    pub read_only_root: bool,
    pub shm_bytes: Option<u64>,
    pub rlimits: Vec<Rlimit>,
    pub sysctls: Vec<(String, String)>,
    pub devices: Vec<Device>,
    pub oom_score_adj: Option<i32>,
    pub health: Option<HealthCheck>,
    pub log: LogOptions,
    pub annotations: Vec<(String, String)>,
}

impl NewContainer {
    /// Asks for nothing but the image: everything else as the engine and the image have it.
    pub fn of_image(image: impl Into<String>) -> Self {
        Self {
            name: None,
            image: image.into(),
            entrypoint: None,
            command: None,
            env: Vec::new(),
            working_dir: None,
            user: None,
            groups: Vec::new(),
            terminal: false,
            stdin_open: false,
            stdin_once: false,
            console_size: None,
            hostname: None,
            domainname: None,
            labels: Vec::new(),
            network: Network {
                mode: NetworkMode::Bridge,
                ports: Vec::new(),
                exposed: Vec::new(),
                publish_all: false,
                dns: Vec::new(),
                dns_search: Vec::new(),
                dns_options: Vec::new(),
                extra_hosts: Vec::new(),
            },
            mounts: Vec::new(),
            anonymous_volumes: Vec::new(),
            limits: Limits::default(),
            security: Security::default(),
            restart: RestartPolicy::No,
            auto_remove: false,
            stop_signal: None,
            stop_timeout: None,
            init: false,
            system: SystemChoice::Auto,
            read_only_root: false,
            shm_bytes: None,
            rlimits: Vec::new(),
            sysctls: Vec::new(),
            devices: Vec::new(),
            oom_score_adj: None,
            health: None,
            log: LogOptions::default(),
            annotations: Vec::new(),
        }
    }
}

/// A container was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Created {
    pub id: model::container::ContainerId,
    /// What was asked for and cannot be had on this host, in sentences.
    pub warnings: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RemoveOptions {
    /// Kills first.
    pub force: bool,
    /// Its anonymous volumes go too.
    pub volumes: bool,
}
