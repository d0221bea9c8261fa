use crate::config::{Config, Given};
use clap::Args;
use std::path::PathBuf;
use std::process::ExitCode;

/// Every switch has a variable and a key of the configuration file.
#[derive(Debug, Args)]
pub(crate) struct Serve {
    /// Configuration file, with the same keys
    #[arg(long, value_name = "FILE", env = "GANTRY_CONFIG")]
    config: Option<PathBuf>,
    /// Images, containers, volumes, database; survives a reboot
    #[arg(long, value_name = "DIR", env = "GANTRY_DATA_DIR")]
    data_dir: Option<PathBuf>,
    /// Sockets and state of running containers; may vanish at a reboot
    #[arg(long, value_name = "DIR", env = "GANTRY_RUN_DIR")]
    run_dir: Option<PathBuf>,
    /// Panel and native API; port 0 picks a free one
    #[arg(long, value_name = "ADDR", env = "GANTRY_LISTEN")]
    listen: Option<String>,
    /// A name the server may be asked under, such as that of a proxy; repeatable
    #[arg(long, value_name = "NAME", env = "GANTRY_ALLOWED_HOST", value_delimiter = ',')]
    allowed_host: Option<Vec<String>>,
    /// A proxy whose X-Forwarded-For, X-Forwarded-Proto and Forwarded headers are believed: an
    /// address or a network; repeatable
    #[arg(long, value_name = "CIDR", env = "GANTRY_TRUSTED_PROXY", value_delimiter = ',')]
    trusted_proxy: Option<Vec<String>>,
    /// Docker Engine API; `none` turns it off
    #[arg(long, value_name = "PATH", env = "GANTRY_DOCKER_SOCKET")]
    docker_socket: Option<PathBuf>,
    /// At the first start: makes the user `admin` with the password in FILE
    #[arg(long, value_name = "FILE", env = "GANTRY_ADMIN_PASSWORD_FILE")]
    admin_password_file: Option<PathBuf>,
    /// Every cgroup lies below it
    #[arg(long, value_name = "PATH", env = "GANTRY_CGROUP_PARENT")]
    cgroup_parent: Option<String>,
    /// Of the default bridge; chosen at the first start and kept
    #[arg(long, value_name = "CIDR", env = "GANTRY_SUBNET")]
    subnet: Option<String>,
    /// Asked first for images of Docker Hub; repeatable
    #[arg(long, value_name = "URL", env = "GANTRY_REGISTRY_MIRROR", value_delimiter = ',')]
    registry_mirror: Option<Vec<String>>,
    /// Processes that a container may have unless it says how many; -1 is no limit
    #[arg(long, value_name = "N", env = "GANTRY_PIDS_LIMIT", allow_negative_numbers = true)]
    pids_limit: Option<i64>,
    /// Whose ids containers have: `off` the host's, `auto` a range of its own for each, or
    /// one range for all, that of a user in /etc/subuid or FIRST-LAST
    #[arg(long, value_name = "off|auto|USER|RANGE", env = "GANTRY_USERNS")]
    userns: Option<String>,
    /// How containers get files of their own, chosen at the first start and kept: overlays of
    /// the image's layers, btrfs snapshots, or plain copies; `auto` tries them in this order
    #[arg(long, value_name = "auto|overlay|btrfs|copy", env = "GANTRY_SNAPSHOTTER")]
    snapshotter: Option<String>,
    /// `text` or `json`
    #[arg(long, env = "GANTRY_LOG_FORMAT")]
    log_format: Option<String>,
    /// `error`, `warn`, `info`, `debug`, `trace`, or a filter
    #[arg(long, env = "GANTRY_LOG_LEVEL")]
    log_level: Option<String>,
    /// Stops every container when the server ends
    #[arg(long)]
    stop_containers_on_exit: bool,
    /// Starts although the database has lost its containers: they are moved to DATA_DIR/orphans,
    /// and images that nothing refers to any more are removed
    #[arg(long)]
    forget_everything: bool,
}

impl Serve {
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        let forget_everything = self.forget_everything;
        let (config, stop_containers) = self.config()?;
        let rootless = crate::rootless::enter(&config.run_dir)?;
        crate::lifecycle::serve(config, rootless, stop_containers, forget_everything)?;
        Ok(ExitCode::SUCCESS)
    }

    fn config(self) -> anyhow::Result<(Config, bool)> {
        let given = Given {
            data_dir: self.data_dir,
            run_dir: self.run_dir,
            listen: self.listen,
            allowed_host: self.allowed_host,
            trusted_proxy: self.trusted_proxy,
            docker_socket: self.docker_socket,
            admin_password_file: self.admin_password_file,
            cgroup_parent: self.cgroup_parent,
            subnet: self.subnet,
            registry_mirror: self.registry_mirror,
            pids_limit: self.pids_limit,
            userns: self.userns,
            snapshotter: self.snapshotter,
            log_format: self.log_format,
            log_level: self.log_level,
        };
        let file = Given::read(self.config.as_deref())?;
        Ok((Config::settle(given.or(file))?, self.stop_containers_on_exit))
    }
}
