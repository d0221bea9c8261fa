use crate::config::{Config, Given};
use clap::Args;
use engine::{CleanupOptions, InstanceLeftovers};
use std::io::{BufRead as _, IsTerminal as _, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;

#[derive(Debug, Args)]
pub(crate) struct Cleanup {
    /// Configuration file of the server
    #[arg(long, value_name = "FILE", env = "GANTRY_CONFIG")]
    config: Option<PathBuf>,
    #[arg(long, value_name = "DIR", env = "GANTRY_DATA_DIR")]
    data_dir: Option<PathBuf>,
    #[arg(long, value_name = "DIR", env = "GANTRY_RUN_DIR")]
    run_dir: Option<PathBuf>,
    /// Cgroup parent of the instance; all containers below it are treated as the instance's
    #[arg(long, value_name = "PATH")]
    cgroup_parent: Option<String>,
    /// Instance name if the directories no longer exist: the six digits of the bridge
    /// `gantry-XXXXXX`
    #[arg(long, value_name = "NAME")]
    instance: Option<String>,
    /// Also removes the data directory: images, containers, volumes and the database
    #[arg(long)]
    data: bool,
    /// Removes without confirmation
    #[arg(long)]
    yes: bool,
}

impl Cleanup {
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        let given = Given {
            data_dir: self.data_dir,
            run_dir: self.run_dir,
            cgroup_parent: self.cgroup_parent.clone(),
            ..Given::default()
        };
        let config = Config::settle(given.or(Given::read(self.config.as_deref())?))?;
        // An ordinary user's network is in namespaces of its own, which go at the end.
        let rootless = crate::rootless::enter(&config.run_dir)?;
        let options = CleanupOptions {
            data_dir: config.data_dir,
            run_dir: config.run_dir,
            cgroup_parent: config.cgroup_parent,
            all_groups: self.cgroup_parent.is_some(),
            instance: self.instance,
            with_data: self.data,
        };
        let found = InstanceLeftovers::find(&options)?;
        show(&found);
        if found.is_empty() {
            return Ok(ExitCode::SUCCESS);
        }
        if !self.yes && !confirmed()? {
            println!("Nothing was removed.");
            return Ok(ExitCode::FAILURE);
        }
        let failures = found.remove();
        if let Some(rootless) = rootless {
            rootless.end();
        }
        for failure in &failures {
            eprintln!("gantry: {failure}");
        }
        if failures.is_empty() {
            println!("All of it is removed.");
            Ok(ExitCode::SUCCESS)
        } else {
            Ok(ExitCode::FAILURE)
        }
    }
}

fn show(found: &InstanceLeftovers) {
    println!("Instance {}", found.instance);
    for (pid, command) in &found.processes {
        println!("  process    {pid} {command}");
    }
    for group in &found.groups {
        println!("  cgroup     {group}");
    }
    for mount in &found.mounts {
        println!("  mount      {}", mount.display());
    }
    for device in &found.network.devices {
        println!("  device     {device}");
    }
    for table in &found.network.tables {
        println!("  nftables   table ip {table}");
    }
    for dir in &found.dirs {
        println!("  directory  {}", dir.display());
    }
    if found.is_empty() {
        println!("  nothing is left on this host");
    }
    if let Some(data) = &found.kept_data {
        println!("The data directory {} stays; --data removes it too.", data.display());
    }
}

fn confirmed() -> anyhow::Result<bool> {
    let stdin = std::io::stdin();
    if !stdin.is_terminal() {
        eprintln!("gantry: standard input is not a terminal, so removal cannot be confirmed; use --yes");
        return Ok(false);
    }
    print!("Remove all of this? [y/N] ");
    std::io::stdout().flush()?;
    let mut answer = String::new();
    stdin.lock().read_line(&mut answer)?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}
