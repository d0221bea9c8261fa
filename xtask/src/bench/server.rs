//! Our own server, apart from any other: its data, its ports, its cgroup parent.

use super::http::Client;
use super::{Place, apart};
use anyhow::{Context as _, Result, bail};
use serde_json::json;
use std::fs::{self, File};
use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

const PASSWORD: &str = "correct horse battery staple";

/// Dropped, it ends at once; the place ends its containers.
pub(super) struct Server {
    child: Child,
    address: String,
    token: String,
    socket: PathBuf,
}

impl Server {
    /// `name` tells servers of one place apart.
    pub(super) fn start(place: &Place, name: &str) -> Result<Self> {
        let dir = place.dir.join(name);
        fs::create_dir_all(&dir)?;
        let password = dir.join("password");
        fs::write(&password, PASSWORD)?;
        let log = dir.join("server.log");
        let run = apart::run_dir(&place.dir).join(name);
        let socket = run.join("docker.sock");
        let parent = format!("{}/{name}", apart::cgroup_parent(&place.dir));
        let mut child = Command::new(&place.server)
            .args(["serve", "--listen", "127.0.0.1:0", "--log-level", "warn"])
            .arg("--data-dir")
            .arg(dir.join("data"))
            .arg("--run-dir")
            .arg(&run)
            .arg("--docker-socket")
            .arg(&socket)
            .arg("--admin-password-file")
            .arg(&password)
            .args(["--cgroup-parent", &parent, "--subnet", "10.213.0.0/16"])
            .env_remove("NOTIFY_SOCKET")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(File::create(&log)?)
            .spawn()
            .context("cannot start the server")?;
        let output = child.stdout.take().context("the server's output is piped")?;
        let line = BufReader::new(output).lines().next().transpose()?.unwrap_or_default();
        let Some(address) = line.strip_prefix("ready http://") else {
            let _ = child.kill();
            let _ = child.wait();
            let text = fs::read_to_string(&log).unwrap_or_default();
            bail!("the server did not get ready: {}", text.trim());
        };
        let mut server = Self {
            child,
            address: address.to_owned(),
            token: String::new(),
            socket,
        };
        let made = Command::new(&place.server)
            .args(["token", "create", "--user", "admin", "--data-dir"])
            .arg(dir.join("data"))
            .output()?;
        let text = String::from_utf8(made.stdout)?;
        text.lines()
            .last()
            .context("no token was made")?
            .clone_into(&mut server.token);
        Ok(server)
    }

    pub(super) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(super) fn docker(&self) -> Result<Client> {
        Client::unix(&self.socket)
    }

    pub(super) fn native(&self) -> Result<Client> {
        Ok(Client::tcp(&self.address, "/api/v1")?.with_token(&self.token))
    }

    /// As a visitor does: the page, then the password.
    pub(super) fn sign_in(&self) -> Result<()> {
        let mut client = Client::tcp(&self.address, "")?;
        client.ask("GET", "/", "", &[])?;
        let answer = client.ask(
            "POST",
            "/api/v1/session",
            "application/json",
            json!({ "username": "admin", "password": PASSWORD })
                .to_string()
                .as_bytes(),
        )?;
        let has_cookie = answer
            .headers
            .iter()
            .any(|line| line.to_ascii_lowercase().starts_with("set-cookie:"));
        if answer.status >= 300 || !has_cookie {
            bail!("signing in answers {}", answer.status);
        }
        Ok(())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
