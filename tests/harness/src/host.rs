use crate::api::{Api, request};
use crate::docker::Docker;
use crate::leftovers::{Leftovers, Own};
use crate::process::{patience, run, signal, wait_until};
use std::fs::{self, File};
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use tempfile::TempDir;

/// Of the administrator that the first start makes.
pub const USER: &str = "admin";
pub const PASSWORD: &str = "correct horse battery staple";
const START_LIMIT: Duration = Duration::from_secs(30);
const END_LIMIT: Duration = Duration::from_secs(20);

/// What differs from an ordinary start.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Further switches of `gantry serve`.
    pub switches: Vec<String>,
    /// Where data goes, such as a small file system; a directory of its own unless given.
    pub data_dir: Option<PathBuf>,
    /// A program and its arguments that the server's command is put behind, and that
    /// becomes it.
    pub through: Vec<String>,
}

/// A server of its own. Dropped, it removes what it made and fails the test when
/// something is left.
pub struct Host {
    program: PathBuf,
    options: Options,
    dir: TempDir,
    cgroup_parent: String,
    subnet: String,
    server: Option<Child>,
    address: String,
    token: String,
}

impl Host {
    /// `program` is `env!("CARGO_BIN_EXE_gantry")`; gantry-runtime lies beside it.
    pub fn start(program: &str) -> Self {
        Self::start_with(program, Options::default())
    }

    pub fn start_with(program: &str, options: Options) -> Self {
        crate::api::prepare_tls();
        let number = number();
        let dir = tempfile::Builder::new()
            .prefix("gantry-test-")
            .tempdir()
            .expect("a temporary directory");
        fs::write(dir.path().join("password"), PASSWORD).expect("a writable directory");
        if !options.through.is_empty() {
            // It may be another user's.
            fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o777)).expect("it is ours");
        }
        let mut host = Self {
            program: PathBuf::from(program),
            options,
            cgroup_parent: format!("/gantry-test-{number:06x}"),
            subnet: format!("10.{}.{}.0/24", 100 + number % 80, number / 80 % 256),
            dir,
            server: None,
            address: String::new(),
            token: String::new(),
        };
        host.start_again();
        host.token = host.make_token("admin");
        host
    }

    /// Starts the server, which is not running, on what is there, with further switches.
    pub fn start_with_switches(&mut self, switches: &[&str]) {
        let before = self.options.switches.clone();
        self.options.switches.extend(switches.iter().map(ToString::to_string));
        self.start_again();
        self.options.switches = before;
    }

    /// The database is another one, and with it the token is.
    pub fn sign_in_again(&mut self) {
        self.token = self.make_token("admin");
    }

    /// Starts the server, which is not running, on what is there.
    pub fn start_again(&mut self) {
        assert!(self.server.is_none(), "the server runs already");
        let log = File::options()
            .append(true)
            .create(true)
            .open(self.dir.path().join("server.log"))
            .expect("a writable log");
        let mut command = match self.options.through.split_first() {
            Some((first, rest)) => {
                let mut command = Command::new(first);
                command.args(rest).arg(&self.program);
                command
            }
            None => Command::new(&self.program),
        };
        let mut server = command
            .arg("serve")
            .args(["--listen", "127.0.0.1:0"])
            .args(self.log_level())
            .arg("--data-dir")
            .arg(self.data_dir())
            .arg("--run-dir")
            .arg(self.dir.path().join("run"))
            .args(["--cgroup-parent", &self.cgroup_parent, "--subnet", &self.subnet])
            .arg("--admin-password-file")
            .arg(self.dir.path().join("password"))
            .args(&self.options.switches)
            .env_remove("NOTIFY_SOCKET")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .expect("the server's program");
        let mut lines = BufReader::new(server.stdout.take().expect("it is piped")).lines();
        // A server that never gets ready is killed, which ends the line read below.
        let pid = server.id();
        let (done, over) = std::sync::mpsc::channel::<()>();
        let watchdog = std::thread::spawn(move || {
            if over
                .recv_timeout(patience(START_LIMIT))
                .is_err_and(|why| why == std::sync::mpsc::RecvTimeoutError::Timeout)
            {
                signal(pid, "KILL");
            }
        });
        let line = lines.next();
        drop(done);
        let _ = watchdog.join();
        self.server = Some(server);
        let Some(Ok(line)) = line else {
            panic!("the server did not get ready:\n{}", self.log());
        };
        let address = line.strip_prefix("ready http://");
        let address = address.unwrap_or_else(|| panic!("the server said `{line}`"));
        address.clone_into(&mut self.address);
    }

    /// Unless the test says how much is logged.
    fn log_level(&self) -> &'static [&'static str] {
        if self.options.switches.iter().any(|switch| switch == "--log-level") {
            &[]
        } else {
            &["--log-level", "info"]
        }
    }

    /// Ends the server at once, as a crash does; containers go on.
    pub fn kill(&mut self) {
        if let Some(mut server) = self.server.take() {
            server.kill().expect("it can be killed");
            server.wait().expect("it can be waited for");
        }
    }

    /// Asks the server to end; containers go on.
    pub fn stop(&mut self) {
        let Some(mut server) = self.server.take() else {
            return;
        };
        signal(server.id(), "TERM");
        let ended = wait_until(END_LIMIT, || server.try_wait().ok().flatten());
        if ended.is_none() {
            let _ = server.kill();
            let _ = server.wait();
            assert!(
                std::thread::panicking(),
                "the server did not end in {} s",
                END_LIMIT.as_secs()
            );
        }
    }

    /// The server's process.
    pub fn pid(&self) -> u32 {
        self.server.as_ref().expect("the server runs").id()
    }

    pub fn data_dir(&self) -> PathBuf {
        self.options
            .data_dir
            .clone()
            .unwrap_or_else(|| self.dir.path().join("data"))
    }

    /// A directory for files of the test.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// `http://127.0.0.1:PORT`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub fn docker_socket(&self) -> PathBuf {
        self.dir.path().join("run/docker.sock")
    }

    /// The Docker API.
    pub fn docker(&self) -> Docker {
        Docker::new(&self.docker_socket())
    }

    /// Leaves of this server what a crash of the host leaves: its data directory, and
    /// no process, group, device or file below the run directory.
    pub fn crash(&mut self) {
        self.kill();
        self.own().clean();
        let _ = fs::remove_dir_all(self.dir.path().join("run"));
    }

    /// Of its bridge, with the prefix.
    pub fn subnet(&self) -> &str {
        &self.subnet
    }

    pub fn cgroup_parent(&self) -> &str {
        &self.cgroup_parent
    }

    /// What the server wrote to its own log.
    pub fn log(&self) -> String {
        fs::read_to_string(self.dir.path().join("server.log")).unwrap_or_default()
    }

    /// The native API, with an administrator's token.
    pub fn api(&self) -> Api {
        Api::new(&self.address, Some(&self.token))
    }

    /// A token of the role, made on the host.
    pub fn make_token(&self, role: &str) -> String {
        let data_dir = self.data_dir();
        let data_dir = data_dir.to_str().expect("a path in UTF-8");
        let program = self.program.to_str().expect("a path in UTF-8");
        let made = run(
            program,
            &[
                "token",
                "create",
                "--user",
                USER,
                "--role",
                role,
                "--data-dir",
                data_dir,
            ],
        )
        .expect("the program runs");
        assert_eq!(made.code, Some(0), "{}", made.stderr);
        made.stdout.lines().last().unwrap_or_default().to_owned()
    }

    /// A control file of a container's group, such as `memory.limit_in_bytes` or
    /// `memory.max`, in whichever hierarchy has it.
    pub fn cgroup_file(&self, id: &str, names: &[&str]) -> Option<String> {
        self.own()
            .group_dirs()
            .iter()
            .flat_map(|dir| names.iter().map(move |name| dir.join(id).join(name)))
            .find_map(|file| fs::read_to_string(file).ok())
            .map(|text| text.trim().to_owned())
    }

    /// What of this server's there is on the host now.
    pub fn leftovers(&self) -> Leftovers {
        self.own().look()
    }

    /// The same of an instance whose data directory does not name it any more.
    pub fn leftovers_of(&self, instance: &str) -> Leftovers {
        let own = self.own();
        Own {
            instance: instance.to_owned(),
            ..own
        }
        .look()
    }

    fn own(&self) -> Own {
        Own {
            dir: self.dir.path().to_owned(),
            data_dir: self.data_dir(),
            cgroup_parent: self.cgroup_parent.clone(),
            instance: fs::read_to_string(self.data_dir().join("instance"))
                .unwrap_or_default()
                .trim()
                .to_owned(),
            server: self.server.as_ref().map(Child::id),
        }
    }

    fn remove_containers(&self) {
        let headers = format!("Authorization: Bearer {}\r\n", self.token);
        let Some(list) = request(&self.address, "GET", "/api/v1/containers?limit=5000", &headers) else {
            return;
        };
        let list: serde_json::Value = serde_json::from_str(&list).unwrap_or_default();
        for container in list["items"].as_array().into_iter().flatten() {
            if let Some(id) = container["id"].as_str() {
                let path = format!("/api/v1/containers/{id}?force=true&volumes=true");
                let answer = request(&self.address, "DELETE", &path, &headers);
                if answer.as_ref().is_none_or(|body| !body.is_empty()) {
                    eprintln!("container {id} was not removed: {answer:?}\n{}", self.log());
                }
            }
        }
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        if self.server.is_some() {
            self.remove_containers();
        }
        self.stop();
        let own = self.own();
        let left = own.look();
        own.clean();
        if std::thread::panicking() {
            eprintln!("the server's log:\n{}", self.log());
        } else {
            left.assert_only_the_network();
        }
    }
}

/// Different in every test of every process that runs at this time.
fn number() -> u32 {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let own = NEXT.fetch_add(1, Ordering::Relaxed);
    (std::process::id().wrapping_mul(31).wrapping_add(own.wrapping_mul(7919))) % 0x00ff_ffff
}
