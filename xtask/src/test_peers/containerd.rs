//! containerd, whose shim for runc is given our runtime, driven by `ctr`.

use super::check::{Check, ask, check, mounts, quoted};
use super::{Place, image};
use crate::peers::containerd::Containerd;
use crate::process;
use anyhow::{Result, bail};
use std::process::Command;

/// `$RUN` is `ctr run` with our runtime; `--cgroup` names the group.
const CHECKS: &[Check] = &[
    check(
        "a container runs to its end, and its output and exit code arrive",
        "$RUN --rm --cgroup $PARENT/one $IMAGE one sh -c 'echo out; exit 7'; echo code $?",
        "out\ncode 7\n",
    ),
    check(
        "a container in the background writes to a file, and is killed and deleted",
        "$RUN -d --cgroup $PARENT/one --log-uri file://$DIR/one.log $IMAGE one sh -c 'echo logged; exec sleep 600'
         until_ 'grep -q logged $DIR/one.log' && cat $DIR/one.log
         $E task ls | grep -c 'one .*RUNNING'; $E task kill -s KILL one; until_ '$E task ls | grep -q STOPPED'
         $E task rm one 2>&1 | grep -o 'exit code [0-9]*'; $E container rm one",
        "logged\n1\nexit code 137\n",
    ),
    check(
        "an exec has its own user, directory, exit code and process number",
        "$RUN -d --cgroup $PARENT/one $IMAGE one sleep 600
         $E task exec --exec-id first --user 1000:1000 --cwd /tmp one sh -c 'id -u; pwd; exit 4'; echo code $?
         echo in | $E task exec --exec-id second one cat
         $E task exec --exec-id third one nope 2>&1 | grep -o 'executable file not found'
         $E task rm -f one; $E container rm one",
        "1000\n/tmp\ncode 4\nin\nexecutable file not found\n",
    ),
    check(
        "containers and execs have terminals",
        "terminal \"$RUN -t --rm --cgroup $PARENT/one $IMAGE one tty\" | grep ^/dev
         $RUN -d --cgroup $PARENT/one $IMAGE one sleep 600
         terminal \"$E task exec -t --exec-id first one tty\" | grep ^/dev; $E task rm -f one; $E container rm one",
        "/dev/pts/0\n/dev/pts/0\n",
    ),
    check(
        "limits are in the cgroup, and its use is told",
        "$RUN -d --cgroup $PARENT/one --memory-limit 67108864 --cpus 0.5 $IMAGE one sleep 600
         held memory memory.limit_in_bytes memory.max one; held cpu cpu.cfs_quota_us cpu.max one
         $E task metrics one | grep -c -E 'memory.*usage'; $E task ps one | wc -l
         $E task rm -f one; $E container rm one",
        "67108864\n50000\n1\n2\n",
    ),
    check(
        "a paused container stands still and goes on",
        "$RUN -d --cgroup $PARENT/one $IMAGE one sleep 600
         $E task pause one; $E task ls | grep -o PAUSED; $E task resume one; $E task ls | grep -o RUNNING
         $E task rm -f one; $E container rm one",
        "PAUSED\nRUNNING\n",
    ),
    check(
        "a signal is caught inside",
        "$RUN -d --cgroup $PARENT/one --log-uri file://$DIR/one.log $IMAGE one sh -c 'trap \"exit 5\" TERM; echo ready; while :; do sleep 0.1; done'
         until_ 'grep -q ready $DIR/one.log'; $E task kill -s TERM one; until_ '$E task ls | grep -q STOPPED'
         $E task rm one 2>&1 | grep -o 'exit code [0-9]*'; $E container rm one",
        "exit code 5\n",
    ),
    check(
        "a command that is not there makes no container run",
        "$RUN --rm --cgroup $PARENT/one $IMAGE one nope 2>&1 | grep -o 'executable file not found'; $E task ls -q",
        "executable file not found\n",
    ),
    check(
        "rights, filters, mounts and a read-only root are as asked",
        "mkdir -p $DIR/volume && echo kept > $DIR/volume/file
         $RUN --rm --cgroup $PARENT/one --read-only --seccomp --mount type=bind,src=$DIR/volume,dst=/v,options=rbind:ro \
         --cap-drop CAP_CHOWN $IMAGE one sh -c '
         grep Seccomp: /proc/self/status; cat /v/file; touch /v/x 2>/dev/null || echo volume; touch /x 2>/dev/null || echo root; chown 1 /v 2>/dev/null || echo rights'",
        "Seccomp:\t2\nkept\nvolume\nroot\nrights\n",
    ),
    check(
        "a privileged container is not filtered",
        "$RUN --rm --privileged --cgroup $PARENT/one $IMAGE one grep Seccomp: /proc/self/status",
        "Seccomp:\t0\n",
    ),
    check(
        "nothing is left over",
        "$E container ls -q; $E task ls -q; left='pgrep -x sleep; ls -A $STATES 2>/dev/null
         find /sys/fs/cgroup -path \"*$PARENT/*\" -type d -name one 2>/dev/null'
         until_ '[ -z \"$(eval \"$left\")\" ]'; eval \"$left\"",
        "",
    ),
];

pub(super) fn containerd(place: &Place) -> Result<()> {
    let dir = place.dir.join("containerd");
    let run_dir = place.dir.join("containerd-run");
    let containerd = Containerd::start(&dir, &run_dir)?;
    let archive = image::make(&place.dir)?;
    let (ctr, switches) = containerd.command_line();
    let ctr = ctr.display().to_string();
    let engine = quoted(std::iter::once(ctr.as_str()).chain(switches.iter().map(String::as_str)));
    let program = place.dir.join("engine");
    std::fs::write(&program, format!("#!/bin/sh\nexec {engine} \"$@\"\n"))?;
    process::run(Command::new("chmod").arg("+x").arg(&program))?;
    process::run(Command::new(&program).args(["images", "import"]).arg(&archive))?;
    let before = mounts()?;
    let states = run_dir.join("states").display().to_string();
    let runtime = place.runtime.display();
    let environment = [
        ("E", program.display().to_string()),
        (
            "RUN",
            format!("{} run --runc-binary {runtime} --runc-root {states}", program.display()),
        ),
        ("IMAGE", image::NAME.to_owned()),
        ("PARENT", place.cgroup_parent()),
        ("DIR", place.dir.display().to_string()),
        ("STATES", format!("{states}/default")),
    ];
    let outcome = ask("containerd", CHECKS, &environment);
    let left: Vec<String> = mounts()?.into_iter().filter(|mount| !before.contains(mount)).collect();
    if !left.is_empty() {
        bail!("containerd left mounts: {left:?}");
    }
    outcome
}
