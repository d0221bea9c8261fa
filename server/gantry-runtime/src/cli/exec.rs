//! `exec`: a further process in a running container.

use super::arguments::{Argument, Arguments, Global, unknown};
use super::console;
use super::create::{stdio, write_pid};
use super::listening;
use super::run::attend;
use super::state_file::{StateFile, Status};
use anyhow::{Context as _, Result, bail};
use cgroup::Below;
use oci_spec::runtime::Process;
use serde_json::{Value, json};
use std::path::PathBuf;

#[derive(Debug, Default)]
struct Wish {
    id: Option<String>,
    /// The file, and what it holds.
    process: Option<(PathBuf, Vec<u8>)>,
    command: Vec<String>,
    env: Vec<String>,
    cwd: Option<String>,
    user: Option<String>,
    groups: Vec<u32>,
    capabilities: Vec<String>,
    terminal: bool,
    detach: bool,
    no_new_privileges: bool,
    ignore_paused: bool,
    console_socket: Option<PathBuf>,
    pid_file: Option<PathBuf>,
    pidfd_socket: Option<PathBuf>,
    preserve_fds: u32,
    apparmor: Option<String>,
    label: Option<String>,
    below: Vec<Below>,
}

impl Wish {
    fn parse(mut arguments: Arguments) -> Result<Self> {
        let mut wish = Self::default();
        while let Some(argument) = arguments.next()? {
            match argument {
                Argument::Operand(id) => {
                    wish.id = Some(id);
                    // What follows belongs to the command, switches too.
                    wish.command = arguments.rest()?;
                    break;
                }
                Argument::Switch(name) => match name.as_str() {
                    // At once: it may be a descriptor, which is closed soon.
                    "p" | "process" => wish.process = Some(read(arguments.value()?.into())?),
                    "e" | "env" => wish.env.push(arguments.value()?),
                    "cwd" => wish.cwd = Some(arguments.value()?),
                    "u" | "user" => wish.user = Some(arguments.value()?),
                    "g" | "additional-gids" => wish.groups.push(arguments.number()?),
                    "c" | "cap" => wish.capabilities.push(arguments.value()?),
                    "t" | "tty" => wish.terminal = arguments.flag()?,
                    "d" | "detach" => wish.detach = arguments.flag()?,
                    "no-new-privs" => wish.no_new_privileges = arguments.flag()?,
                    "ignore-paused" => wish.ignore_paused = arguments.flag()?,
                    "console-socket" => wish.console_socket = Some(arguments.value()?.into()),
                    "pid-file" => wish.pid_file = Some(arguments.value()?.into()),
                    "pidfd-socket" => wish.pidfd_socket = Some(arguments.value()?.into()),
                    "preserve-fds" => wish.preserve_fds = arguments.number()?,
                    "apparmor" => wish.apparmor = Some(arguments.value()?),
                    "process-label" => wish.label = Some(arguments.value()?),
                    "cgroup" => wish.below.push(below(&arguments.value()?)?),
                    _ => return unknown(&name),
                },
            }
        }
        wish.preserve_fds = wish.preserve_fds.saturating_add(listening::count());
        if wish.command.first().is_some_and(|first| first == "--") {
            wish.command.remove(0);
        }
        Ok(wish)
    }

    /// The OCI process, and what of it had to be left out: from a file, or the
    /// container's own with what is asked put over it.
    fn process(&self, config: &Value) -> Result<(Process, Vec<String>)> {
        if let Some((path, json)) = &self.process {
            return bundle::config_file::process(path, json)
                .with_context(|| format!("`{}` holds no process", path.display()));
        }
        if self.command.is_empty() {
            bail!("name the command, or a file with --process");
        }
        let mut process = bundle::exec_process(
            config,
            &bundle::ExecProcess {
                command: &self.command,
                env: &self.env,
                working_dir: self.cwd.as_deref(),
                terminal: self.terminal,
                ..bundle::ExecProcess::default()
            },
        )?;
        if let Some(user) = &self.user {
            let (uid, gid) = match user.split_once(':') {
                Some((uid, gid)) => (uid, Some(gid)),
                None => (user.as_str(), None),
            };
            let number = |text: &str| {
                let digits = text.bytes().all(|byte| byte.is_ascii_digit());
                text.parse::<u32>()
                    .ok()
                    .filter(|_| digits)
                    .with_context(|| format!("`{user}` is not UID[:GID]"))
            };
            let umask = process["user"]["umask"].take();
            process["user"] = json!({"uid": number(uid)?, "gid": gid.map_or(Ok(0), number)?});
            if !umask.is_null() {
                process["user"]["umask"] = umask;
            }
        }
        if !self.groups.is_empty() {
            process["user"]["additionalGids"] = json!(self.groups);
        }
        add_capabilities(&mut process, &self.capabilities);
        for (field, value) in [("apparmorProfile", &self.apparmor), ("selinuxLabel", &self.label)] {
            if let Some(value) = value {
                process[field] = value.as_str().into();
            }
        }
        if self.no_new_privileges {
            process["noNewPrivileges"] = true.into();
        }
        let process = serde_json::from_value(process).context("the process cannot be described")?;
        Ok((process, Vec::new()))
    }
}

fn read(path: PathBuf) -> Result<(PathBuf, Vec<u8>)> {
    let json = std::fs::read(&path).with_context(|| format!("cannot read `{}`", path.display()))?;
    Ok((path, json))
}

/// Into the sets of the configuration, made where it has none. Never inheritable, and so
/// ambient only where the configuration has an inheritable set, which must have it.
fn add_capabilities(process: &mut Value, added: &[String]) {
    let inherits = process["capabilities"]["inheritable"].is_array();
    let sets = ["bounding", "effective", "permitted"].into_iter();
    for set in sets.chain(inherits.then_some("ambient")) {
        for capability in added {
            match process["capabilities"][set].as_array_mut() {
                Some(list) => list.push(json!(capability)),
                None => process["capabilities"][set] = json!([capability]),
            }
        }
    }
}

/// `--cgroup [CONTROLLER[,CONTROLLER]:]PATH`: a group that the container made below its own.
fn below(text: &str) -> Result<Below> {
    let (controllers, path) = text.rsplit_once(':').unwrap_or(("", text));
    if path.split('/').any(|part| part == "..") {
        // The wording is that of runc and crun, which people and test suites search for.
        bail!("bad sub cgroup path: {path} is not a sub cgroup path: `..` components are not allowed");
    }
    let controllers = controllers.split(',').filter(|name| !name.is_empty());
    Ok(Below {
        controllers: controllers.map(str::to_owned).collect(),
        path: path.trim_matches('/').to_owned(),
    })
}

pub(super) fn exec(global: &Global, arguments: Arguments) -> Result<u8> {
    let wish = Wish::parse(arguments)?;
    // What the caller left open is nothing to the container (CVE-2024-21626).
    sys::reaper::close_from(wish.preserve_fds.saturating_add(3));
    let id = wish.id.as_deref().context("name the container")?;
    let state = StateFile::load(global, id)?;
    match state.status(global)? {
        Status::Created | Status::Running => {}
        Status::Paused if wish.ignore_paused => {}
        Status::Paused => bail!("cannot exec in a paused container: `{id}`; resume it first or use --ignore-paused"),
        Status::Stopped => bail!("cannot exec in a container that is not running: `{id}` has ended"),
    }
    let spec = state.spec(global)?;
    let (mut process, warnings) = wish.process(&serde_json::to_value(&spec)?)?;
    for warning in warnings {
        super::log::warning(global, &warning);
    }
    listening::announce(&mut process);
    super::create::warn_of_capabilities(global, &process);
    let terminal = process.terminal().unwrap_or(false);
    if terminal && wish.detach && wish.console_socket.is_none() {
        bail!("a detached exec with a terminal needs --console-socket");
    }
    let begun = runtime::exec(runtime::Exec {
        id,
        bundle: &state.bundle,
        init: state.init(),
        process: &process,
        spec: &spec,
        group: state.group()?,
        below: &wish.below,
        stdio: stdio(Some(&process), wish.console_socket.is_none())?,
        preserve_fds: wish.preserve_fds,
        trace: Some(&|message| super::log::debug(global, message)),
    });
    let mut begun = begun.context("exec failed")?;
    if let Some(socket) = &wish.pidfd_socket {
        super::pidfd::hand_over(socket, "setns", &begun.pidfd)?;
    }
    if let Some(path) = &wish.pid_file {
        write_pid(path, begun.pid)?;
    }
    let master = match (&wish.console_socket, begun.terminal.take()) {
        (Some(socket), Some(master)) => {
            console::hand_over(socket, &master)?;
            None
        }
        (_, master) => master,
    };
    if wish.detach {
        return Ok(0);
    }
    attend(master, begun.pid, &begun.pidfd)
}
