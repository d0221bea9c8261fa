//! A containerd of its own, driven by `ctr`.

use super::{CONTAINERD, Peer, plain};
use anyhow::{Context as _, Result, bail};
use std::fs::{self, File};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const START_LIMIT: Duration = Duration::from_secs(60);
const END_LIMIT: Duration = Duration::from_secs(30);

/// Dropped, it ends; its containers have to be gone by then.
#[derive(Debug)]
pub(crate) struct Containerd {
    child: Child,
    socket: PathBuf,
    program: Peer,
}

impl Containerd {
    pub(crate) fn start(dir: &Path, run_dir: &Path) -> Result<Self> {
        let program = plain(&CONTAINERD)?;
        fs::create_dir_all(dir)?;
        fs::create_dir_all(run_dir)?;
        let socket = run_dir.join("containerd.sock");
        let config = dir.join("config.toml");
        let text = format!(
            "version = 2\nroot = '{}'\nstate = '{}'\ndisabled_plugins = [\"io.containerd.grpc.v1.cri\"]\n\
             [grpc]\naddress = '{}'\n",
            dir.join("root").display(),
            run_dir.join("state").display(),
            socket.display()
        );
        fs::write(&config, text)?;
        let log = dir.join("containerd.log");
        let output = File::create(&log)?;
        let own = std::env::var_os("PATH").unwrap_or_default();
        let paths = std::iter::once(program.folder().to_owned()).chain(std::env::split_paths(&own));
        let child = program
            .command()
            // Where it looks for its shim.
            .env("PATH", std::env::join_paths(paths)?)
            .arg("--config")
            .arg(&config)
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output)
            .spawn()
            .context("cannot start containerd")?;
        let mut containerd = Self { child, socket, program };
        let begun = Instant::now();
        while UnixStream::connect(&containerd.socket).is_err() {
            let ended = containerd.child.try_wait()?;
            if ended.is_some() || begun.elapsed() > START_LIMIT {
                let text = fs::read_to_string(&log).unwrap_or_default();
                let last = text.lines().last().unwrap_or("it said nothing").to_owned();
                bail!("containerd does not serve: {last}");
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        Ok(containerd)
    }

    /// `ctr` and what its command line begins with.
    pub(crate) fn command_line(&self) -> (PathBuf, Vec<String>) {
        let switches = ["--address".to_owned(), self.socket.display().to_string()];
        (self.program.folder().join("ctr"), switches.to_vec())
    }
}

impl Drop for Containerd {
    fn drop(&mut self) {
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
