//! Pages, by address.

pub mod containers;
pub mod events;
pub mod frame;
pub mod not_found;
pub mod overview;
pub mod sign_in;
pub mod tasks;
