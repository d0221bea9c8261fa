//! A Docker engine of its own: its data, its socket, its cgroup parent. Who calls
//! this is in a network namespace apart, or dockerd would change the host's network.

use super::{CONTAINERD, DOCKER, Peer, plain, runc};
use anyhow::{Context as _, Result, bail};
use serde_json::json;
use std::fs::{self, File};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const START_LIMIT: Duration = Duration::from_secs(60);
const END_LIMIT: Duration = Duration::from_secs(30);

/// Dropped, it ends; its containers have to be gone by then.
#[derive(Debug)]
pub(crate) struct Dockerd {
    child: Child,
    socket: PathBuf,
}

/// What tells one from another.
#[derive(Debug)]
pub(crate) struct Settings {
    /// Of its data.
    pub(crate) dir: PathBuf,
    /// Of what runs.
    pub(crate) run_dir: PathBuf,
    pub(crate) cgroup_parent: String,
    /// Takes the place of runc.
    pub(crate) runtime: Option<PathBuf>,
}

impl Dockerd {
    /// Starts it, and waits until it answers.
    pub(crate) fn start(settings: &Settings) -> Result<Self> {
        let Settings {
            dir,
            run_dir,
            cgroup_parent,
            runtime,
        } = settings;
        let dockerd = plain(&DOCKER)?;
        let paths = [dockerd.clone(), plain(&CONTAINERD)?, runc()?];
        let own = std::env::var_os("PATH").unwrap_or_default();
        let own: Vec<PathBuf> = std::env::split_paths(&own).collect();
        let path = std::env::join_paths(paths.iter().map(Peer::folder).chain(own.iter().map(PathBuf::as_path)))?;
        fs::create_dir_all(dir)?;
        fs::create_dir_all(run_dir)?;
        let config = dir.join("daemon.json");
        let text = match runtime {
            Some(path) => json!({
                "runtimes": {"gantry": {"path": path}}, "default-runtime": "gantry", "experimental": true,
            }),
            None => json!({}),
        };
        fs::write(&config, text.to_string())?;
        let log = dir.join("dockerd.log");
        let output = File::create(&log)?;
        let socket = run_dir.join("docker.sock");
        let child = dockerd
            .command()
            .env("PATH", path)
            .arg("--config-file")
            .arg(config)
            .arg("--data-root")
            .arg(dir.join("data"))
            .arg("--exec-root")
            .arg(run_dir.join("exec"))
            .arg("--pidfile")
            .arg(run_dir.join("pid"))
            .arg("--cgroup-parent")
            .arg(cgroup_parent)
            // It would change the firewall with a program that may be missing; nothing
            // here is published, and without it a container starts the sooner.
            .args(["--iptables=false", "--ip6tables=false"])
            .arg("-H")
            .arg(format!("unix://{}", socket.display()))
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output)
            .spawn()
            .context("cannot start dockerd")?;
        let mut docker = Self { child, socket };
        let begun = Instant::now();
        while UnixStream::connect(&docker.socket).is_err() {
            let ended = docker.child.try_wait()?;
            if ended.is_some() || begun.elapsed() > START_LIMIT {
                let text = fs::read_to_string(&log).unwrap_or_default();
                let last = text.lines().last().unwrap_or("it said nothing").to_owned();
                bail!("dockerd does not serve: {last}");
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        Ok(docker)
    }

    pub(crate) fn socket(&self) -> &Path {
        &self.socket
    }
}

impl Drop for Dockerd {
    fn drop(&mut self) {
        // It ends containerd, which it started, before itself.
        let _ = Command::new("kill").arg(self.child.id().to_string()).status();
        let begun = Instant::now();
        while matches!(self.child.try_wait(), Ok(None)) {
            if begun.elapsed() > END_LIMIT {
                let _ = self.child.kill();
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}
