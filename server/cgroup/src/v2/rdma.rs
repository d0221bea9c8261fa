//! Remote direct memory access: the same file as on v1.

pub(crate) use crate::v1::rdma::steps;
