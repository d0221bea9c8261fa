//! `cargo xtask test-builds`: what of the builds' tests takes long or needs other
//! builders: every case also by buildah, the two Dockerfiles on whole distributions, and
//! fifty rounds of killing the server in the middle of a build.

use crate::process::{cargo, run};
use crate::{packages, programs};
use anyhow::{Result, bail};

const ROUNDS: &str = "50";

pub(crate) fn run_builds(only: Option<&str>) -> Result<()> {
    if !packages::is_root() {
        bail!("containers can only be run by root; try again as root");
    }
    packages::install(packages::TO_RUN)?;
    packages::install(packages::TO_TEST)?;
    packages::install(packages::TO_TEST_BUILDS)?;
    programs::build_runtime_for_tests()?;
    let wanted = |part: &str| only.is_none_or(|only| only == part);
    if wanted("peers") {
        test("buildah_makes_the_same", &[("GANTRY_BUILDS", "peers")])?;
    }
    if wanted("talk") {
        test("the_two_dockerfiles", &[("GANTRY_BUILDS", "talk")])?;
    }
    if wanted("rounds") {
        test("a_killed_server", &[("GANTRY_ROUNDS", ROUNDS)])?;
    }
    if only == Some("record") {
        test("every_dockerfile", &[("GANTRY_BUILDS", "record")])?;
    }
    Ok(())
}

fn test(name: &str, environment: &[(&str, &str)]) -> Result<()> {
    let mut test = cargo(&["test", "-p", "gantry", "--test", "build", name, "--", "--nocapture"]);
    run(test.envs(environment.iter().copied()))
}
