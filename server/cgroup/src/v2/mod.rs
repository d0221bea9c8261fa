//! The new interface: one tree for all controllers. kernel, admin-guide/cgroup-v2.rst

pub(crate) mod cpu;
pub(crate) mod cpuset;
pub(crate) mod devices;
pub(crate) mod hugetlb;
pub(crate) mod io;
pub(crate) mod memory;
pub(crate) mod pids;
pub(crate) mod rdma;
pub(crate) mod tree;
pub(crate) mod unified;
