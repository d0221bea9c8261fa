//! What strangers can send, as functions over bytes. Whatever the bytes, a target comes
//! back; where it reads something it also judges what was read, so that a wrong answer
//! is found like a crash.
//!
//! `corpus/<target>/` holds the inputs each target begins with: small honest ones, and
//! one for each mistake that was found. `tests/replay.rs` runs them all; libFuzzer looks
//! for new ones (`src/bin/libfuzzer.rs`).
#![forbid(unsafe_code)]

mod targets;

/// One place where bytes come in.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    pub name: &'static str,
    pub run: fn(&[u8]),
}

/// Every target there is.
pub const TARGETS: &[Target] = &[
    Target {
        name: "config",
        run: targets::config::run,
    },
    Target {
        name: "seccomp",
        run: targets::seccomp::run,
    },
    Target {
        name: "shim",
        run: targets::shim::run,
    },
    Target {
        name: "log",
        run: targets::log::run,
    },
    Target {
        name: "words",
        run: targets::words::run,
    },
    Target {
        name: "user",
        run: targets::user::run,
    },
    Target {
        name: "manifest",
        run: targets::manifest::run,
    },
    Target {
        name: "image-config",
        run: targets::image_config::run,
    },
    Target {
        name: "layer",
        run: targets::layer::run,
    },
    Target {
        name: "archive",
        run: targets::archive::run,
    },
    Target {
        name: "dockerfile",
        run: targets::dockerfile::run,
    },
    Target {
        name: "dockerignore",
        run: targets::dockerignore::run,
    },
];

pub fn find(name: &str) -> Option<Target> {
    TARGETS.iter().copied().find(|target| target.name == name)
}
