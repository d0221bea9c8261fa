//! Configuration of the server: options override environment variables, which override the
//! file, which overrides the defaults.

use crate::rootless;
use anyhow::{Context as _, bail};
use ipnet::IpNet;
use model::container::UserNamespaces;
use model::network::Subnet;
use model::snapshotter::Wish;
use serde::Deserialize;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};

pub(crate) const DATA_DIR: &str = "/var/lib/gantry";
const RUN_DIR: &str = "/run/gantry";
const FILE: &str = "/etc/gantry/gantry.toml";

/// Settings from switches, variables or the file. The keys of the file are the names of the
/// switches.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub(crate) struct Given {
    pub(crate) data_dir: Option<PathBuf>,
    pub(crate) run_dir: Option<PathBuf>,
    pub(crate) listen: Option<String>,
    pub(crate) allowed_host: Option<Vec<String>>,
    pub(crate) trusted_proxy: Option<Vec<String>>,
    pub(crate) docker_socket: Option<PathBuf>,
    pub(crate) admin_password_file: Option<PathBuf>,
    pub(crate) cgroup_parent: Option<String>,
    pub(crate) subnet: Option<String>,
    pub(crate) registry_mirror: Option<Vec<String>>,
    pub(crate) pids_limit: Option<i64>,
    pub(crate) userns: Option<String>,
    pub(crate) snapshotter: Option<String>,
    pub(crate) log_format: Option<String>,
    pub(crate) log_level: Option<String>,
}

impl Given {
    /// Reads the given file, which must exist, or else the default file if it exists.
    pub(crate) fn read(named: Option<&Path>) -> anyhow::Result<Self> {
        let usual = if sys::user::is_root() {
            Some(PathBuf::from(FILE))
        } else {
            rootless::places::config_file()
        };
        let Some(path) = named.or(usual.as_deref()) else {
            return Ok(Self::default());
        };
        if named.is_none() && !path.exists() {
            return Ok(Self::default());
        }
        let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
        toml::from_str(&text).with_context(|| format!("{} is wrong", path.display()))
    }

    /// Takes missing settings from `other`.
    pub(crate) fn or(self, other: Self) -> Self {
        Self {
            data_dir: self.data_dir.or(other.data_dir),
            run_dir: self.run_dir.or(other.run_dir),
            listen: self.listen.or(other.listen),
            allowed_host: self.allowed_host.or(other.allowed_host),
            trusted_proxy: self.trusted_proxy.or(other.trusted_proxy),
            docker_socket: self.docker_socket.or(other.docker_socket),
            admin_password_file: self.admin_password_file.or(other.admin_password_file),
            cgroup_parent: self.cgroup_parent.or(other.cgroup_parent),
            subnet: self.subnet.or(other.subnet),
            registry_mirror: self.registry_mirror.or(other.registry_mirror),
            pids_limit: self.pids_limit.or(other.pids_limit),
            userns: self.userns.or(other.userns),
            snapshotter: self.snapshotter.or(other.snapshotter),
            log_format: self.log_format.or(other.log_format),
            log_level: self.log_level.or(other.log_level),
        }
    }
}

#[derive(Debug)]
pub(crate) struct Config {
    pub(crate) data_dir: PathBuf,
    pub(crate) run_dir: PathBuf,
    pub(crate) listen: SocketAddr,
    pub(crate) allowed_hosts: Vec<String>,
    pub(crate) trusted_proxies: Vec<IpNet>,
    /// `None` means disabled.
    pub(crate) docker_socket: Option<PathBuf>,
    pub(crate) admin_password_file: Option<PathBuf>,
    pub(crate) cgroup_parent: String,
    pub(crate) subnet: Option<Subnet>,
    pub(crate) mirrors: Vec<String>,
    /// Default pids limit of containers; `None` means no limit.
    pub(crate) pids_limit: Option<u64>,
    pub(crate) userns: UserNamespaces,
    pub(crate) snapshotter: Wish,
    pub(crate) log_as_json: bool,
    pub(crate) log_level: String,
}

impl Config {
    pub(crate) fn settle(given: Given) -> anyhow::Result<Self> {
        let run_dir = match given.run_dir {
            Some(dir) => dir,
            None => usual_run_dir()?,
        };
        let docker_socket = match given.docker_socket {
            Some(path) if path == Path::new("none") => None,
            Some(path) => Some(path),
            None => Some(run_dir.join("docker.sock")),
        };
        let listen = given.listen.unwrap_or_else(|| "127.0.0.1:8420".to_owned());
        let cgroup_parent = given.cgroup_parent.unwrap_or_else(|| {
            if sys::user::is_root() {
                "/gantry".to_owned()
            } else {
                rootless::cgroup_parent()
            }
        });
        if !cgroup_parent.starts_with('/') || cgroup_parent.trim_matches('/').is_empty() {
            bail!("cgroup parent `{cgroup_parent}` is not a path such as `/gantry`");
        }
        let subnet = given.subnet.as_deref().map(Subnet::parse).transpose()?;
        Ok(Self {
            data_dir: match given.data_dir {
                Some(dir) => dir,
                None => usual_data_dir()?,
            },
            run_dir,
            listen: listen
                .parse()
                .with_context(|| format!("`{listen}` is not an address to listen on such as `127.0.0.1:8420`"))?,
            allowed_hosts: given.allowed_host.unwrap_or_default(),
            trusted_proxies: read_networks(&given.trusted_proxy.unwrap_or_default())?,
            docker_socket,
            admin_password_file: given.admin_password_file,
            cgroup_parent,
            subnet,
            mirrors: given.registry_mirror.unwrap_or_default(),
            pids_limit: pids_limit(given.pids_limit)?,
            userns: given
                .userns
                .as_deref()
                .map(UserNamespaces::parse)
                .transpose()?
                .unwrap_or_default(),
            snapshotter: given
                .snapshotter
                .as_deref()
                .map(Wish::parse)
                .transpose()?
                .unwrap_or_default(),
            log_as_json: match given.log_format.as_deref() {
                None | Some("text") => false,
                Some("json") => true,
                Some(other) => bail!("log format `{other}` is neither `text` nor `json`"),
            },
            log_level: given.log_level.unwrap_or_else(|| "info".to_owned()),
        })
    }
}

/// Podman's default as well: sufficient for most services, and stops a fork bomb.
const PIDS_LIMIT: i64 = 2048;

fn pids_limit(given: Option<i64>) -> anyhow::Result<Option<u64>> {
    match given.unwrap_or(PIDS_LIMIT) {
        -1 => Ok(None),
        limit @ 1.. => Ok(u64::try_from(limit).ok()),
        other => bail!("pids limit `{other}` is neither a number of processes nor -1, which is no limit"),
    }
}

/// Parses networks such as `10.0.0.0/8`, and single addresses.
fn read_networks(texts: &[String]) -> anyhow::Result<Vec<IpNet>> {
    let read = |text: &String| {
        let address = text.parse::<IpAddr>().map(IpNet::from);
        address
            .or_else(|_| text.parse::<IpNet>())
            .with_context(|| format!("trusted proxy `{text}` is not an address or a network such as `10.0.0.0/8`"))
    };
    texts.iter().map(read).collect()
}

/// The data directory, for commands that only need the database.
pub(crate) fn data_dir(config: Option<&Path>, given: Option<PathBuf>) -> anyhow::Result<PathBuf> {
    match given {
        Some(dir) => Ok(dir),
        None => match Given::read(config)?.data_dir {
            Some(dir) => Ok(dir),
            None => usual_data_dir(),
        },
    }
}

/// The default data directory of root, or of the user.
pub(crate) fn usual_data_dir() -> anyhow::Result<PathBuf> {
    if sys::user::is_root() {
        return Ok(DATA_DIR.into());
    }
    rootless::places::data_dir().context("there is no home directory to keep data in; choose one with --data-dir")
}

fn usual_run_dir() -> anyhow::Result<PathBuf> {
    if sys::user::is_root() {
        return Ok(RUN_DIR.into());
    }
    rootless::places::run_dir().context(
        "XDG_RUNTIME_DIR is not set and there is no /run/user directory of this user; log in through systemd, or \
         choose a directory with --run-dir",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_given_wins_over_the_file_and_the_file_over_defaults() {
        let file: Given = toml::from_str("listen = \"0.0.0.0:1\"\nrun-dir = \"/r\"").expect("valid");
        let given = Given {
            listen: Some("127.0.0.1:2".into()),
            ..Given::default()
        };
        let config = Config::settle(given.or(file)).expect("complete");
        assert_eq!(config.listen.port(), 2);
        assert_eq!(config.docker_socket.as_deref(), Some(Path::new("/r/docker.sock")));
        assert_eq!(config.data_dir, Path::new(DATA_DIR));
    }

    #[test]
    fn an_unknown_key_and_a_wrong_address_are_refused() {
        assert!(toml::from_str::<Given>("listne = 1").is_err());
        let given = Given {
            listen: Some("here".into()),
            ..Given::default()
        };
        assert!(Config::settle(given).is_err());
        let given = Given {
            snapshotter: Some("zfs".into()),
            ..Given::default()
        };
        assert!(Config::settle(given).is_err());
    }

    #[test]
    fn containers_get_a_limit_on_processes_unless_it_is_turned_off() {
        let limit = |given| {
            let given = Given {
                pids_limit: given,
                ..Given::default()
            };
            Config::settle(given).map(|config| config.pids_limit)
        };
        assert_eq!(limit(None).expect("valid"), Some(2048));
        assert_eq!(limit(Some(100)).expect("valid"), Some(100));
        assert_eq!(limit(Some(-1)).expect("valid"), None);
        assert!(limit(Some(0)).is_err() && limit(Some(-2)).is_err());
    }

    #[test]
    fn trusted_proxies_are_addresses_and_networks() {
        let with = |text: &str| {
            let given = Given {
                trusted_proxy: Some(vec![text.into()]),
                ..Given::default()
            };
            Config::settle(given).map(|config| config.trusted_proxies[0].to_string())
        };
        assert_eq!(with("192.0.2.1").expect("an address"), "192.0.2.1/32");
        assert_eq!(with("2001:db8::/32").expect("a network"), "2001:db8::/32");
        for text in ["", "proxy.example", "10.0.0.0/33"] {
            assert!(with(text).is_err(), "{text}");
        }
    }

    #[test]
    fn the_docker_socket_can_be_off() {
        let given = Given {
            docker_socket: Some("none".into()),
            ..Given::default()
        };
        assert_eq!(Config::settle(given).expect("complete").docker_socket, None);
    }
}
