//! Pages, by address.

pub mod builds;
pub mod containers;
pub mod deferred;
pub mod events;
pub mod frame;
pub mod images;
pub mod networks;
pub mod not_found;
pub mod overview;
pub mod registries;
pub mod settings;
pub mod sign_in;
pub mod system;
pub mod tasks;
pub mod volumes;
