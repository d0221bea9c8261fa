//! The server and its few commands. Everything here is wiring.
#![forbid(unsafe_code)]

mod cli;
mod config;
mod embedded;
mod lifecycle;
mod wire;

use clap::Parser as _;
use std::process::ExitCode;

// Returns memory to the system sooner than the C library's, and is quicker with many threads.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    // Before anything can open a connection; fails only when one is installed already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    match cli::Cli::parse().run() {
        Ok(code) => code,
        Err(error) => {
            eprintln!("gantry: {error:#}");
            ExitCode::FAILURE
        }
    }
}
