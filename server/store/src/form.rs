//! The JSON that some columns hold. Fields may be added with a default; a
//! change of meaning needs a migration.

pub(crate) mod build;
pub(crate) mod endpoint;
mod health;
pub(crate) mod limits;
pub(crate) mod mount;
pub(crate) mod ports;
pub(crate) mod spec;
pub(crate) mod stopped_by;
