//! Which processors and memory nodes: the files are named and read as on v1, but an
//! empty one means "as the parent", so nothing is copied.

pub(crate) use crate::v1::cpuset::{plain_steps as steps, read};
