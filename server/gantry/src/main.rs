//! The server and its few commands. Everything here is wiring.
#![forbid(unsafe_code)]

mod cli;
mod config;
mod embedded;
mod lifecycle;
mod rootless;
mod wire;

use clap::Parser as _;
use std::process::ExitCode;

fn main() -> ExitCode {
    if std::env::args_os().nth(1).is_some_and(|word| word == rootless::KEEPER) {
        rootless::keep();
    }
    // The C library's allocator, told to give back what is free: 30 MiB less at rest
    // than others kept of the 19 that each password takes.
    sys::allocator::stay_small();
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
