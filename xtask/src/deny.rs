//! Licences and advisories, by the cargo-deny program. Not part of `test`: the
//! tool takes minutes to build, and the advisories are downloaded.

use crate::process::{self, cargo, run};
use anyhow::Result;

pub(crate) fn run_deny() -> Result<()> {
    if !process::exists("cargo-deny") {
        run(&mut cargo(&["install", "--locked", "cargo-deny"]))?;
    }
    run(&mut cargo(&["deny", "check"]))
}
