//! Which compiler makes the panel's WebAssembly. In this order: the toolchain's
//! own wasm32 target; the same after `rustup target add`; Debian's compiler with
//! the standard library built from its source package.

use crate::packages::{self, apt_install};
use crate::process::{command, output, run, succeeds_within};
use crate::workspace;
use anyhow::{Result, bail};
use std::path::{Path, PathBuf};
use std::time::Duration;

const TARGET: &str = "wasm32-unknown-unknown";
const DEBIAN_RUSTC: &str = "/usr/bin/rustc";
const DEBIAN_SOURCE: &str = "/usr/lib/rustlib/src/rust/library";
const DEBIAN_PACKAGES: [&str; 4] = ["rustc-web", "cargo-web", "rust-web-src", "lld-19"];
const OLDEST_MINOR: u32 = 95;

/// Compiles the panel with `profile`; gives the `.wasm` file.
pub(crate) fn compile(profile: &str) -> Result<PathBuf> {
    if !has_target() && crate::process::exists("rustup") {
        eprintln!("Adding the {TARGET} target to the Rust toolchain.");
        succeeds_within(
            command("rustup").args(["target", "add", TARGET]),
            Duration::from_secs(120),
        );
    }
    if has_target() {
        return with_own_target(profile);
    }
    if !debian_compiler_serves() {
        eprintln!(
            "This toolchain has no {TARGET} target; Debian's compiler can build its standard library from source."
        );
        let remedy = format!("run `rustup target add {TARGET}` and try again, or else");
        if packages::is_root() {
            apt_install(&DEBIAN_PACKAGES)?;
        } else {
            bail!(
                "{remedy} as root: apt-get install -y --no-install-recommends {}",
                DEBIAN_PACKAGES.join(" ")
            );
        }
    }
    from_source(profile)
}

fn has_target() -> bool {
    let folder = output(command("rustc").args(["--print", "target-libdir", "--target", TARGET]));
    folder.is_some_and(|folder| std::fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_some()))
}

fn with_own_target(profile: &str) -> Result<PathBuf> {
    let folder = workspace::target().join("ui");
    let mut build = command("cargo");
    build
        .args(["build", "-p", "web", "--lib", "--target", TARGET, "--profile", profile])
        .env("CARGO_TARGET_DIR", &folder);
    run(&mut build)?;
    Ok(artifact(&folder, profile))
}

fn debian_compiler_serves() -> bool {
    let Some(version) = output(command(DEBIAN_RUSTC).arg("--version")) else {
        return false;
    };
    let minor = version.split('.').nth(1).and_then(|minor| minor.parse::<u32>().ok());
    minor.is_some_and(|minor| minor >= OLDEST_MINOR) && Path::new(DEBIAN_SOURCE).is_dir()
}

fn from_source(profile: &str) -> Result<PathBuf> {
    // A folder of its own: a changed linker or flag would compile everything again.
    let folder = workspace::target().join("ui-std");
    let path = std::env::var("PATH").unwrap_or_default();
    let mut build = command("/usr/bin/cargo");
    build
        .args([
            "build",
            "-Zbuild-std=std,panic_abort",
            "-p",
            "web",
            "--lib",
            "--target",
            TARGET,
            "--profile",
            profile,
        ])
        .env("CARGO_TARGET_DIR", &folder)
        .env("RUSTC", DEBIAN_RUSTC)
        .env("RUSTC_BOOTSTRAP", "1")
        .env("PATH", format!("/usr/bin:{path}"))
        .env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER", linker()?)
        .env_remove("RUSTUP_TOOLCHAIN");
    run(&mut build)?;
    Ok(artifact(&folder, profile))
}

fn linker() -> Result<PathBuf> {
    let host = output(command("rustc").arg("-vV"))
        .and_then(|text| {
            text.lines()
                .find_map(|line| line.strip_prefix("host: ").map(str::to_owned))
        })
        .unwrap_or_default();
    let of_toolchain = output(command("rustc").args(["--print", "sysroot"]))
        .map(|sysroot| Path::new(&sysroot).join("lib/rustlib").join(host).join("bin/rust-lld"));
    let known = of_toolchain
        .into_iter()
        .chain([PathBuf::from("/usr/lib/llvm-19/bin/wasm-ld")]);
    match known.into_iter().find(|path| path.exists()) {
        Some(path) => Ok(path),
        None => bail!("no linker for WebAssembly; install the package lld-19"),
    }
}

fn artifact(folder: &Path, profile: &str) -> PathBuf {
    folder.join(TARGET).join(profile).join("web.wasm")
}
