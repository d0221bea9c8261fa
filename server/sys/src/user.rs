//! Who the process is.

/// geteuid(2)
pub fn id() -> u32 {
    rustix::process::geteuid().as_raw()
}

/// getegid(2)
pub fn group_id() -> u32 {
    rustix::process::getegid().as_raw()
}

/// Whether the process may act as root here. geteuid(2)
pub fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// User and group. geteuid(2), getegid(2)
pub fn own_ids() -> (u32, u32) {
    (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw())
}
