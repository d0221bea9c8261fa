//! What containers and the host use.

pub(crate) mod sample;
