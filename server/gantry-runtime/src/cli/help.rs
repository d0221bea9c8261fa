//! What `--help` prints.

use std::fmt::Write as _;

struct Command {
    name: &'static str,
    arguments: &'static str,
    summary: &'static str,
}

const COMMANDS: [Command; 17] = [
    Command {
        name: "create",
        arguments: CREATE,
        summary: "create a container whose process waits for `start`",
    },
    Command {
        name: "start",
        arguments: "ID",
        summary: "start the process of a created container",
    },
    Command {
        name: "run",
        arguments: "[-d] [--keep] [options of create] ID",
        summary: "create, start, wait for the end and delete; with -d, create and start",
    },
    Command {
        name: "state",
        arguments: "ID",
        summary: "print the state as JSON",
    },
    Command {
        name: "kill",
        arguments: "[-a|--all] ID [SIGNAL]",
        summary: "send a signal, TERM by default",
    },
    Command {
        name: "delete",
        arguments: "[-f|--force] ID",
        summary: "delete a stopped container; with --force, kill it before",
    },
    Command {
        name: "exec",
        arguments: EXEC,
        summary: "run a further process; exits with its exit code, or with 255 when it cannot be run",
    },
    Command {
        name: "pause",
        arguments: "ID",
        summary: "freeze every process",
    },
    Command {
        name: "resume",
        arguments: "ID",
        summary: "thaw every process",
    },
    Command {
        name: "ps",
        arguments: "[-f json|table] ID",
        summary: "list the processes",
    },
    Command {
        name: "update",
        arguments: UPDATE,
        summary: "change the limits of a container",
    },
    Command {
        name: "events",
        arguments: "[--stats] [--interval DURATION] ID",
        summary: "print usage at intervals and out-of-memory kills; with --stats, print usage once",
    },
    Command {
        name: "list",
        arguments: "[-q] [-f json|table]",
        summary: "list the containers below --root",
    },
    Command {
        name: "spec",
        arguments: "[-b DIR] [--rootless]",
        summary: "write a config.json to start from",
    },
    Command {
        name: "features",
        arguments: "",
        summary: "print what this runtime supports as JSON",
    },
    Command {
        name: "checkpoint",
        arguments: "ID",
        summary: "not supported: this runtime does not drive CRIU",
    },
    Command {
        name: "restore",
        arguments: "ID",
        summary: "not supported: this runtime does not drive CRIU",
    },
];

const CREATE: &str = "[-b DIR] [--config FILE] [--console-socket PATH] [--pid-file FILE] [--pidfd-socket PATH] \
                      [--preserve-fds N] [--no-pivot] [--no-new-keyring] ID";

const EXEC: &str = "[-t] [-d] [-u UID[:GID]] [-g GID] [-e NAME=VALUE] [--cwd DIR] [-c|--cap CAPABILITY] [-p FILE] \
                    [--console-socket PATH] [--pid-file FILE] [--pidfd-socket PATH] [--preserve-fds N] \
                    [--cgroup [CONTROLLERS:]PATH] [--no-new-privs] [--ignore-paused] [--apparmor PROFILE] [--process-label LABEL] \
                    ID COMMAND [ARGUMENT …]";

const UPDATE: &str = "[-r FILE|-] [--memory BYTES] [--memory-reservation BYTES] [--memory-swap BYTES] \
                      [--cpu-period US] [--cpu-quota US] [--cpu-burst US] [--cpu-rt-period US] [--cpu-rt-runtime US] \
                      [--cpu-share N] [--cpu-idle 0|1] [--cpuset-cpus LIST] [--cpuset-mems LIST] [--pids-limit N] \
                      [--blkio-weight N] [--l3-cache-schema SCHEMA] [--mem-bw-schema SCHEMA] ID";

const USAGE: &str = "gantry-runtime [--root DIR] [--log FILE] [--log-format text|json] [--debug] \
                     [--systemd-cgroup] [--cgroup-manager cgroupfs|systemd] COMMAND";

/// Of the whole program.
pub(super) fn all() -> String {
    let mut text = format!("gantry-runtime: runs containers from OCI bundles\n\nusage: {USAGE} …\n\n");
    for command in &COMMANDS {
        let _ = writeln!(text, "  {:<11} {}", command.name, command.summary);
    }
    text.push_str("\n`gantry-runtime COMMAND --help` prints the arguments of a command.\n");
    text
}

/// Of one command; `None` where there is none of that name.
pub(super) fn of(name: &str) -> Option<String> {
    let command = COMMANDS.iter().find(|command| command.name == name)?;
    let Command {
        name,
        arguments,
        summary,
    } = command;
    Some(format!(
        "gantry-runtime {name} - {summary}\n\nusage: {USAGE} {name} {arguments}\n"
    ))
}
