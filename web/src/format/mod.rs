//! How numbers, amounts and times are shown. One place, so that they look alike everywhere.

pub mod number;
pub mod order;
pub mod time;

pub use model::size::show as size;
