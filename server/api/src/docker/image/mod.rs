//! Images.

pub(super) mod create;
mod glob;
pub(super) mod inspect;
pub(super) mod list;
pub(super) mod load;
pub(super) mod login;
mod progress;
mod push;
pub(super) mod remove;
pub(super) mod save;
pub(super) mod tag;

pub(in crate::docker) use load::reader;
pub(in crate::docker) use tag::reference;
