//! Which compiler makes the panel's WebAssembly. In this order: the toolchain's
//! own wasm32 target; the same after `rustup target add`; Debian's compiler with
//! the standard library built from its source package.

use crate::packages::{self, Package, apt_install, package};
use crate::process::{command, output, run, succeeds_within};
use crate::workspace;
use anyhow::{Result, bail};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

const TARGET: &str = "wasm32-unknown-unknown";
const DEBIAN_RUSTC: &str = "/usr/bin/rustc";
const DEBIAN_SOURCE: &str = "/usr/lib/rustlib/src/rust/library";
const DEBIAN_PACKAGES: [&str; 4] = ["rustc-web", "cargo-web", "rust-web-src", "lld-19"];
const DEBIAN_CLIPPY: Package = package("rust-web-clippy", "/usr/bin/clippy-driver", "lints the panel");
const OLDEST_MINOR: u32 = 95;

/// The compiler that builds and lints the panel for wasm32.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Toolchain {
    /// The caller's own, with the target's standard library.
    Own,
    /// Debian's, which builds the standard library from its source package.
    Debian,
}

/// Compiles the panel with `profile`; gives the `.wasm` file.
pub(crate) fn compile(profile: &str) -> Result<PathBuf> {
    let toolchain = find_toolchain()?;
    let mut build = panel_cargo(toolchain, "build")?;
    run(build.args(["--profile", profile]))?;
    Ok(folder(toolchain).join(TARGET).join(profile).join("web.wasm"))
}

/// Lints the panel as the WebAssembly it becomes. A warning is an error.
pub(crate) fn lint() -> Result<()> {
    let toolchain = find_toolchain()?;
    if toolchain == Toolchain::Debian {
        packages::install(&[DEBIAN_CLIPPY])?;
    }
    let mut clippy = panel_cargo(toolchain, "clippy")?;
    run(clippy.args(["--quiet", "--profile", "wasm-dev", "--", "-D", "warnings"]))
}

fn find_toolchain() -> Result<Toolchain> {
    if !has_target() && crate::process::exists("rustup") {
        eprintln!("Adding the {TARGET} target to the Rust toolchain.");
        succeeds_within(
            command("rustup").args(["target", "add", TARGET]),
            Duration::from_secs(120),
        );
    }
    if has_target() {
        return Ok(Toolchain::Own);
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
    Ok(Toolchain::Debian)
}

fn has_target() -> bool {
    let folder = output(command("rustc").args(["--print", "target-libdir", "--target", TARGET]));
    folder.is_some_and(|folder| std::fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_some()))
}

/// Each toolchain has a folder of its own: a changed linker or flag would compile everything again.
fn folder(toolchain: Toolchain) -> PathBuf {
    workspace::target().join(match toolchain {
        Toolchain::Own => "ui",
        Toolchain::Debian => "ui-std",
    })
}

/// `cargo SUBCOMMAND` on the panel's library for wasm32.
fn panel_cargo(toolchain: Toolchain, subcommand: &str) -> Result<Command> {
    let mut cargo = match toolchain {
        Toolchain::Own => command("cargo"),
        Toolchain::Debian => command("/usr/bin/cargo"),
    };
    cargo.arg(subcommand);
    if toolchain == Toolchain::Debian {
        let path = std::env::var("PATH").unwrap_or_default();
        cargo
            .arg("-Zbuild-std=std,panic_abort")
            .env("RUSTC", DEBIAN_RUSTC)
            .env("RUSTC_BOOTSTRAP", "1")
            .env("PATH", format!("/usr/bin:{path}"))
            .env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER", linker()?)
            .env_remove("RUSTUP_TOOLCHAIN");
    }
    cargo
        .args(["-p", "web", "--lib", "--target", TARGET])
        .env("CARGO_TARGET_DIR", folder(toolchain));
    Ok(cargo)
}

fn debian_compiler_serves() -> bool {
    let Some(version) = output(command(DEBIAN_RUSTC).arg("--version")) else {
        return false;
    };
    let minor = version.split('.').nth(1).and_then(|minor| minor.parse::<u32>().ok());
    minor.is_some_and(|minor| minor >= OLDEST_MINOR) && Path::new(DEBIAN_SOURCE).is_dir()
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
