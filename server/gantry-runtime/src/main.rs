//! The small static program: the OCI runtime command line and the shim.
#![forbid(unsafe_code)]

mod cli;
mod shim;

use std::process::ExitCode;

fn main() -> ExitCode {
    match std::env::args().nth(1).as_deref() {
        Some("shim") => shim::run(),
        Some(shim::clerk::ARGUMENT) => shim::clerk::run(std::env::args_os().skip(2)),
        _ => cli::run(),
    }
}
