//! The commands and their options.

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
    about = "Container engine with a web panel",
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
    /// Checks whether this host can run containers and reports missing requirements
    Check(check::Check),
    /// Lists the resources of an instance on this host and removes them after confirmation
    ///
    /// Removes processes, cgroups, mounts, the bridge with its veth pairs, the nftables table and
    /// the run directory; with --data also the data directory. The directories select the instance;
    /// if they no longer exist, use --instance. The server of the instance must be stopped.
    Cleanup(cleanup::Cleanup),
    /// Rebuilds a lost database from the metadata stored with the containers' files
    ///
    /// Restores containers, their images, and volumes; the next start of the server recovers
    /// running containers. Users, tokens, tags and registry logins are lost. The server of these
    /// directories must be stopped.
    Rebuild(rebuild::Rebuild),
    /// Manages API tokens
    #[command(subcommand)]
    Token(token::Token),
    /// Manages registry logins
    #[command(subcommand)]
    Registry(registry::Registry),
    /// Prints the version
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
