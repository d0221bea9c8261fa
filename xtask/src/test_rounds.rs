//! `cargo xtask test-rounds`: the server is killed a hundred times in the middle of its
//! work with containers; `cargo xtask test-store`: fifty times in the middle of its work
//! with images. The other tests do a few rounds of both.

use crate::process::{cargo, run};
use crate::{packages, programs};
use anyhow::{Context as _, Result, bail};

const ROUNDS: u32 = 100;
const STORE_ROUNDS: u32 = 50;

pub(crate) fn run_rounds(rounds: Option<&str>) -> Result<()> {
    run_test("rounds", ROUNDS, rounds)
}

pub(crate) fn run_store_rounds(rounds: Option<&str>) -> Result<()> {
    run_test("store", STORE_ROUNDS, rounds)
}

fn run_test(test: &str, otherwise: u32, rounds: Option<&str>) -> Result<()> {
    if !packages::is_root() {
        bail!("containers can only be run by root; try again as root");
    }
    let rounds = match rounds {
        Some(text) => text
            .parse()
            .with_context(|| format!("`{text}` is no number of rounds"))?,
        None => otherwise,
    };
    packages::install(packages::TO_RUN)?;
    packages::install(packages::TO_TEST)?;
    let registry = packages::unpack(&packages::UNPACKED[0])?;
    programs::build_runtime_for_tests()?;
    let mut test = cargo(&["test", "-p", "gantry", "--test", test, "--", "--nocapture"]);
    run(test
        .env("GANTRY_ROUNDS", rounds.to_string())
        .env("DOCKER_REGISTRY", registry))
}
