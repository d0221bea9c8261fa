//! Memory: the server at rest, and what each idle container adds. Proportional set
//! size throughout: shared pages count once, divided among those who share them.

use super::server::Server;
use super::{Place, report, starts};
use anyhow::{Context as _, Result};
use std::fs;
use std::time::Duration;

const OURS: u32 = 100;
const THEIRS: u32 = 20;
/// After the start, and after the last container.
const SETTLING: Duration = Duration::from_secs(30);
/// After other work.
const REST: Duration = Duration::from_secs(2);
const REST_LIMIT_MIB: f64 = 40.0;
const CONTAINER_LIMIT_MIB: f64 = 1.0;
const SHIM_LIMIT_KIB: f64 = 400.0;
const PEAK_LIMIT_MIB: f64 = 64.0;

pub(super) fn measure(place: &Place) -> Result<()> {
    println!("\nMemory, proportional set size");
    ours(place)?;
    theirs(place).unwrap_or_else(|error| println!("  dockerd does not run here: {error:#}"));
    Ok(())
}

fn ours(place: &Place) -> Result<()> {
    let server = Server::start(place, "memory")?;
    server.sign_in()?;
    std::thread::sleep(SETTLING);
    let rest = of_process(server.pid())?;
    report::figure("gantry at rest", rest, "30 s after its start, one page and one sign-in");
    report::verdict(
        "the server at rest takes at most 40 MiB",
        &format!("{rest:.1}"),
        rest <= REST_LIMIT_MIB,
    );
    let mut client = server.docker()?;
    starts::import(&mut client, &starts::image(place)?)?;
    // What a first container brings once is the server's, not the container's.
    starts::idle(&mut client)?;
    starts::remove_all(&mut client)?;
    let before = of_process(server.pid())?;
    for _ in 0..OURS {
        starts::idle(&mut client)?;
    }
    std::thread::sleep(SETTLING);
    let shims = of_all(&["gantry-shim"]);
    let growth = of_process(server.pid())? - before;
    let each = (shims + growth) / f64::from(OURS);
    report::figure(
        "gantry, each idle container",
        each,
        &format!("of {OURS}: shims {shims:.1} in all, the server grew by {growth:.1}"),
    );
    let shim = shims * 1024.0 / f64::from(OURS);
    report::verdict(
        "a shim takes at most 400 KiB",
        &format!("{shim:.0} KiB"),
        shim <= SHIM_LIMIT_KIB,
    );
    report::verdict(
        "a running container takes at most 1 MiB",
        &format!("{each:.2}"),
        each <= CONTAINER_LIMIT_MIB,
    );
    starts::remove_all(&mut client)
}

fn theirs(place: &Place) -> Result<()> {
    const ALL: [&str; 3] = ["dockerd", "containerd", "containerd-shim"];
    let docker = starts::dockerd(place).map_err(anyhow::Error::msg)?;
    let mut client = super::http::Client::unix(docker.socket())?;
    std::thread::sleep(SETTLING);
    let rest = of_all(&ALL);
    report::figure("dockerd and containerd at rest", rest, "30 s after their start");
    starts::import(&mut client, &starts::image(place)?)?;
    starts::idle(&mut client)?;
    starts::remove_all(&mut client)?;
    let before = of_all(&ALL);
    for _ in 0..THEIRS {
        starts::idle(&mut client)?;
    }
    std::thread::sleep(SETTLING);
    let each = (of_all(&ALL) - before) / f64::from(THEIRS);
    report::figure(
        "dockerd, each idle container",
        each,
        &format!("of {THEIRS}: shims and the growth of both"),
    );
    starts::remove_all(&mut client)
}

/// What the server takes above what it takes at rest while `what` (`a pull`) is done.
pub(super) fn peak(server: &Server, what: &str, work: impl FnOnce() -> Result<()>) -> Result<()> {
    std::thread::sleep(REST);
    let field = |field: &str| -> Result<f64> {
        let file = format!("/proc/{}/status", server.pid());
        let text = fs::read_to_string(&file)?;
        let line = text.lines().find_map(|line| line.strip_prefix(field));
        let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<f64>().ok());
        Ok(kib.with_context(|| format!("{file} tells no {field}"))? / 1024.0)
    };
    let before = field("VmRSS:")?;
    // proc_pid_clear_refs(5): the peak is what it is now.
    fs::write(format!("/proc/{}/clear_refs", server.pid()), "5")?;
    work()?;
    let more = field("VmHWM:")? - before;
    report::figure(
        &format!("memory {what} takes"),
        more,
        &format!("at the peak, above {before:.1} at rest"),
    );
    report::verdict(
        &format!("{what} takes at most 64 MiB of memory"),
        &format!("{more:.1} MiB"),
        more <= PEAK_LIMIT_MIB,
    );
    Ok(())
}

/// In MiB.
pub(super) fn of_process(pid: u32) -> Result<f64> {
    let file = format!("/proc/{pid}/smaps_rollup");
    let text = fs::read_to_string(&file).with_context(|| format!("cannot read {file}"))?;
    let line = text.lines().find_map(|line| line.strip_prefix("Pss:"));
    let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<f64>().ok());
    Ok(kib.with_context(|| format!("{file} tells no Pss"))? / 1024.0)
}

/// Of every process whose name begins as one of these; this place has its own pid
/// namespace, so all of them are ours.
pub(super) fn of_all(names: &[&str]) -> f64 {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let wanted = pids.filter(|pid| {
        let name = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
        names.iter().any(|start| name.starts_with(start))
    });
    wanted.filter_map(|pid| of_process(pid).ok()).sum()
}
