//! The first message: everything a shim must know to make its container.

use model::container::spec;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Launch {
    /// 64 hexadecimal digits.
    pub id: String,
    /// Which run of the container this is; copied into every record and event.
    pub run: u64,
    /// `DATA_DIR/containers/<id>`: `config.json` is read here, `exit.json` written.
    pub bundle_dir: PathBuf,
    /// `RUN_DIR/containers/<id>`, which exists: `shim.sock` and `shim.json` are made here.
    pub run_dir: PathBuf,
    pub log: Log,
    /// `None` takes the directory that `config.json` names.
    #[serde(default)]
    pub rootfs: Option<Root>,
    /// Whether the descriptor of a network namespace comes with this frame. The
    /// shim holds it until the container is at rest.
    #[serde(default)]
    pub network_namespace: bool,
    #[serde(default)]
    pub terminal: bool,
    #[serde(default)]
    pub stdin_open: bool,
    /// The first attached client to end its input closes the standard input.
    #[serde(default)]
    pub stdin_once: bool,
    /// The terminal's first size.
    #[serde(default)]
    pub size: Option<WindowSize>,
    /// The container's cgroup below every hierarchy's mount: `/gantry/<id>`.
    pub cgroup_path: String,
    /// The cgroup the shim itself joins: `/gantry/shims`. `None` stays where it is.
    #[serde(default)]
    pub shim_cgroup: Option<String>,
}

/// Where and how the container's output is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Log {
    pub dir: PathBuf,
    pub mode: LogMode,
    pub segment_bytes: u64,
    pub segments: u32,
    /// Pack segments that are closed.
    #[serde(default)]
    pub compress: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogMode {
    /// Nothing is kept.
    Off,
    /// The container waits for a slow disk.
    Blocking,
    /// What a buffer of this many bytes cannot hold is dropped, counted and marked.
    NonBlocking { buffer_bytes: u64 },
}

impl From<spec::LogMode> for LogMode {
    fn from(mode: spec::LogMode) -> Self {
        match mode {
            spec::LogMode::Off => Self::Off,
            spec::LogMode::Blocking => Self::Blocking,
            spec::LogMode::NonBlocking { buffer_bytes } => Self::NonBlocking { buffer_bytes },
        }
    }
}

/// What becomes the root filesystem. An overlay is told as the first version told it, when
/// there was nothing else.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Root {
    Overlay(Overlay),
    /// A directory of the container's own.
    Directory {
        path: PathBuf,
        /// Seen through the ids of the container's user namespace.
        #[serde(default)]
        mapped: bool,
    },
}

impl Root {
    /// Whether the files are seen through the ids of the container's user namespace.
    pub fn is_mapped(&self) -> bool {
        match self {
            Self::Overlay(overlay) => overlay.mapped,
            Self::Directory { mapped, .. } => *mapped,
        }
    }
}

/// The directories of an overlay.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Overlay {
    /// Topmost layer first.
    pub lower: Vec<PathBuf>,
    pub upper: PathBuf,
    pub work: PathBuf,
    /// The layers are seen through the ids of the container's user namespace; else their
    /// files belong to whom the disk says.
    #[serde(default)]
    pub mapped: bool,
    /// Further mount options, `name` or `name=value`.
    #[serde(default)]
    pub options: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct WindowSize {
    pub rows: u16,
    pub cols: u16,
}

impl Default for WindowSize {
    /// What a terminal is when nobody says how large it is.
    fn default() -> Self {
        Self { rows: 24, cols: 80 }
    }
}
