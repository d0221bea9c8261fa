//! The OCI runtime command line, with the commands and switches other engines and
//! test suites call. One file a command; `state_file` is what they share on disk.
//!
//! A process of the command line lives only as long as its command: init is
//! inherited by whoever called, and waits at a FIFO for its start.

mod arguments;
mod console;
mod create;
mod delete;
mod describe;
mod exec;
mod hooks;
mod kill;
mod list;
mod log;
mod ps;
mod run;
mod sealed;
mod start;
mod state_file;
mod systemd;
mod update;

use anyhow::{Result, bail};
use arguments::{Arguments, Global};
use std::process::ExitCode;

const HELP: &str = "\
gantry-runtime: runs containers from OCI bundles

usage: gantry-runtime [--root DIR] [--log FILE] [--log-format text|json] [--systemd-cgroup] COMMAND …

  create [-b BUNDLE] [--console-socket PATH] [--pid-file FILE] [--preserve-fds N] [--no-pivot] [--no-new-keyring] ID
  start ID                  let a created container's command begin
  run [-d] (as create) ID   create, start, wait, delete
  state ID                  the container's state as JSON
  kill [--all] ID [SIGNAL]  send a signal (TERM)
  delete [--force] ID       remove what a stopped container left
  exec [-t] [-d] [-u UID[:GID]] [-e NAME=VALUE] [--cwd DIR] [-p FILE] [--pid-file FILE] ID COMMAND …
  pause ID, resume ID       freeze, thaw
  ps [-f json|table] ID     processes
  update [-r FILE] [--memory N] [--cpus …] … ID
  events [--stats] [--interval SECONDS] ID
  list [-q] [-f json|table]
  spec [-b DIR], features
";

/// Runs the command of the process's arguments.
pub(crate) fn run() -> ExitCode {
    let mut arguments = Arguments::from_env();
    let global = match Global::parse(&mut arguments) {
        Ok(global) => global,
        Err(error) => {
            eprintln!("gantry-runtime: {error:#}");
            return ExitCode::FAILURE;
        }
    };
    match dispatch(&global, arguments) {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            log::error(&global, &error);
            code_of(&error)
        }
    }
}

/// 126 and 127 where the command could not be run, as a shell has it; else 1.
fn code_of(error: &anyhow::Error) -> ExitCode {
    let codes = error.chain().filter_map(|cause| {
        let create = cause
            .downcast_ref::<runtime::CreateError>()
            .map(runtime::CreateError::code);
        let start = cause.downcast_ref::<runtime::StartError>().map(|error| error.code);
        let exec = cause.downcast_ref::<runtime::ExecError>().map(runtime::ExecError::code);
        create.or(start).or(exec)
    });
    let code = codes.into_iter().find(|code| matches!(code, 126 | 127));
    code.and_then(|code| u8::try_from(code).ok())
        .map_or(ExitCode::FAILURE, ExitCode::from)
}

fn dispatch(global: &Global, arguments: Arguments) -> Result<u8> {
    let Some(command) = global.command.as_deref() else {
        print!("{HELP}");
        return Ok(0);
    };
    if matches!(command, "create" | "run" | "exec") {
        sealed::ensure()?;
    }
    let done = |outcome: Result<()>| outcome.map(|()| 0);
    match command {
        "create" => done(create::create(global, arguments)),
        "start" => done(start::start(global, arguments)),
        "run" => run::run(global, arguments),
        "state" => done(describe::state(global, arguments)),
        "kill" => done(kill::kill(global, arguments)),
        "delete" => done(delete::delete(global, arguments)),
        "exec" => exec::exec(global, arguments),
        "pause" => done(kill::pause(global, arguments)),
        "resume" => done(kill::resume(global, arguments)),
        "ps" => done(ps::ps(global, arguments)),
        "update" => done(update::update(global, arguments)),
        "events" => done(ps::events(global, arguments)),
        "list" => done(list::list(global, arguments)),
        "features" => done(describe::features()),
        "spec" => done(describe::spec(arguments)),
        "checkpoint" | "restore" => {
            bail!("feature unavailable: CRIU >= 4.1 needed to {command} a container, which this runtime does not drive")
        }
        "help" => {
            print!("{HELP}");
            Ok(0)
        }
        "version" => done(describe::version()),
        _ => bail!("there is no command `{command}`; `gantry-runtime help` lists them"),
    }
}
