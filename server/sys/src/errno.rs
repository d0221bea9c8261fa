//! Error numbers that callers tell apart, where [`std::io::ErrorKind`] has no name. errno(3)

pub use libc::{EBUSY, EINVAL, ELOOP, ENODEV, ENOSPC, ENOSYS, EOPNOTSUPP, EPERM, ESRCH};
