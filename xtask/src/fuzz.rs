//! `cargo xtask fuzz`: libFuzzer on the targets of `tests/fuzz`, with the compiler that
//! everything else is built with.

use crate::packages::{self, package};
use crate::process::{cargo, command, output, run};
use crate::workspace;
use anyhow::{Context as _, Result, bail};
use std::fs;
use std::path::PathBuf;

const NEEDED: &[packages::Package] = &[package("g++", "g++", "compiles libFuzzer")];
const MANIFEST: &str = "tests/fuzz/Cargo.toml";
const SECONDS: u32 = 600;

/// LLVM's counters of edges, which libFuzzer reads, and the values that are compared,
/// which it tries. No sanitizer: what is fuzzed has no unsafe code.
const INSTRUMENTED: &str = "-Cpasses=sancov-module \
    -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
    -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares \
    --cfg fuzzing";

pub(crate) fn run_fuzz(arguments: &[String]) -> Result<()> {
    let (target, seconds) = match arguments {
        [target] => (target, SECONDS),
        [target, switch, seconds] if switch == "--seconds" => {
            let seconds = seconds
                .parse()
                .with_context(|| format!("`{seconds}` is no number of seconds"));
            (target, seconds?)
        }
        _ => bail!(
            "cargo xtask fuzz TARGET [--seconds N]; targets: {}",
            targets()?.join(", ")
        ),
    };
    if !targets()?.contains(target) {
        bail!("there is no target `{target}`; targets: {}", targets()?.join(", "));
    }
    packages::install(packages::TO_RUN)?;
    packages::install(NEEDED)?;
    let program = build()?;
    let kept = workspace::root().join("tests/fuzz/corpus").join(target);
    // What it finds worth keeping for itself lies apart: only what broke a target is
    // copied into the tree, by hand and under a name that says what it is.
    let found = workspace::target().join("fuzz").join(target);
    let own = found.join("corpus");
    fs::create_dir_all(&own)?;
    let mut fuzz = command(program);
    fuzz.env("FUZZ_TARGET", target)
        .arg(&own)
        .arg(&kept)
        .arg(format!("-artifact_prefix={}/", found.display()))
        .arg(format!("-max_total_time={seconds}"))
        .args([
            "-timeout=20",
            "-rss_limit_mb=2048",
            "-max_len=65536",
            "-print_final_stats=1",
        ])
        // Of what it says on the way only the new and the sum.
        .args(["-verbosity=1", "-reload=0"]);
    run(&mut fuzz).with_context(|| format!("what broke `{target}` lies in {}", found.display()))
}

/// The folders of kept inputs are named for them.
fn targets() -> Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(workspace::root().join("tests/fuzz/corpus"))? {
        names.push(entry?.file_name().to_string_lossy().into_owned());
    }
    names.sort();
    Ok(names)
}

fn build() -> Result<PathBuf> {
    let version = output(command("rustc").arg("-vV")).context("rustc does not tell its version")?;
    let host = version.lines().find_map(|line| line.strip_prefix("host: "));
    let host = host.context("rustc does not tell its host")?;
    let folder = workspace::target().join("fuzz-build");
    // With a target named the flags are not those of build scripts and macros.
    let mut build = cargo(&[
        "build",
        "--manifest-path",
        MANIFEST,
        "--profile",
        "fuzz",
        "--features",
        "libfuzzer",
    ]);
    build.args(["--bin", "libfuzzer", "--target", host]);
    build
        .env("CARGO_TARGET_DIR", &folder)
        .env("RUSTC_BOOTSTRAP", "1")
        .env("RUSTFLAGS", INSTRUMENTED);
    run(&mut build)?;
    Ok(folder.join(host).join("fuzz/libfuzzer"))
}
