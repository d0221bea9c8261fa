//! Containers through the HTTP doors: until they run, and until they have ended;
//! ours by both doors, and the Docker engine.

use super::http::Client;
use super::report::{self, Target};
use super::rounds::{Subject, take_turns};
use super::server::Server;
use super::{Place, apart, bundle};
use crate::peers::dockerd::{Dockerd, Settings};
use anyhow::{Context as _, Result, bail};
use serde_json::{Value, json};
use std::process::Command;
use std::time::{Duration, Instant};

const ROUNDS: usize = 20;
const OURS: &str = "gantry, Docker door";
const NATIVE: &str = "gantry, native door";
const DOCKER: &str = "dockerd";
pub(super) const IMAGE: &str = "bench:latest";

#[derive(Clone, Copy)]
enum Until {
    Running,
    Ended,
}

pub(super) fn measure(place: &Place) -> Result<()> {
    let server = Server::start(place, "starts")?;
    let dockerd = dockerd(place);
    let archive = image(place)?;
    import(&mut server.docker()?, &archive)?;
    if let Ok(docker) = &dockerd {
        import(&mut Client::unix(docker.socket())?, &archive)?;
    }
    for (network, with) in [("bridge", "with a network"), ("none", "without a network")] {
        for until in [Until::Running, Until::Ended] {
            let mut ours = server.docker()?;
            let mut native = server.native()?;
            let mut theirs = dockerd
                .as_ref()
                .map_err(|why| why.clone())
                .and_then(|docker| Client::unix(docker.socket()).map_err(|error| format!("{error:#}")));
            let subjects = vec![
                Subject::new(OURS, move || through_docker(&mut ours, network, until)),
                Subject::new(NATIVE, move || through_native(&mut native, network, until)),
                Subject::new(DOCKER, move || match &mut theirs {
                    Ok(client) => through_docker(client, network, until),
                    Err(why) => bail!("{why}"),
                }),
            ];
            let outcomes = take_turns(ROUNDS, subjects);
            let (what, targets) = match (until, network) {
                (Until::Running, "bridge") => ("Create, start, seen running", targets(10.0)),
                (Until::Running, _) => ("Create, start, seen running", Vec::new()),
                (Until::Ended, _) => ("Create, start, end of /bin/true", Vec::new()),
            };
            report::times(&format!("{what}, {with}"), ROUNDS, &outcomes, &targets);
        }
    }
    Ok(())
}

fn targets(part: f64) -> Vec<Target> {
    [OURS, NATIVE]
        .map(|ours| Target {
            ours,
            than: DOCKER,
            part,
        })
        .into()
}

/// The reason is kept as text, for each table that lacks it.
pub(super) fn dockerd(place: &Place) -> Result<Dockerd, String> {
    let settings = Settings {
        dir: place.dir.join("dockerd"),
        run_dir: apart::run_dir(&place.dir).join("dockerd"),
        cgroup_parent: format!("{}/dockerd", apart::cgroup_parent(&place.dir)),
        runtime: None,
    };
    Dockerd::start(&settings).map_err(|error| format!("{error:#}"))
}

/// The root filesystem as a tar archive.
pub(super) fn image(place: &Place) -> Result<Vec<u8>> {
    let rootfs = bundle::make_rootfs(&place.dir)?;
    let tar = Command::new("tar").arg("-C").arg(rootfs).args(["-c", "."]).output()?;
    if !tar.status.success() {
        bail!("tar failed: {}", String::from_utf8_lossy(&tar.stderr));
    }
    Ok(tar.stdout)
}

pub(super) fn import(client: &mut Client, archive: &[u8]) -> Result<()> {
    let path = "/images/create?fromSrc=-&repo=bench&tag=latest";
    let answer = client.ask("POST", path, "application/x-tar", archive)?;
    let text = String::from_utf8_lossy(&answer.body).into_owned();
    if answer.status >= 300 || text.contains("errorDetail") {
        bail!("importing an image answers {}: {}", answer.status, text.trim());
    }
    Ok(())
}

fn command(until: Until) -> Value {
    match until {
        Until::Running => json!(["/bin/sleep", "600"]),
        Until::Ended => json!(["/bin/true"]),
    }
}

fn through_docker(client: &mut Client, network: &str, until: Until) -> Result<Duration> {
    let asked = json!({
        "Image": IMAGE, "Cmd": command(until), "HostConfig": { "NetworkMode": network },
    });
    let begun = Instant::now();
    let created = client.json("POST", "/containers/create", Some(&asked))?;
    let id = created["Id"]
        .as_str()
        .context("a created container has an id")?
        .to_owned();
    client.json("POST", &format!("/containers/{id}/start"), None)?;
    match until {
        Until::Running => {
            let seen = client.json("GET", &format!("/containers/{id}/json"), None)?;
            if seen["State"]["Running"] != true {
                bail!("container {id} does not run: {}", seen["State"]);
            }
        }
        Until::Ended => {
            let ended = client.json("POST", &format!("/containers/{id}/wait"), None)?;
            if ended["StatusCode"] != 0 {
                bail!("container {id} ended badly: {ended}");
            }
        }
    }
    let taken = begun.elapsed();
    client.json("DELETE", &format!("/containers/{id}?force=1"), None)?;
    Ok(taken)
}

fn through_native(client: &mut Client, network: &str, until: Until) -> Result<Duration> {
    let asked = json!({ "image": IMAGE, "command": command(until), "network": network });
    let begun = Instant::now();
    let created = client.json("POST", "/containers", Some(&asked))?;
    let id = created["id"]
        .as_str()
        .context("a created container has an id")?
        .to_owned();
    client.json("POST", &format!("/containers/{id}/start"), None)?;
    match until {
        Until::Running => {
            let seen = client.json("GET", &format!("/containers/{id}"), None)?;
            if !seen.to_string().contains("\"running\"") {
                bail!("container {id} does not run: {seen}");
            }
        }
        Until::Ended => {
            client.json("GET", &format!("/containers/{id}/wait"), None)?;
        }
    }
    let taken = begun.elapsed();
    client.json("DELETE", &format!("/containers/{id}?force=true"), None)?;
    Ok(taken)
}

/// A container that does nothing, and stays.
pub(super) fn idle(client: &mut Client) -> Result<()> {
    let asked = json!({ "Image": IMAGE, "Cmd": ["/bin/sleep", "3600"] });
    let created = client.json("POST", "/containers/create", Some(&asked))?;
    let id = created["Id"].as_str().context("a created container has an id")?;
    client.json("POST", &format!("/containers/{id}/start"), None)?;
    Ok(())
}

/// Removes every container, by force.
pub(super) fn remove_all(client: &mut Client) -> Result<()> {
    let listed = client.json("GET", "/containers/json?all=1", None)?;
    for container in listed.as_array().into_iter().flatten() {
        let id = container["Id"].as_str().unwrap_or_default();
        client.json("DELETE", &format!("/containers/{id}?force=1"), None)?;
    }
    Ok(())
}
