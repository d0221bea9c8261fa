//! A build whose every step is cached, through the HTTP doors: ours, and the Docker
//! engine's own builder.

use super::http::Client;
use super::report;
use super::rounds::{Subject, take_turns};
use super::server::Server;
use super::{Place, starts};
use anyhow::{Result, bail};
use std::fmt::Write as _;
use std::fs;
use std::process::Command;
use std::time::{Duration, Instant};

const ROUNDS: usize = 15;
const STEPS: usize = 20;
const LIMIT: Duration = Duration::from_millis(150);
const OURS: &str = "gantry";
const DOCKER: &str = "dockerd";

pub(super) fn measure(place: &Place) -> Result<()> {
    let server = Server::start(place, "builds")?;
    let dockerd = starts::dockerd(place);
    let archive = starts::image(place)?;
    let context = context(place)?;
    let mut ours = server.docker()?;
    starts::import(&mut ours, &archive)?;
    let first = build(&mut ours, &context)?;
    let mut theirs = dockerd
        .as_ref()
        .map_err(|why| why.clone())
        .and_then(|docker| prepared(docker.socket(), &archive, &context).map_err(|error| format!("{error:#}")));
    let subjects = vec![
        Subject::new(OURS, || cached(&mut ours, &context)),
        Subject::new(DOCKER, || match &mut theirs {
            Ok(client) => cached(client, &context),
            Err(why) => bail!("{why}"),
        }),
    ];
    let outcomes = take_turns(ROUNDS, subjects);
    let title = format!(
        "A build of {STEPS} steps, all cached (the first took ours {} ms)",
        first.0.as_millis()
    );
    report::times(&title, ROUNDS, &outcomes, &[]);
    if let Some(median) = outcomes[0].median() {
        report::verdict(
            &format!("a cached build of {STEPS} steps takes under {} ms", LIMIT.as_millis()),
            &format!("{:.1} ms", median.as_secs_f64() * 1e3),
            median < LIMIT,
        );
    }
    Ok(())
}

/// With everything in its cache.
fn prepared(socket: &std::path::Path, archive: &[u8], context: &[u8]) -> Result<Client> {
    let mut client = Client::unix(socket)?;
    starts::import(&mut client, archive)?;
    build(&mut client, context)?;
    Ok(client)
}

/// As many steps as are wanted, of those that projects have: settings, files, commands.
fn context(place: &Place) -> Result<Vec<u8>> {
    let dir = place.dir.join("context");
    fs::create_dir_all(dir.join("src"))?;
    let mut text = format!("FROM {}\nENV A=1 B=2\nARG WHO=nobody\nWORKDIR /srv\n", starts::IMAGE);
    let mut steps = 4;
    while steps < STEPS - 2 {
        fs::write(dir.join(format!("src/{steps}.txt")), vec![b'x'; 64 << 10])?;
        let _ = writeln!(text, "COPY src/{steps}.txt /srv/");
        let _ = writeln!(text, "RUN echo $WHO {steps} >> /srv/said");
        steps += 2;
    }
    text += "EXPOSE 80\nCMD [\"/bin/true\"]\n";
    fs::write(dir.join("Dockerfile"), text)?;
    let tar = Command::new("tar").arg("-C").arg(&dir).args(["-c", "."]).output()?;
    if !tar.status.success() {
        bail!("tar failed: {}", String::from_utf8_lossy(&tar.stderr));
    }
    Ok(tar.stdout)
}

fn cached(client: &mut Client, context: &[u8]) -> Result<Duration> {
    let (taken, said) = build(client, context)?;
    // The first step is the image itself, and settings of no layer are told so too.
    let times = said.matches("Using cache").count();
    if times < (STEPS - 4) / 2 {
        bail!("only {times} steps were cached: {said}");
    }
    Ok(taken)
}

fn build(client: &mut Client, context: &[u8]) -> Result<(Duration, String)> {
    let begun = Instant::now();
    let path = "/build?t=bench-build:latest&version=1&rm=1&networkmode=none";
    let answer = client.ask("POST", path, "application/x-tar", context)?;
    let taken = begun.elapsed();
    let text = String::from_utf8_lossy(&answer.body).into_owned();
    if answer.status >= 300 || text.contains("errorDetail") || !text.contains("Successfully built") {
        bail!("a build answers {}: {}", answer.status, text.trim());
    }
    Ok((taken, text))
}
