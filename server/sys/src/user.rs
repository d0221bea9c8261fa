//! Who the process is.

/// Whether the process may act as root here. geteuid(2)
pub fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}
