//! What an image, a container or a configuration may try against this runtime and its
//! host: one test for each known kind of attack, by the OCI command line. Each really
//! performs it, and fails on a runtime with the hole that it names. Those that need a
//! server are in `tests/attacks` of the project.

#[path = "../bundle/mod.rs"]
mod bundle;
mod cgroups;
mod descriptors;
mod devices;
mod hostile;
mod kernel;
#[path = "../../../../tests/attacks/masked.rs"]
mod masked;
mod mounts;
mod processes;
mod rights;
mod streams;
mod users;
mod visible;
