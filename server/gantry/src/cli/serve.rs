use crate::config::{Config, Given};
use clap::Args;
use std::path::PathBuf;
use std::process::ExitCode;

/// Each option has an environment variable and a configuration file key.
#[derive(Debug, Args)]
pub(crate) struct Serve {
    /// Configuration file; its keys are the option names
    #[arg(long, value_name = "FILE", env = "GANTRY_CONFIG")]
    config: Option<PathBuf>,
    /// Directory for images, containers, volumes and the database; must survive a reboot
    #[arg(long, value_name = "DIR", env = "GANTRY_DATA_DIR")]
    data_dir: Option<PathBuf>,
    /// Directory for sockets and the state of running containers; may be cleared at a reboot
    #[arg(long, value_name = "DIR", env = "GANTRY_RUN_DIR")]
    run_dir: Option<PathBuf>,
    /// Listen address of the panel and the native API; port 0 selects a free port
    #[arg(long, value_name = "ADDR", env = "GANTRY_LISTEN")]
    listen: Option<String>,
    /// Additional allowed host name, such as the name of a proxy; repeatable
    #[arg(long, value_name = "NAME", env = "GANTRY_ALLOWED_HOST", value_delimiter = ',')]
    allowed_host: Option<Vec<String>>,
    /// Address or network of a proxy whose X-Forwarded-For, X-Forwarded-Proto and Forwarded headers
    /// are trusted; repeatable
    #[arg(long, value_name = "CIDR", env = "GANTRY_TRUSTED_PROXY", value_delimiter = ',')]
    trusted_proxy: Option<Vec<String>>,
    /// Unix socket of the Docker Engine API; `none` disables it
    #[arg(long, value_name = "PATH", env = "GANTRY_DOCKER_SOCKET")]
    docker_socket: Option<PathBuf>,
    /// At the first start: creates the user `admin` with the password in FILE
    #[arg(long, value_name = "FILE", env = "GANTRY_ADMIN_PASSWORD_FILE")]
    admin_password_file: Option<PathBuf>,
    /// Parent cgroup of all containers
    #[arg(long, value_name = "PATH", env = "GANTRY_CGROUP_PARENT")]
    cgroup_parent: Option<String>,
    /// Subnet of the default bridge; set at the first start
    #[arg(long, value_name = "CIDR", env = "GANTRY_SUBNET")]
    subnet: Option<String>,
    /// Docker Hub mirror, tried first; repeatable
    #[arg(long, value_name = "URL", env = "GANTRY_REGISTRY_MIRROR", value_delimiter = ',')]
    registry_mirror: Option<Vec<String>>,
    /// Default pids limit of containers; -1 means no limit
    #[arg(long, value_name = "N", env = "GANTRY_PIDS_LIMIT", allow_negative_numbers = true)]
    pids_limit: Option<i64>,
    /// Default user namespace: `off` uses the host's ids, `auto` allocates a separate range for
    /// each container, a user in /etc/subuid or FIRST-LAST sets one range for all
    #[arg(long, value_name = "off|auto|USER|RANGE", env = "GANTRY_USERNS")]
    userns: Option<String>,
    /// Snapshotter, set at the first start: overlayfs, btrfs snapshots, or plain copies; `auto`
    /// tries them in this order
    #[arg(long, value_name = "auto|overlay|btrfs|copy", env = "GANTRY_SNAPSHOTTER")]
    snapshotter: Option<String>,
    /// Log format: `text` or `json`
    #[arg(long, env = "GANTRY_LOG_FORMAT")]
    log_format: Option<String>,
    /// Log level: `error`, `warn`, `info`, `debug`, `trace`, or a filter
    #[arg(long, env = "GANTRY_LOG_LEVEL")]
    log_level: Option<String>,
    /// Stops all containers when the server shuts down
    #[arg(long)]
    stop_containers_on_exit: bool,
    /// Starts even if the database has lost its containers: moves them to DATA_DIR/orphans and
    /// removes unreferenced images
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
