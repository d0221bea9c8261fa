use crate::images::RegistryLogin;
use model::container::Limits;
use model::container::spec::Rlimit;
use model::image::Reference;
use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

/// What is to be built, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewBuild {
    pub file: FileChoice,
    /// Names the image gets.
    pub tags: Vec<Reference>,
    /// A stage's name or number; `None` is the last.
    pub target: Option<String>,
    pub arguments: BTreeMap<String, String>,
    /// Added to those of the file.
    pub labels: BTreeMap<String, String>,
    pub secrets: Vec<Secret>,
    /// Sockets of agents on this host, by the id mounts name.
    pub ssh: BTreeMap<String, PathBuf>,
    /// Nothing remembered is used.
    pub no_cache: bool,
    /// Images are asked for at their registries also where they are here.
    pub pull: bool,
    /// `linux/arm64`; `None` is this host's.
    pub platform: Option<String>,
    pub network: BuildNetwork,
    /// Whether `RUN --network=host` is allowed.
    pub may_use_host_network: bool,
    /// `name:address`, for `/etc/hosts` of every `RUN`.
    pub extra_hosts: Vec<String>,
    /// Of each `RUN`.
    pub limits: Limits,
    pub rlimits: Vec<Rlimit>,
    pub shm_bytes: Option<u64>,
    /// By registry, for images that must be pulled.
    pub logins: BTreeMap<String, RegistryLogin>,
    pub owner: Option<String>,
}

/// Where the Dockerfile is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FileChoice {
    /// A path in the context.
    InContext(String),
    Text(String),
}

impl FileChoice {
    /// As messages name it.
    pub fn name(&self) -> &str {
        match self {
            Self::InContext(path) => path,
            Self::Text(_) => "Dockerfile",
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum BuildNetwork {
    /// The default bridge.
    #[default]
    Default,
    None,
    Host,
}

/// What a `RUN` may read and nothing may keep.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret {
    pub id: String,
    pub value: Vec<u8>,
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Secret({}, …)", self.id)
    }
}

impl Default for NewBuild {
    /// The file `Dockerfile` of the context, in full, for nobody in particular.
    fn default() -> Self {
        Self {
            file: FileChoice::InContext("Dockerfile".to_owned()),
            tags: Vec::new(),
            target: None,
            arguments: BTreeMap::new(),
            labels: BTreeMap::new(),
            secrets: Vec::new(),
            ssh: BTreeMap::new(),
            no_cache: false,
            pull: false,
            platform: None,
            network: BuildNetwork::Default,
            may_use_host_network: false,
            extra_hosts: Vec::new(),
            limits: Limits::default(),
            rlimits: Vec::new(),
            shm_bytes: None,
            logins: BTreeMap::new(),
            owner: None,
        }
    }
}
