//! The commands and their switches.

mod check;
mod cleanup;
mod rebuild;
mod registry;
mod serve;
mod token;
mod version;

use clap::{Parser, Subcommand};
use std::process::ExitCode;

#[derive(Debug, Parser)]
#[command(
    name = "gantry",
    about = "Runs containers, and shows them",
    version,
    subcommand_required = true
)]
pub(crate) struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Runs the server
    Serve(Box<serve::Serve>),
    /// Says whether this host can run containers, and what it lacks
    Check(check::Check),
    /// Shows what an instance has on this host, and removes it after a confirmation
    ///
    /// Processes, cgroups, mounts, the bridge with its veth pairs, the nftables table and the run
    /// directory go; the data directory with --data. The instance is the one of the directories,
    /// or, when they are gone, the one named with --instance. No server may run on them.
    Cleanup(cleanup::Cleanup),
    /// Makes the rows of a lost database again, of what lies beside the containers' files
    ///
    /// Containers, the images they were made of, and volumes come back; running containers are
    /// found again by the next start. Users, tokens, tags and registry logins are lost. No server
    /// may run on the directories.
    Rebuild(rebuild::Rebuild),
    /// Makes tokens for programs
    #[command(subcommand)]
    Token(token::Token),
    /// Signs in to registries
    #[command(subcommand)]
    Registry(registry::Registry),
    /// Shows the version
    Version(version::Version),
}

impl Cli {
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        match self.command {
            Command::Serve(serve) => serve.run(),
            Command::Check(check) => Ok(check.run()),
            Command::Cleanup(cleanup) => cleanup.run(),
            Command::Rebuild(rebuild) => rebuild.run(),
            Command::Token(token) => token.run(),
            Command::Registry(registry) => registry.run(),
            Command::Version(version) => Ok(version.run()),
        }
    }
}
