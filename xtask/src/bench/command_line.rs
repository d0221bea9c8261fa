//! From the start to the end of a container that runs `/bin/true`, through the OCI
//! command line: ours, runc, crun, and the kernel's floor.

use super::report::{self, Target};
use super::rounds::{Subject, take_turns};
use super::{Place, apart, bundle};
use crate::{peers, process, workspace};
use anyhow::{Context as _, Result, bail};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const ROUNDS: usize = 30;
const CRUN: &str = "crun";
const FLOOR: &str = "the kernel's floor";

/// Where hybrid hosts have the second version; crun refuses to run beside it.
const V2_OF_HYBRID: &str = "/sys/fs/cgroup/unified";

pub(super) fn measure(place: &Place) -> Result<()> {
    let rootfs = bundle::make_rootfs(&place.dir)?;
    let floor = compile_floor()?;
    for with_seccomp in [false, true] {
        let runtimes = [
            ("gantry-runtime", Some(Command::new(&place.runtime))),
            ("runc", peers::runc().map(|peer| peer.command()).ok()),
            (CRUN, peers::crun().map(|peer| peer.command()).ok()),
        ];
        let mut subjects = Vec::new();
        for (name, command) in runtimes {
            let parent = apart::cgroup_parent(&place.dir);
            let bundle = place.dir.join(format!("bundle-{name}-{with_seccomp}"));
            let bundle = bundle::make(&bundle, &rootfs, &format!("{parent}/{name}"), with_seccomp)?;
            let root = apart::run_dir(&place.dir).join(name);
            let mut command = command;
            subjects.push(Subject::new(name, move || match &mut command {
                Some(command) if name == CRUN => without_v2(|| run_container(command, &root, &bundle)),
                Some(command) => run_container(command, &root, &bundle),
                None => bail!("its package could not be had"),
            }));
        }
        if !with_seccomp {
            for with_cgroups in [true, false] {
                let name = if with_cgroups {
                    FLOOR
                } else {
                    "the kernel's floor, no cgroups"
                };
                let groups: Vec<PathBuf> = if with_cgroups {
                    let parent = apart::cgroup_parent(&place.dir);
                    let mounts = apart::cgroup_mounts().into_iter();
                    mounts
                        .map(|mount| mount.join(parent.trim_start_matches('/')).join("floor"))
                        .collect()
                } else {
                    Vec::new()
                };
                let (floor, rootfs) = (&floor, &rootfs);
                subjects.push(Subject::new(name, move || {
                    timed(Command::new(floor).arg(rootfs).args(&groups))
                }));
            }
        }
        let outcomes = take_turns(ROUNDS, subjects);
        let with = if with_seccomp {
            "with a seccomp filter"
        } else {
            "without seccomp"
        };
        let target = |than, part| Target {
            ours: "gantry-runtime",
            than,
            part,
        };
        let targets = [target("runc", 5.0), target(CRUN, 1.0), target(FLOOR, 1.0 / 3.0)];
        report::times(
            &format!("Start to exit of /bin/true, OCI command line `run`, {with}"),
            ROUNDS,
            &outcomes,
            &targets,
        );
    }
    Ok(())
}

fn run_container(command: &mut Command, root: &Path, bundle: &Path) -> Result<Duration> {
    let mut run = Command::new(command.get_program());
    run.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
    timed(
        run.arg("--root")
            .arg(root)
            .args(["run", "--bundle"])
            .arg(bundle)
            .arg("bench"),
    )
}

/// Shows `work` only the first version, where the host has both: its containers join
/// one hierarchy less than the others'. The mounts are those of this place apart.
fn without_v2<T>(work: impl FnOnce() -> Result<T>) -> Result<T> {
    let place = Path::new(V2_OF_HYBRID);
    if !apart::cgroup_mounts().iter().any(|mount| mount == place) {
        return work();
    }
    let quietly = |command: &mut Command| match command.status() {
        Ok(status) if status.success() => Ok(()),
        outcome => bail!("cannot change the mounts at {V2_OF_HYBRID}: {outcome:?}"),
    };
    quietly(Command::new("umount").arg(place))?;
    let outcome = work();
    quietly(Command::new("mount").args(["-t", "cgroup2", "cgroup2"]).arg(place))?;
    outcome
}

/// Wall time of a command that has to succeed in silence.
fn timed(command: &mut Command) -> Result<Duration> {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    let begun = Instant::now();
    let child = command.spawn()?;
    // Its standard error ends with it: reading waits no longer than waiting would.
    let output = child.wait_with_output()?;
    let taken = begun.elapsed();
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        bail!("{}", said.lines().last().unwrap_or("it failed and said nothing"));
    }
    Ok(taken)
}

fn compile_floor() -> Result<PathBuf> {
    let program = workspace::target().join("bench-floor");
    let source = workspace::root().join("xtask/src/bench/floor.c");
    process::run(
        process::command("cc")
            .args(["-O2", "-static", "-Wall", "-o"])
            .arg(&program)
            .arg(&source),
    )
    .context("cannot compile the floor")?;
    Ok(program)
}
