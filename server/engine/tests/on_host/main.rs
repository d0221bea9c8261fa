//! The engine with real shims, cgroups and network devices. Needs root and the
//! built `gantry-runtime`, beside this test's directory or named by `GANTRY_RUNTIME`.

mod host;
mod lives;
mod network;
mod observing;
mod recovery;
mod streams;
