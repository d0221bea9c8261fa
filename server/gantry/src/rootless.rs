//! A server of an ordinary user: it becomes root of a user namespace of its own, made of
//! the ids that `/etc/subuid` and `/etc/subgid` give to the user, and everything else goes
//! on as it does for root.
//!
//! ```text
//! gantry serve (user) ── makes ──▶ keeper: user, mount and network namespace; sleeps
//!        │                            ▲ newuidmap, newgidmap: its ids
//!        │                            └ pasta or slirp4netns: its way out
//!        └── enters user and mount namespace of the keeper, and serves
//! ```
//!
//! The keeper outlives the server, as containers do: the next server enters the same
//! namespaces. When no container is left, the server ends the keeper as it ends.

use anyhow::{Context as _, Result, bail};
use serde::{Deserialize, Serialize};
use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;
use sys::clone::{Birth, Cloned};
use sys::namespace;
use sys::subordinate_ids::{self, Run};

/// The argument by which this program is the keeper.
pub(crate) const KEEPER: &str = "rootless-keeper";
/// In the run directory.
const RECORD: &str = "rootless.json";
/// What a keeper may take to end.
const END_LIMIT: Duration = Duration::from_secs(5);

/// The namespaces of a server that is an ordinary user's.
#[derive(Debug)]
pub(crate) struct Rootless {
    record: Record,
    path: PathBuf,
    network: Arc<OwnedFd>,
}

/// What the next server must know.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Record {
    keeper: Process,
    /// Its way out, where that is a process.
    uplink: Option<Process>,
}

/// A process by pid and start time, since a bare pid comes to mean another.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
struct Process {
    pid: i32,
    start_ticks: u64,
}

impl Process {
    fn of(pid: i32) -> std::io::Result<Self> {
        Ok(Self {
            pid,
            start_ticks: sys::pidfd::start_ticks(pid)?,
        })
    }

    fn handle(self) -> Option<OwnedFd> {
        sys::pidfd::open_if_same(self.pid, self.start_ticks).ok().flatten()
    }

    fn end(self) {
        if let Some(handle) = self.handle() {
            let _ = sys::pidfd::send_signal(&handle, 15);
            if !sys::pidfd::wait_for_end(&handle, END_LIMIT).unwrap_or(false) {
                let _ = sys::pidfd::send_signal(&handle, 9);
            }
        }
    }
}

/// Where a user's server keeps its things. XDG Base Directory Specification
pub(crate) mod places {
    use super::{Path, PathBuf, subordinate_ids};

    fn named(variable: &str) -> Option<PathBuf> {
        std::env::var_os(variable)
            .map(PathBuf::from)
            .filter(|path| path.is_absolute())
    }

    fn home() -> Option<PathBuf> {
        named("HOME").or_else(|| {
            let user = subordinate_ids::user_by_id(sys::user::id())?;
            Some(user.home.into())
        })
    }

    pub(crate) fn data_dir() -> Option<PathBuf> {
        let base = named("XDG_DATA_HOME").or_else(|| Some(home()?.join(".local/share")))?;
        Some(base.join("gantry"))
    }

    pub(crate) fn run_dir() -> Option<PathBuf> {
        let logged_in = || {
            let dir = PathBuf::from(format!("/run/user/{}", sys::user::id()));
            Path::is_dir(&dir).then_some(dir)
        };
        Some(named("XDG_RUNTIME_DIR").or_else(logged_in)?.join("gantry"))
    }

    pub(crate) fn config_file() -> Option<PathBuf> {
        let base = named("XDG_CONFIG_HOME").or_else(|| Some(home()?.join(".config")))?;
        Some(base.join("gantry/gantry.toml"))
    }
}

/// Becomes root of the user's own namespaces; `None` for root of the host. Must come before
/// the first thread.
pub(crate) fn enter(run_dir: &Path) -> Result<Option<Rootless>> {
    if sys::user::is_root() {
        return Ok(None);
    }
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(run_dir)
        .with_context(|| format!("cannot make {}; choose another with --run-dir", run_dir.display()))?;
    let path = run_dir.join(RECORD);
    let known = fs::read(&path)
        .ok()
        .and_then(|bytes| serde_json::from_slice::<Record>(&bytes).ok());
    let record = match known {
        Some(record) if record.keeper.handle().is_some() => record,
        gone => {
            if let Some(uplink) = gone.and_then(|record| record.uplink) {
                uplink.end();
            }
            let record = make(run_dir).context("cannot make a user namespace for the server")?;
            fs::write(&path, serde_json::to_vec(&record)?)
                .with_context(|| format!("cannot write {}", path.display()))?;
            record
        }
    };
    let keeper = record
        .keeper
        .handle()
        .context("the process that keeps the namespaces is gone")?;
    let network = File::open(format!("/proc/{}/ns/net", record.keeper.pid));
    namespace::enter_those_of(&keeper, namespace::USER | namespace::MOUNT)
        .and_then(|()| sys::credentials::become_root())
        .context("cannot enter the namespaces of an earlier server")?;
    // Opened by its owner, or by root inside.
    let network = network.or_else(|_| File::open(format!("/proc/{}/ns/net", record.keeper.pid)));
    Ok(Some(Rootless {
        record,
        path,
        network: Arc::new(network.context("cannot open the network of the namespaces")?.into()),
    }))
}

impl Rootless {
    pub(crate) fn network(&self) -> Arc<OwnedFd> {
        self.network.clone()
    }

    /// Nothing needs the namespaces any more.
    pub(crate) fn end(self) {
        if let Some(uplink) = self.record.uplink {
            uplink.end();
        }
        self.record.keeper.end();
        let _ = fs::remove_file(&self.path);
    }
}

fn make(run_dir: &Path) -> Result<Record> {
    let maps = Maps::of_user()?;
    let (mut ours, mut theirs) = UnixStream::pair()?;
    let birth = Birth {
        namespaces: namespace::USER | namespace::MOUNT | namespace::NETWORK,
        ..Birth::default()
    };
    let cloned = sys::clone::clone(birth).context(
        "this host lets ordinary users make no user namespaces; see user.max_user_namespaces, \
         kernel.unprivileged_userns_clone and kernel.apparmor_restrict_unprivileged_userns of sysctl",
    )?;
    let pid = match cloned {
        Cloned::Child => {
            drop(ours);
            let error = become_keeper(&mut theirs);
            let _ = theirs.write_all(format!("{error:#}").as_bytes());
            sys::clone::exit_now(1)
        }
        Cloned::Parent { pid, .. } => pid,
    };
    drop(theirs);
    let keeper = Process::of(pid)?;
    let made = maps.write(pid).and_then(|()| {
        ours.write_all(b"m")?;
        let mut said = String::new();
        // Closed by the execution of the keeper's program, or after its complaint.
        ours.read_to_string(&mut said)?;
        if said.is_empty() { Ok(()) } else { bail!(said) }
    });
    if let Err(error) = made {
        keeper.end();
        let _ = sys::children::wait_for(pid);
        return Err(error);
    }
    Ok(Record {
        keeper,
        uplink: uplink(pid, run_dir),
    })
}

/// In the new namespaces, until the program is another.
fn become_keeper(channel: &mut UnixStream) -> anyhow::Error {
    let prepared = (|| {
        channel.read_exact(&mut [0])?;
        sys::credentials::become_root()?;
        sys::session::leave()?;
        sys::mount::isolate_root()
    })();
    if let Err(error) = prepared {
        return anyhow::Error::new(error).context("cannot set up the namespaces");
    }
    let error = Command::new("/proc/self/exe")
        .arg0("gantry")
        .arg(KEEPER)
        .env_clear()
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .exec();
    anyhow::Error::new(error).context("cannot execute the keeper of the namespaces")
}

/// Holds the namespaces by being in them.
pub(crate) fn keep() -> ! {
    sys::process_name::set_short("gantry-keeper");
    loop {
        std::thread::park();
    }
}

/// The ids of the user's namespace: its own for root, the subordinate ones for the rest.
struct Maps {
    uid: u32,
    gid: u32,
    users: Vec<Run>,
    groups: Vec<Run>,
}

impl Maps {
    fn of_user() -> Result<Self> {
        let uid = sys::user::id();
        let user = subordinate_ids::user_by_id(uid)
            .with_context(|| format!("the user {uid} is not in /etc/passwd, which newuidmap needs"))?;
        let found = subordinate_ids::of(&user.name, Some(uid)).context("cannot read /etc/subuid and /etc/subgid")?;
        if found.users.is_empty() || found.groups.is_empty() {
            bail!(
                "/etc/subuid and /etc/subgid give no ids to `{name}`; as root run \
                 `usermod --add-subuids 100000-165535 --add-subgids 100000-165535 {name}`",
                name = user.name
            );
        }
        Ok(Self {
            uid,
            gid: sys::user::group_id(),
            users: found.users,
            groups: found.groups,
        })
    }

    fn write(&self, pid: i32) -> Result<()> {
        for (program, own, runs) in [
            ("newgidmap", self.gid, &self.groups),
            ("newuidmap", self.uid, &self.users),
        ] {
            let mut command = Command::new(program);
            command.arg(pid.to_string()).args(["0", &own.to_string(), "1"]);
            let mut inside = 1;
            for run in runs {
                command.args([inside, run.first, run.count].map(|number| number.to_string()));
                inside += run.count;
            }
            let output = command
                .output()
                .with_context(|| format!("cannot run `{program}`; install the package `uidmap`"))?;
            if !output.status.success() {
                bail!("`{program}` failed: {}", String::from_utf8_lossy(&output.stderr).trim());
            }
        }
        Ok(())
    }
}

/// The way out for containers. Without one they reach each other and the host's published
/// ports are served all the same.
fn uplink(pid: i32, run_dir: &Path) -> Option<Process> {
    let mut reasons = Vec::new();
    for start in [pasta, slirp4netns] {
        match start(pid, run_dir) {
            Ok(process) => return Some(process),
            Err(error) => reasons.push(format!("{error:#}")),
        }
    }
    eprintln!(
        "gantry: containers cannot reach the outside ({}); install the package `passt` or `slirp4netns`",
        reasons.join("; ")
    );
    None
}

fn pasta(pid: i32, run_dir: &Path) -> Result<Process> {
    let written = run_dir.join("pasta.pid");
    let _ = fs::remove_file(&written);
    // It goes to the background by itself when all is set up.
    let output = Command::new("pasta")
        .args([
            "--config-net",
            "--quiet",
            "--no-map-gw",
            "-t",
            "none",
            "-u",
            "none",
            "-T",
            "none",
            "-U",
            "none",
        ])
        .arg("--pid")
        .arg(&written)
        .arg(pid.to_string())
        .stdin(Stdio::null())
        .output()
        .context("`pasta` cannot be run")?;
    if !output.status.success() {
        bail!("`pasta` failed: {}", last_line(&output.stderr));
    }
    let pid = fs::read_to_string(&written).context("`pasta` wrote no pid")?;
    Ok(Process::of(pid.trim().parse().context("`pasta` wrote no pid")?)?)
}

fn slirp4netns(pid: i32, _: &Path) -> Result<Process> {
    let mut command = Command::new("slirp4netns");
    command
        .args(["--configure", "--mtu=65520", "--disable-host-loopback", "--ready-fd=1"])
        .arg(format!("--userns-path=/proc/{pid}/ns/user"))
        .arg(pid.to_string())
        .arg("tap0")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        // Not ended with the terminal that the server was started from.
        .process_group(0);
    let mut child = command.spawn().context("`slirp4netns` cannot be run")?;
    let mut ready = [0];
    let said = child.stdout.take().map(|mut stdout| stdout.read_exact(&mut ready));
    if !matches!(said, Some(Ok(()))) {
        let _ = child.kill();
        let _ = child.wait();
        bail!("`slirp4netns` failed");
    }
    Ok(Process::of(i32::try_from(child.id())?)?)
}

fn last_line(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    text.trim().lines().last().unwrap_or_default().to_owned()
}

/// The group of this process in the v2 tree, where that was given to the user: containers'
/// groups go below it. Else the path does not matter, since none are made.
pub(crate) fn cgroup_parent() -> String {
    let memberships = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let own = memberships.lines().find_map(|line| line.strip_prefix("0::"));
    // A server before this one may have stepped aside for the groups inside its own.
    let own = own.map(|path| path.trim_end_matches("/leaf").trim_end_matches('/'));
    let name = |path: &str| format!("{path}/gantry");
    let is_users = |path: &str| {
        ["/sys/fs/cgroup", "/sys/fs/cgroup/unified"].iter().any(|mount| {
            let found = fs::metadata(format!("{mount}{path}"));
            found.is_ok_and(|found| found.uid() == sys::user::id())
        })
    };
    own.filter(|path| is_users(path))
        .map_or_else(|| "/gantry".to_owned(), name)
}
