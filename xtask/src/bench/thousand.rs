//! A thousand containers at once, each with its network: what they take in memory,
//! and how long the last ones take to start beside the first.

use super::http::Client;
use super::memory::{of_all, of_process};
use super::server::Server;
use super::{Place, report, starts};
use anyhow::{Result, bail};
use std::time::{Duration, Instant};

const COUNT: usize = 1000;
/// One start alone says little: the machine has other things to do.
const COMPARED: usize = 50;
const SETTLING: Duration = Duration::from_secs(30);
const MEMORY_LIMIT_MIB: f64 = 0.6 * 1024.0;
const SLOWER: f64 = 2.0;

pub(super) fn measure(place: &Place) -> Result<()> {
    println!("\nA thousand containers at once");
    let server = Server::start(place, "thousand")?;
    let mut client = server.docker()?;
    starts::import(&mut client, &starts::image(place)?)?;
    // The very first brings what all share.
    starts::idle(&mut client)?;
    starts::remove_all(&mut client)?;
    let mut times = Vec::with_capacity(COUNT);
    let begun = Instant::now();
    for _ in 0..COUNT {
        let begun = Instant::now();
        starts::idle(&mut client)?;
        times.push(begun.elapsed());
    }
    let all = begun.elapsed();
    expect_running(&mut client)?;
    let (first, last) = (middle(&times[..COMPARED]), middle(&times[COUNT - COMPARED..]));
    println!(
        "  created and started one after the other in {:.1} s; medians of {COMPARED}: the first {:.2} ms, the last {:.2} ms",
        all.as_secs_f64(),
        ms(first),
        ms(last),
    );
    for end in [250, 500, 750] {
        println!(
            "  {:<34} {:>9.2} ms",
            format!("around the {end}th"),
            ms(middle(&times[end..end + COMPARED]))
        );
    }
    let ratio = last.as_secs_f64() / first.as_secs_f64();
    report::verdict(
        "the last of a thousand start in at most twice the time of the first",
        &format!("{ratio:.2} times"),
        ratio <= SLOWER,
    );
    std::thread::sleep(SETTLING);
    let (shims, own) = (of_all(&["gantry-shim"]), of_process(server.pid())?);
    report::figure(
        "shims and server",
        shims + own,
        &format!(
            "shims {shims:.1} in all, {:.0} KiB each; the server {own:.1}",
            shims * 1024.0 / COUNT as f64
        ),
    );
    report::verdict(
        "a thousand containers take at most 0.6 GiB for shims and server",
        &format!("{:.2} GiB", (shims + own) / 1024.0),
        shims + own <= MEMORY_LIMIT_MIB,
    );
    let begun = Instant::now();
    starts::remove_all(&mut client)?;
    println!(
        "  removed one after the other in {:.1} s",
        begun.elapsed().as_secs_f64()
    );
    let after = of_process(server.pid())?;
    report::figure("the server afterwards", after, "all containers are removed");
    Ok(())
}

fn expect_running(client: &mut Client) -> Result<()> {
    let listed = client.json("GET", "/containers/json", None)?;
    let running = listed.as_array().map_or(0, Vec::len);
    if running != COUNT {
        bail!("{running} of {COUNT} containers run");
    }
    Ok(())
}

fn middle(times: &[Duration]) -> Duration {
    let mut times = times.to_vec();
    times.sort();
    times[times.len() / 2]
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}
