//! From the first message to a container that waits for its start.

use super::connection::Role;
use super::container::{self, Begun, Container};
use super::event_loop::Shim;
use super::exit_record::write_whole;
use super::log::Log;
use super::process::{Process, ProcessKey};
use super::stdio::{Ours, Pipes};
use super::{complain, console};
use anyhow::{Context as _, Result, bail};
use cgroup::Hierarchies;
use shim_protocol::{FromShim, Inbox, Launch, LogMode, Problem, SOCKET, ShimRecord};
use std::fs::File;
use std::io::Write as _;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use sys::children::Deaths;

/// Killed for want of memory after everything else: without its shim a container
/// is lost.
const OOM_SCORE_ADJ: i32 = -998;

/// The exit code of a container that could not be made.
const NOT_MADE: i32 = 128;

/// Receives the launch message and makes the container. `None` when that failed
/// and the server was told why.
pub(super) fn launch() -> Result<Option<Shim>> {
    sys::allocator::stay_small();
    let mut channel = UnixStream::from(sys::session::take_stdin().context("cannot take the launch channel")?);
    let (launch, namespace, inbox) = receive(&channel)?;
    match make(launch, namespace) {
        Ok(mut shim) => {
            let created = FromShim::Created(shim.init);
            let token = shim.adopt(channel, Role::Control(inbox))?;
            shim.send_message(token, &created);
            // What was parsed is gone; from here on little is needed.
            sys::allocator::trim();
            Ok(Some(shim))
        }
        Err(problem) => {
            complain(&anyhow::anyhow!("{}: {}", problem.step, problem.message));
            let frame = shim_protocol::encode(&FromShim::Failed(problem))?;
            channel.write_all(&frame).context("cannot tell the server")?;
            Ok(None)
        }
    }
}

/// The message, the descriptor that came with it, and what was sent after it.
fn receive(channel: &UnixStream) -> Result<(Launch, Option<OwnedFd>, Inbox)> {
    let mut inbox = Inbox::default();
    let mut descriptors = Vec::new();
    let mut buffer = vec![0; 64 << 10];
    loop {
        if let Some(launch) = inbox.take::<Launch>()? {
            let namespace = descriptors.pop();
            if launch.network_namespace != namespace.is_some() {
                bail!("the launch message and the descriptors that came with it disagree");
            }
            return Ok((launch, namespace, inbox));
        }
        let (length, received) =
            sys::fd_passing::receive(channel, &mut buffer).context("cannot read the launch message")?;
        if length == 0 {
            bail!("the server closed the launch channel without a message");
        }
        descriptors.extend(received);
        inbox.push(&buffer[..length]);
    }
}

fn make(launch: Launch, namespace: Option<OwnedFd>) -> Result<Shim, Problem> {
    let failed = |step: &'static str| {
        move |error: anyhow::Error| Problem {
            code: Some(NOT_MADE),
            ..console::problem(step, format!("{error:#}"))
        }
    };
    stand_alone().map_err(failed("shim"))?;
    let hierarchies = Hierarchies::discover()
        .context("cannot find the cgroup hierarchies")
        .map_err(failed("cgroup"))?;
    super::exit_record::reserve_record(&launch.bundle_dir);
    let shims = launch.shim_cgroup.as_ref();
    let mut shims = shims
        .map(|path| container::make_shims(&hierarchies, path).map_err(failed("cgroup")))
        .transpose()?;
    if matches!(launch.log.mode, LogMode::NonBlocking { .. })
        && let Some(group) = shims.take()
    {
        // The clerk, hired below, stays where it is born.
        container::join_shims(&group).map_err(failed("cgroup"))?;
    }
    container::expect_dir(&launch.bundle_dir).map_err(failed("bundle"))?;
    container::expect_dir(&launch.run_dir).map_err(failed("shim"))?;
    let log = Log::open(&launch.log).map_err(failed("log"))?;
    let run_dir = File::open(&launch.run_dir)
        .with_context(|| format!("cannot open `{}`", launch.run_dir.display()))
        .map_err(failed("shim"))?;
    let listener = sys::unix_socket::listen_below(&run_dir, SOCKET)
        .with_context(|| format!("cannot listen at `{}`", launch.run_dir.join(SOCKET).display()))
        .map_err(failed("shim"))?;
    let (theirs, ours) = if launch.terminal {
        (None, None)
    } else {
        let (theirs, ours) = Pipes::make(launch.stdin_open).map_err(failed("pipes"))?.split();
        (Some(theirs), Some(ours))
    };
    let (container, begun) =
        Container::create(&launch, &hierarchies, theirs, namespace).map_err(|error| not_created(&error))?;
    let group = hierarchies.group(&launch.cgroup_path);
    let mut shim = serve(launch, container, begun, ours, log, listener)
        .inspect_err(|_| container::unmake_group(&group))
        .map_err(failed("shim"))?;
    shim.shims = shims;
    Ok(shim)
}

/// The code of the program or of what it needs, such as its working directory, where that
/// is what failed.
fn not_created(error: &anyhow::Error) -> Problem {
    let (code, step) = match error.downcast_ref::<runtime::CreateError>() {
        Some(runtime::CreateError::Init(failure)) => (failure.code, failure.step.as_str()),
        _ => (NOT_MADE, "create"),
    };
    Problem {
        code: Some(code),
        ..console::problem(step, format!("{error:#}"))
    }
}

/// Puts the created container into a loop and on record.
fn serve(
    launch: Launch,
    container: Container,
    begun: Begun,
    ours: Option<Ours>,
    log: Log,
    listener: std::os::unix::net::UnixListener,
) -> Result<Shim> {
    let Begun {
        identity,
        pidfd,
        terminal,
    } = begun;
    // Only now: making a container waits for children of its own.
    let deaths = Deaths::watch().context("cannot watch for children that end")?;
    let mut shim = Shim::new(launch, container, identity, log, listener, deaths)?;
    let mut process = Process::new(None, identity, pidfd);
    let ours = match (terminal, ours) {
        (Some(master), _) => Ours::terminal(master),
        (None, Some(ours)) => ours,
        (None, None) => bail!("the runtime made no terminal"),
    };
    shim.watch_streams(ProcessKey::INIT, &mut process, ours)?;
    shim.processes.insert(ProcessKey::INIT, process);
    let own = i32::try_from(std::process::id()).context("the shim has no pid")?;
    let record = ShimRecord {
        protocol: shim_protocol::VERSION,
        run: shim.launch.run,
        pid: own,
        start_ticks: sys::pidfd::start_ticks(own).context("cannot read the shim's start time")?,
        init_pid: identity.pid,
        init_start_ticks: identity.start_ticks,
        boot_id: sys::session::boot_id().context("cannot read the boot id")?,
    };
    write_whole(&shim.launch.run_dir, ShimRecord::FILE, &record.to_json())?;
    Ok(shim)
}

fn stand_alone() -> Result<()> {
    sys::session::leave().context("cannot leave the server's session")?;
    sys::session::adopt_orphans().context("cannot become the foster parent of orphans")?;
    if let Err(error) = sys::session::set_oom_score_adj(OOM_SCORE_ADJ) {
        // Not allowed everywhere; the container works without.
        complain(&anyhow::Error::new(error).context("cannot set oom_score_adj"));
    }
    Ok(())
}
