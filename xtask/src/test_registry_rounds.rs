//! `cargo xtask test-registry-rounds`: the server is killed fifty times in the middle of
//! a pull and as often of a push. The other tests do a few rounds of it.

use crate::process::{cargo, run};
use crate::{packages, programs};
use anyhow::{Context as _, Result, bail};

const ROUNDS: u32 = 50;

pub(crate) fn run_rounds(rounds: Option<&str>) -> Result<()> {
    if !packages::is_root() {
        bail!("containers can only be run by root; try again as root");
    }
    let rounds = match rounds {
        Some(text) => text
            .parse()
            .with_context(|| format!("`{text}` is no number of rounds"))?,
        None => ROUNDS,
    };
    packages::install(packages::TO_RUN)?;
    packages::install(packages::TO_TEST)?;
    let registry = packages::unpack(&packages::UNPACKED[0])?;
    programs::build_runtime_for_tests()?;
    let mut test = cargo(&[
        "test",
        "-p",
        "gantry",
        "--test",
        "registry",
        "kills",
        "--",
        "--nocapture",
    ]);
    run(test
        .env("REGISTRY_ROUNDS", rounds.to_string())
        .env("DOCKER_REGISTRY", registry))
}
