//! Containers: made, kept by one task each, ended and removed.

pub(crate) mod new;
pub(crate) mod view;
