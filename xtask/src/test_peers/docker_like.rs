//! dockerd and podman, whose command lines are one: containers run by them with our
//! runtime.

use super::check::{Check, ask, check, mounts, quoted};
use super::{Place, image};
use crate::peers::dockerd::{Dockerd, Settings};
use crate::peers::podman;
use crate::{packages, process};
use anyhow::{Result, bail};
use std::path::Path;
use std::process::Command;

/// `$RUN` is the engine's `run` with what it needs here.
const CHECKS: &[Check] = &[
    check(
        "a container runs to its end, and its output and exit code arrive",
        "$RUN --name one $IMAGE sh -c 'echo out; exit 7'; echo code $?; $E logs one; $E rm one",
        "out\ncode 7\nout\none\n",
    ),
    check(
        "input is carried into a container",
        "echo hello | $RUN -i --rm $IMAGE cat",
        "hello\n",
    ),
    check(
        "an exec has its own user, environment, directory and exit code",
        "$RUN -d --name one $IMAGE sleep 600 >/dev/null
         $E exec -u 1000:1000 -e A=b -w /tmp one sh -c 'id -u; echo $A; pwd; exit 4'; echo code $?
         echo in | $E exec -i one cat
         $E rm -f one",
        "1000\nb\n/tmp\ncode 4\nin\none\n",
    ),
    check(
        "an exec in the background does its work",
        "$RUN -d --name one $IMAGE sleep 600 >/dev/null; $E exec -d one touch /done >/dev/null
         until_ '$E exec one test -e /done' && echo done; $E rm -f one",
        "done\none\n",
    ),
    check(
        "containers and execs have terminals of the size of the caller's",
        "$RUN -t --rm $IMAGE tty
         sized='n=0; until [ \"$(stty size 2>/dev/null)\" = \"33 111\" ] || [ $n = 100 ]; do n=$((n + 1)); sleep 0.05; done; stty size'
         terminal \"stty rows 33 cols 111; $RUN -it --rm $IMAGE sh -c '$sized'\"
         $RUN -d --name one $IMAGE sleep 600 >/dev/null
         $E exec -t one tty
         terminal \"stty rows 33 cols 111; $E exec -it one sh -c '$sized'\"
         $E rm -f one",
        "/dev/pts/0\n33 111\n/dev/pts/0\n33 111\none\n",
    ),
    check(
        "limits are in the cgroup, and are changed while it runs",
        "id=$($RUN -d --name one --memory 64m --pids-limit 50 --cpus 0.5 --cpuset-cpus 0 $IMAGE sleep 600)
         held memory memory.limit_in_bytes memory.max $id; held pids pids.max pids.max $id
         held cpu cpu.cfs_quota_us cpu.max $id; held cpuset cpuset.cpus cpuset.cpus $id
         $E update --memory 128m --memory-swap 256m one >/dev/null; held memory memory.limit_in_bytes memory.max $id
         $E rm -f one",
        "67108864\n50\n50000\n0\n134217728\none\n",
    ),
    check(
        "a paused container stands still, refuses an exec, and goes on",
        "$RUN -d --name one $IMAGE sleep 600 >/dev/null; $E pause one >/dev/null; $E inspect -f '{{.State.Status}}' one
         $E exec one true 2>/dev/null || echo refused
         $E unpause one >/dev/null; $E inspect -f '{{.State.Status}}' one; $E exec one echo on; $E rm -f one",
        "paused\nrefused\nrunning\non\none\n",
    ),
    check(
        "signals arrive, and their exit codes come back",
        "$RUN -d --name one $IMAGE sh -c 'trap \"exit 5\" TERM; echo ready; while :; do sleep 0.1; done' >/dev/null
         until_ '$E logs one | grep -q ready'; $E kill -s TERM one >/dev/null; $E wait one; $E rm one
         $RUN -d --name two $IMAGE sleep 600 >/dev/null; $E kill two >/dev/null; $E wait two; $E rm two
         $RUN -d --name six $IMAGE sleep 600 >/dev/null; $E stop -t 0 six; $E wait six; $E rm six",
        "5\none\n137\ntwo\nsix\n137\nsix\n",
    ),
    check(
        "a container starts again",
        "$RUN --name one $IMAGE sh -c 'echo run; touch /again'; $E start -a one; $E restart -t 0 one >/dev/null
         $E wait one; $E rm one",
        "run\nrun\n0\none\n",
    ),
    check(
        "a command that is not there or cannot be run has its exit code, and makes no container run",
        "for command in /nope nope /bin; do $RUN --name one $IMAGE $command 2>/dev/null; echo $?
         $E inspect -f '{{.State.Running}}' one; $E rm one >/dev/null; done",
        "127\nfalse\n127\nfalse\n126\nfalse\n",
    ),
    check(
        "rights are taken away and system calls filtered",
        "$RUN --rm --cap-drop ALL --security-opt no-new-privileges --user 1000 $IMAGE sh -c '
         grep -E \"CapBnd|CapEff|NoNewPrivs|Seccomp:\" /proc/self/status'",
        "CapEff:\t0000000000000000\nCapBnd:\t0000000000000000\nNoNewPrivs:\t1\nSeccomp:\t2\n",
    ),
    check(
        "a privileged container sees all devices, and is not filtered",
        "$RUN --rm --privileged $IMAGE sh -c 'grep Seccomp: /proc/self/status; test -c /dev/null && readlink /dev/ptmx'",
        "Seccomp:\t0\npts/ptmx\n",
    ),
    check(
        "a read-only root, a volume, a tmpfs, kernel parameters and a device are there",
        "mkdir -p $DIR/volume && echo kept > $DIR/volume/file
         $RUN --rm --read-only -v $DIR/volume:/v:ro --tmpfs /t:size=1m --sysctl kernel.shmmni=77 --shm-size 5m \
         --hostname box --device /dev/zero:/dev/mine $IMAGE sh -c '
         touch /x 2>/dev/null || echo root; touch /v/x 2>/dev/null || echo volume; cat /v/file; touch /t/x && echo tmpfs
         cat /proc/sys/kernel/shmmni; hostname; stat -c %t:%T /dev/mine; df -k /dev/shm | tail -n 1 | tr -s \" \" | cut -d\" \" -f2'",
        "root\nvolume\nkept\ntmpfs\n77\nbox\n1:5\n5120\n",
    ),
    check(
        "containers share namespaces",
        "$RUN -d --ipc shareable --name one $IMAGE sleep 4711 >/dev/null
         $E run --rm $APART --pid container:one --network container:one --ipc container:one $IMAGE sh -c 'ps | grep -c \"[s]leep 4711\"'
         $E exec one true && echo lives; $E rm -f one",
        "1\nlives\none\n",
    ),
    check(
        "the host's namespaces are shared",
        "look='for name in pid net ipc uts; do readlink /proc/self/ns/$name; done'; sh -c \"$look\" > $DIR/outside
         $E run --rm $APART --pid host --network host --ipc host --uts host $IMAGE sh -c \"$look\" > $DIR/inside
         cmp $DIR/outside $DIR/inside && echo same",
        "same\n",
    ),
    check(
        "processes and their use are shown",
        "$RUN -d --name one $IMAGE sleep 4712 >/dev/null; $E top one | grep -c 'sleep 4712'
         $E stats --no-stream --format '{{.PIDs}}' one; $E rm -f one",
        "1\n1\none\n",
    ),
    check(
        "a health check runs inside",
        "$RUN -d --health-cmd 'test -e /bin/sh' --health-interval 1s --name one $IMAGE sleep 600 >/dev/null
         eval \"$HEALTH\"; until_ '[ \"$($E inspect -f {{.State.Health.Status}} one)\" = healthy ]' && echo healthy; $E rm -f one",
        "healthy\none\n",
    ),
    check(
        "twenty at once end with their own codes",
        "for n in $(seq 20); do ($RUN --rm $IMAGE sh -c \"exit $n\"; echo $?) & done | sort -n | tr '\\n' ' '; wait",
        "1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 ",
    ),
    check(
        "nothing is left over",
        "$E ps -aq; left='pgrep -x busybox; pgrep -x sleep; ls -A $STATES 2>/dev/null
         find /sys/fs/cgroup -path \"*$PARENT/*\" -type d -regextype egrep -regex \".*[0-9a-f]{64}.*\" 2>/dev/null'
         until_ '[ -z \"$(eval \"$left\")\" ]'; eval \"$left\"",
        "",
    ),
];

/// Which only dockerd has.
const DOCKERD: &[Check] = &[
    check(
        "a container that takes too much memory is killed and known for it",
        "$RUN --name one --memory 16m --memory-swap 16m $IMAGE sh -c 'x=aaaaaaaa; while :; do x=$x$x; done' 2>/dev/null
         $E inspect -f '{{.State.OOMKilled}} {{.State.ExitCode}}' one; $E rm one",
        "true 137\none\n",
    ),
    check(
        "limits of a process are set",
        "$RUN --rm --ulimit nofile=77:99 --ulimit core=0 $IMAGE sh -c 'ulimit -n; ulimit -H -n; ulimit -c'",
        "77\n99\n0\n",
    ),
    check(
        "a container has the engine's network, laid by a hook",
        "$E run --rm $APART $IMAGE sh -c 'ip -o -4 addr show eth0 | wc -l'",
        "1\n",
    ),
    check(
        "a checkpoint says what it would need",
        "$RUN -d --name one $IMAGE sleep 600 >/dev/null
         $E checkpoint create one first 2>&1 | grep -o 'CRIU >= 4.1' | head -n 1; $E rm -f one",
        "CRIU >= 4.1\none\n",
    ),
];

/// Which only podman has.
const PODMAN: &[Check] = &[
    check(
        "a container that takes too much memory is killed",
        "$RUN --name one --memory 16m --memory-swap 16m $IMAGE sh -c 'x=aaaaaaaa; while :; do x=$x$x; done' 2>/dev/null
         $E inspect -f '{{.State.ExitCode}}' one; $E rm one",
        "137\none\n",
    ),
    check(
        "root of a container may be an ordinary user outside",
        "$RUN --name one --uidmap 0:700000:65536 --gidmap 0:700000:65536 -d $IMAGE sleep 600 >/dev/null
     pid=$($E inspect -f '{{.State.Pid}}' one); stat -c %u /proc/$pid; $E exec one id -u; $E rm -f one",
        "700000\n0\none\n",
    ),
];

pub(super) fn dockerd(place: &Place) -> Result<()> {
    let run_dir = place.dir.join("dockerd");
    let dockerd = Dockerd::start(&Settings {
        dir: place.dir.join("dockerd"),
        run_dir: run_dir.clone(),
        cgroup_parent: place.cgroup_parent(),
        runtime: Some(place.runtime.clone()),
    })?;
    let docker = packages::unpack(&packages::UNPACKED[1])?;
    let socket = format!("unix://{}", dockerd.socket().display());
    let engine = quoted([&docker.display().to_string(), "-H", &socket]);
    let environment = [
        ("APART", String::new()),
        ("HEALTH", ":".to_owned()),
        ("STATES", run_dir.join("exec/runtime-gantry/moby").display().to_string()),
    ];
    run(place, "dockerd", &engine, DOCKERD, &environment)
}

pub(super) fn podman(place: &Place) -> Result<()> {
    let run_dir = place.dir.join("podman-run");
    let (peer, switches) = podman::command_line(&place.dir, &run_dir, &place.runtime)?;
    let program = peer.command();
    let libraries = program.get_envs().filter_map(|(name, value)| {
        let value = value?.to_string_lossy();
        Some(format!("{}={value}", name.to_string_lossy()))
    });
    let libraries: Vec<String> = libraries.collect();
    let name = program.get_program().to_string_lossy().into_owned();
    let words = std::iter::once("env")
        .chain(libraries.iter().map(String::as_str))
        .chain([name.as_str()])
        .chain(switches.iter().map(String::as_str));
    let environment = [
        ("APART", format!("--cgroup-parent {}", place.cgroup_parent())),
        // Timers are systemd's, which is not here.
        ("HEALTH", "$E healthcheck run one".to_owned()),
        ("STATES", "/run/gantry-runtime".to_owned()),
    ];
    run(place, "podman", &quoted(words), PODMAN, &environment)
}

fn run(place: &Place, name: &str, engine: &str, own: &[Check], environment: &[(&str, String)]) -> Result<()> {
    let archive = image::make(&place.dir)?;
    // A program, since a command line in a variable would be split at blanks. It runs in the
    // test's own directory: conmon writes a file `oom` into its working directory.
    let program = place.dir.join("engine");
    let dir = quoted([place.dir.display().to_string().as_str()]);
    std::fs::write(&program, format!("#!/bin/sh\ncd {dir} && exec {engine} \"$@\"\n"))?;
    process::run(Command::new("chmod").arg("+x").arg(&program))?;
    let before = mounts()?;
    let load = policy(&place.dir, name);
    process::run(Command::new(&program).arg("load").args(load).arg("-i").arg(&archive))?;
    let apart = &environment[0].1;
    let mut all = vec![
        ("E", program.display().to_string()),
        ("RUN", format!("{} run --network none {apart}", program.display())),
        ("IMAGE", image::NAME.to_owned()),
        ("PARENT", place.cgroup_parent()),
        ("DIR", place.dir.display().to_string()),
    ];
    all.extend(environment.iter().map(|(name, value)| (*name, value.clone())));
    let (last, first) = CHECKS.split_last().map_or((&CHECKS[..0], CHECKS), |(last, first)| {
        (std::slice::from_ref(last), first)
    });
    let outcomes = [first, own, last].map(|checks| ask(name, checks, &all));
    let left: Vec<String> = mounts()?.into_iter().filter(|mount| !before.contains(mount)).collect();
    // Engines mount their own folders once.
    let left: Vec<&String> = left
        .iter()
        .filter(|mount| mount.contains("merged") || mount.contains("rootfs"))
        .collect();
    if !left.is_empty() {
        bail!("{name} left mounts: {left:?}");
    }
    outcomes.into_iter().collect()
}

/// Podman trusts images by a file.
fn policy(dir: &Path, name: &str) -> Vec<String> {
    match name {
        "podman" => vec![
            "--signature-policy".to_owned(),
            dir.join("policy.json").display().to_string(),
        ],
        _ => Vec::new(),
    }
}
