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
mod help;
mod hooks;
mod kill;
mod list;
mod listening;
mod log;
mod pidfd;
mod ps;
mod run;
mod sealed;
mod start;
mod state_file;
mod systemd;
mod update;

use anyhow::{Context as _, Result, bail};
use arguments::{Argument, Arguments, Global, HelpRequested};
use std::process::ExitCode;

/// Runs the command of the process's arguments.
pub(crate) fn run() -> ExitCode {
    let mut arguments = Arguments::from_env();
    let global = match Global::parse(&mut arguments) {
        Ok(global) => global,
        Err(error) if error.is::<HelpRequested>() => {
            print!("{}", help::all());
            return ExitCode::SUCCESS;
        }
        Err(error) => {
            eprintln!("error: {}", log::text(&error));
            return ExitCode::FAILURE;
        }
    };
    match log::check(&global).and_then(|()| dispatch(&global, arguments)) {
        Ok(code) => ExitCode::from(code),
        Err(error) if error.is::<HelpRequested>() => print_help(&global),
        Err(error) => {
            log::error(&global, &error);
            code_of(&error, global.command.as_deref())
        }
    }
}

/// Of the command that was given.
fn print_help(global: &Global) -> ExitCode {
    let name = global.command.as_deref().unwrap_or_default();
    if let Some(text) = help::of(name) {
        print!("{text}");
        return ExitCode::SUCCESS;
    }
    log::error(global, &anyhow::anyhow!("No help topic for '{name}'"));
    ExitCode::FAILURE
}

/// What `exec` exits with when the process could not be run, as with runc. A lower code may
/// be the process's own.
const EXEC_FAILED: u8 = 255;

/// 126 and 127 where the command of a new container could not be run, as a shell has it;
/// else 1.
fn code_of(error: &anyhow::Error, command: Option<&str>) -> ExitCode {
    if command == Some("exec") {
        return ExitCode::from(EXEC_FAILED);
    }
    let codes = error.chain().filter_map(|cause| {
        let create = cause
            .downcast_ref::<runtime::CreateError>()
            .map(runtime::CreateError::code);
        create.or_else(|| cause.downcast_ref::<runtime::StartError>().map(|error| error.code))
    });
    let code = codes.into_iter().find(|code| matches!(code, 126 | 127));
    code.and_then(|code| u8::try_from(code).ok())
        .map_or(ExitCode::FAILURE, ExitCode::from)
}

fn dispatch(global: &Global, mut arguments: Arguments) -> Result<u8> {
    let Some(command) = global.command.as_deref() else {
        print!("{}", help::all());
        return Ok(0);
    };
    log::debug(
        global,
        &format!("{command}: containers below `{}`", global.root.display()),
    );
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
        "features" => done(describe::features(arguments)),
        "spec" => done(describe::spec(arguments)),
        "checkpoint" | "restore" => {
            while arguments.next()?.is_some() {}
            bail!("feature unavailable: CRIU >= 4.1 needed to {command} a container, which this runtime does not drive")
        }
        "help" => {
            let topic = arguments.next()?;
            let text = match &topic {
                Some(Argument::Operand(name)) => {
                    help::of(name).with_context(|| format!("No help topic for '{name}'"))?
                }
                _ => help::all(),
            };
            print!("{text}");
            Ok(0)
        }
        "version" => done(describe::version()),
        _ => {
            while arguments.next()?.is_some() {}
            bail!("there is no command `{command}`; `gantry-runtime help` lists them")
        }
    }
}
