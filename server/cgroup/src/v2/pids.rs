//! The number of processes and threads: the same file as on v1.

pub(crate) use crate::v1::pids::{read, steps};
