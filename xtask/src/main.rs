//! The project's own commands: `cargo xtask run` and `cargo xtask test` do
//! everything on a fresh Debian or Ubuntu machine; the others are their parts.
#![forbid(unsafe_code)]

mod apart;
mod bench;
mod deny;
mod fuzz;
mod packages;
mod peers;
mod process;
mod programs;
mod test;
mod test_builds;
mod test_image_peers;
mod test_peers;
mod test_registry_rounds;
mod test_rounds;
mod test_suites;
mod test_system;
mod test_vm;
mod ui;
mod wasm;
mod workspace;

use anyhow::{Result, bail};

const USAGE: &str = "\
cargo xtask COMMAND

  run [ARGUMENTS]   build the panel, gantry-runtime and the server, and start it;
                    the arguments go to `gantry serve`
  test [FILTER]     formatting, lints and every test: unit, integration, container, browser;
                    with FILTER only test files whose name contains it, without lints
  build             the two programs for a host, in target/release
  ui [--quick|--dev]  only the panel, in web/dist
  bench [--quick] [--no-build] [FILTER]
                    times and memory of ours, of runc, crun and dockerd, and of the kernel
                    alone; FILTER is one of command-line, starts, memory, thousand, pull;
                    needs root
  test-peers [--record] [PART …]
                    asks Debian's dockerd what the tests compare with, and says whether it
                    is still so; --record writes it down anew. Then has dockerd, podman and
                    containerd run containers with our runtime. PART is one of recorded,
                    dockerd, podman, containerd; needs root
  test-suites [SUITE …] [--only TEXT]
                    runs the conformance suites of other projects against gantry-runtime, each
                    from a checkout that is built: contest (GANTRY_CONTEST_SRC), runtime-tools
                    (GANTRY_RUNTIME_TOOLS_SRC), runc (GANTRY_RUNC_SRC), crun (GANTRY_CRUN_SRC);
                    fails on what docs/conformance.md does not list; needs root
  test-image-peers  images of podman, buildah, umoci and docker run here, and ours run
                    there; needs root
  test-registry-rounds [N]
                    kills the server N times (50) in the middle of pulls and of pushes;
                    needs root
  test-rounds [N]   kills the server N times (100) while twenty containers are under way,
                    and compares what the next one finds; needs root
  test-store [N]    kills the server N times (50) while it works with images, and has
                    everything verified each time; needs root
  test-vm [--smoke|--systemd] [FILTER …]
                    runs the test files that ask something of a kernel on Debian's own, in
                    a machine with a pure v2 tree of control groups; --smoke is the short
                    run that `test` does; --systemd boots a whole Debian (made once, as root,
                    from Debian's mirror), whose systemd owns the tree
  fuzz TARGET [--seconds N]
                    libFuzzer on one target of tests/fuzz, for ten minutes; without TARGET
                    it names them
  test-builds [PART]
                    builds every Dockerfile case with buildah too, two of them on whole
                    distributions, and kills the server fifty times in a build; PART is one of
                    peers, talk, rounds, or record, which writes down anew what cases give;
                    needs root
  test-system-containers
                    boots a Debian with systemd and sshd in a container; needs root and
                    Debian's mirror
  deny              licences and advisories of all dependencies (needs the network)

Environment: XTASK_NO_INSTALL=1 keeps it from installing system packages.";

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (command, rest) = match arguments.split_first() {
        Some((command, rest)) => (command.as_str(), rest),
        None => ("help", &arguments[..]),
    };
    match command {
        "run" => programs::run(rest),
        "test" => test::run_tests(rest.first().map(String::as_str)),
        "build" => programs::build_release(),
        "ui" => ui::build(match rest.first().map(String::as_str) {
            Some("--dev") => ui::Purpose::Dev,
            Some("--quick") => ui::Purpose::Quick,
            _ => ui::Purpose::Release,
        }),
        "bench" => bench::run(rest),
        "bench-apart" => bench::run_apart(rest),
        "test-peers" => test_peers::run(rest),
        "test-image-peers" => test_image_peers::run(rest),
        "test-image-peers-apart" => test_image_peers::run_apart(rest),
        "test-registry-rounds" => test_registry_rounds::run_rounds(rest.first().map(String::as_str)),
        "test-builds" => test_builds::run_builds(rest.first().map(String::as_str)),
        "test-rounds" => test_rounds::run_rounds(rest.first().map(String::as_str)),
        "test-store" => test_rounds::run_store_rounds(rest.first().map(String::as_str)),
        "test-vm" => test_vm::run_vm(rest),
        "test-system-containers" => test_system::run_system_containers(),
        "test-peers-apart" => test_peers::run_apart(rest),
        "test-suites" => test_suites::run(rest),
        "test-suites-apart" => test_suites::run_apart(rest),
        "fuzz" => fuzz::run_fuzz(rest),
        "deny" => deny::run_deny(),
        "help" | "--help" | "-h" => {
            println!("{USAGE}");
            Ok(())
        }
        other => bail!("there is no command `{other}`\n\n{USAGE}"),
    }
}
