//! What is wanted and what was, in SQLite: one file a table.
//!
//! The caller opens the transaction ([`Database::begin`]) and passes it on, so
//! that a change and its event are one; nothing here hides one. Missing is
//! `Ok(None)`; uniqueness is the database's work and comes back as
//! [`StoreError::Taken`]. Rows that cannot be read name table, row and column.
#![forbid(unsafe_code)]

pub mod build_cache;
pub mod builds;
pub mod containers;
mod database;
pub mod description;
mod error;
pub mod events;
mod form;
pub mod image_digests;
pub mod images;
pub mod registries;
pub mod runs;
pub mod sessions;
pub mod settings;
pub mod tags;
pub mod tokens;
pub mod user_addresses;
pub mod users;
pub mod volumes;

pub use database::{Database, Transaction};
pub use error::StoreError;
pub use sqlx::SqliteConnection;
