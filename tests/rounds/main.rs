//! Rounds of one story: twenty containers are starting, running, ending, being
//! stopped and exec'd into when the server is killed, at a random moment. The next
//! server finds everything as it is: nothing lost, nothing doubled, nothing left
//! over, every exit status right.
//!
//! `GANTRY_ROUNDS` says how many, `GANTRY_SEED` which ones.

mod asked;
mod judge;
mod random;

use asked::{Asked, Told};
use harness::{Host, Image};
use random::Random;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

const ROUNDS: u32 = 5;

#[tokio::test]
async fn nothing_is_lost_doubled_or_left_over_whenever_the_server_is_killed() {
    if !harness::can_run_containers() {
        return;
    }
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let rounds = number("GANTRY_ROUNDS").map_or(ROUNDS, |rounds| u32::try_from(rounds).unwrap_or(u32::MAX));
    let seed = number("GANTRY_SEED").unwrap_or_else(random::seed);
    println!("{rounds} rounds, GANTRY_SEED={seed}");
    let mut random = Random::new(seed);
    let mut host = Host::start(env!("CARGO_BIN_EXE_gantry"));
    let archive = Image::busybox().archive("busybox:latest");
    host.api()
        .upload("/images/load", archive)
        .await
        .expect("the archive is taken");
    for round in 1..=rounds {
        let begun = std::time::Instant::now();
        play(&mut host, round, &mut random).await;
        println!("round {round}: {:.1} s", begun.elapsed().as_secs_f32());
    }
}

/// What the containers of one round write down of themselves, a file each: what
/// really happened, whatever the server says.
struct Marks(PathBuf);

impl Marks {
    fn make(dir: &Path, round: u32) -> Self {
        let dir = dir.join(format!("marks-{round}"));
        fs::create_dir(&dir).expect("a writable directory");
        Self(dir)
    }

    /// How many lines `word` there are in the file.
    fn count(&self, file: &str, word: &str) -> usize {
        let text = fs::read_to_string(self.0.join(file)).unwrap_or_default();
        text.lines().filter(|line| *line == word).count()
    }
}

async fn play(host: &mut Host, round: u32, random: &mut Random) {
    let marks = Marks::make(host.dir(), round);
    let mut asked = Asked::new(host.docker(), &marks);
    asked.begin(random).await;
    let before = asked.pids().await;
    let doings = asked.go_on(random);
    tokio::time::sleep(random.up_to(Duration::from_millis(700))).await;
    host.kill();
    let told: Vec<Told> = doings.heard().await;
    tokio::time::sleep(random.up_to(Duration::from_millis(300))).await;
    host.start_again();
    let judge = judge::Judge::new(host, &marks, told, format!("round {round}"));
    judge.running(&before).await;
    judge.settled().await;
    judge.last_words().await;
    judge.nothing_is_left().await;
}
