//! The rules of the project. Each failure says how to correct it.

mod crates;
mod dependencies;
mod files;
mod language;
mod modules;
mod switches;

use std::path::Path;

/// The top folder of the project.
fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}
