//! The rules of the house. Each failure says how to mend it.

mod arrows;
mod crates;
mod files;
mod switches;

use std::path::Path;

/// The top folder of the project.
fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}
