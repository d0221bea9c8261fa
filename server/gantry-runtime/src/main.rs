//! The small static program: the OCI runtime command line and the shim.
#![forbid(unsafe_code)]

mod cli;
mod shim;

use std::process::ExitCode;

fn main() -> ExitCode {
    // Begun from a copy in memory, it would go by the number of a descriptor.
    let named = |name| sys::process_name::set_short(name);
    match std::env::args().nth(1).as_deref() {
        Some("shim") => {
            named("gantry-shim");
            shim::run()
        }
        Some(shim::clerk::ARGUMENT) => {
            named("gantry-clerk");
            shim::clerk::run(std::env::args_os().skip(2))
        }
        Some(shim::packer::ARGUMENT) => {
            named("gantry-packer");
            shim::packer::run(std::env::args_os().skip(2))
        }
        _ => {
            named("gantry-runtime");
            cli::run()
        }
    }
}
