//! Starts shims as the server does, with a root filesystem of one static busybox.

use serde_json::{Value, json};
use shim_protocol::{
    Attach, Command as Ask, Event, Exec, ExitRecord, FromShim, Hello, Identity, Inbox, Launch, Log, LogMode, Problem,
    Reply, Request, ShimRecord, State, Target, WindowSize, frame, stream,
};
use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// Everything waits at most this long.
pub(crate) const LIMIT: Duration = Duration::from_secs(120);

const PARENT: &str = "/gantry-test-shim";

/// Whether the tests can run; says so if not.
pub(crate) fn ready() -> bool {
    if !sys::user::is_root() {
        println!("skipped: needs root");
        return false;
    }
    if !Path::new("/bin/busybox").exists() {
        println!("skipped: needs a static /bin/busybox");
        return false;
    }
    true
}

/// One container with its shim, the way a server holds it.
pub(crate) struct Host {
    pub(crate) dir: tempfile::TempDir,
    pub(crate) cgroup_path: String,
    shim: Child,
    pub(crate) control: Option<Control>,
    pub(crate) init: Identity,
}

#[derive(Clone)]
pub(crate) struct Wish {
    pub(crate) args: Vec<String>,
    pub(crate) terminal: bool,
    pub(crate) stdin_open: bool,
    pub(crate) stdin_once: bool,
    pub(crate) mode: LogMode,
    pub(crate) segment_bytes: u64,
    pub(crate) compress: bool,
    pub(crate) memory_bytes: Option<u64>,
    /// The log gets a disk of its own, this small.
    pub(crate) log_disk_kib: Option<u32>,
    /// Changes the bundle's `config.json`.
    pub(crate) edit: fn(&mut Value),
    /// Files of the image beside its programs, and what is in them.
    pub(crate) files: &'static [(&'static str, &'static str)],
}

pub(crate) fn wish(script: &str) -> Wish {
    Wish {
        args: ["/bin/sh", "-c", script].map(str::to_owned).to_vec(),
        terminal: false,
        stdin_open: false,
        stdin_once: false,
        mode: LogMode::Blocking,
        segment_bytes: 8 << 20,
        compress: false,
        memory_bytes: None,
        log_disk_kib: None,
        edit: |_| {},
        files: &[],
    }
}

impl Host {
    /// Runs `wish` up to the moment before its command begins.
    pub(crate) fn create(wish: &Wish) -> Self {
        Self::try_create(wish).unwrap_or_else(|problem| panic!("not created: {problem:?}"))
    }

    pub(crate) fn start(wish: &Wish) -> Self {
        let mut host = Self::create(wish);
        host.control().ask(Ask::Start).expect("it starts");
        host
    }

    pub(crate) fn try_create(wish: &Wish) -> Result<Self, Problem> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let id = format!("{:08x}{number:056x}", std::process::id());
        let dir = tempfile::tempdir().unwrap();
        for name in ["bundle/rootfs/bin", "run", "log"] {
            fs::create_dir_all(dir.path().join(name)).unwrap();
        }
        if let Some(kib) = wish.log_disk_kib {
            let size = format!("size={kib}k");
            let mount = ["-t", "tmpfs", "-o", &size, "tmpfs"];
            assert!(
                Command::new("mount")
                    .args(mount)
                    .arg(dir.path().join("log"))
                    .status()
                    .unwrap()
                    .success()
            );
        }
        for name in ["proc", "dev", "tmp", "sys"] {
            fs::create_dir_all(dir.path().join("bundle/rootfs").join(name)).unwrap();
        }
        let bin = dir.path().join("bundle/rootfs/bin");
        fs::copy("/bin/busybox", bin.join("busybox")).unwrap();
        for name in [
            "sh", "cat", "echo", "sleep", "seq", "head", "dd", "stty", "tty", "kill", "ls", "true", "yes", "tail",
            "grep", "readlink", "wc", "md5sum",
        ] {
            std::os::unix::fs::symlink("busybox", bin.join(name)).unwrap();
        }
        for (path, text) in wish.files {
            let path = dir.path().join("bundle/rootfs").join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let cgroup_path = format!("{PARENT}/{id}");
        fs::write(dir.path().join("bundle/config.json"), config(wish, &cgroup_path)).unwrap();
        let launch = Launch {
            id,
            run: 1,
            bundle_dir: dir.path().join("bundle"),
            run_dir: dir.path().join("run"),
            log: Log {
                dir: dir.path().join("log"),
                mode: wish.mode,
                segment_bytes: wish.segment_bytes,
                segments: 1000,
                compress: wish.compress,
            },
            rootfs: None,
            network_namespace: true,
            terminal: wish.terminal,
            stdin_open: wish.stdin_open,
            stdin_once: wish.stdin_once,
            size: Some(WindowSize { rows: 30, cols: 100 }),
            cgroup_path: cgroup_path.clone(),
            shim_cgroup: Some(shims_of(&cgroup_path)),
        };
        let (near, far) = UnixStream::pair().unwrap();
        let shim = Command::new(env!("CARGO_BIN_EXE_gantry-runtime"))
            .arg("shim")
            .stdin(OwnedFd::from(far))
            .stdout(Stdio::null())
            .stderr(File::create(dir.path().join("shim.log")).unwrap())
            .spawn()
            .unwrap();
        let namespace = sys::network_namespace::within_new(|| ()).unwrap().0;
        let bytes = shim_protocol::encode(&launch).unwrap();
        let sent = sys::fd_passing::send(&near, &bytes, &[namespace.as_fd()]).unwrap();
        (&near).write_all(&bytes[sent..]).unwrap();
        let mut control = Control::new(near);
        let mut host = Self {
            dir,
            cgroup_path,
            shim,
            control: None,
            init: Identity { pid: 0, start_ticks: 0 },
        };
        match control.receive() {
            Some(FromShim::Created(init)) => host.init = init,
            Some(FromShim::Failed(problem)) => return Err(problem),
            other => panic!("{other:?}\n{}", host.shim_log()),
        }
        host.control = Some(control);
        Ok(host)
    }

    pub(crate) fn control(&mut self) -> &mut Control {
        self.control.as_mut().expect("the server is there")
    }

    fn connect(&self, hello: &Hello) -> UnixStream {
        let dir = File::open(self.dir.path().join("run")).unwrap();
        let mut stream = sys::unix_socket::connect_below(&dir, shim_protocol::SOCKET).unwrap();
        stream.set_read_timeout(Some(LIMIT)).unwrap();
        frame::write(&mut stream, hello).unwrap();
        stream
    }

    /// A server that returns.
    pub(crate) fn reconnect(&mut self) {
        self.control = Some(Control::new(self.connect(&Hello::Control)));
    }

    pub(crate) fn raw(&self, hello: &Hello) -> Result<Raw, Problem> {
        let mut stream = self.connect(hello);
        match frame::read::<FromShim>(&mut stream).unwrap() {
            Some(FromShim::Reply(Reply { error: None, .. })) => Ok(Raw(stream)),
            Some(FromShim::Reply(Reply {
                error: Some(problem), ..
            })) => Err(problem),
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn attach(&self, stdin: bool) -> Raw {
        let attach = Attach {
            target: Target::Init,
            stdin,
            stdout: true,
            stderr: true,
        };
        self.raw(&Hello::Attach(attach)).unwrap()
    }

    pub(crate) fn exec(&self, exec_id: &str, args: &[&str], stdin: bool, terminal: bool) -> Result<Raw, Problem> {
        self.raw(&Hello::Exec(Box::new(Exec {
            exec_id: exec_id.to_owned(),
            process: process(args, terminal),
            stdin,
            stdout: true,
            stderr: true,
            detach: false,
            size: terminal.then_some(WindowSize { rows: 11, cols: 22 }),
            kept: Some(serde_json::json!({ "reminder": exec_id })),
        })))
    }

    pub(crate) fn record(&self) -> Option<ExitRecord> {
        let json = fs::read(self.dir.path().join("bundle").join(ExitRecord::FILE)).ok()?;
        Some(ExitRecord::from_json(&json).unwrap())
    }

    pub(crate) fn shim_record(&self) -> ShimRecord {
        let json = fs::read(self.dir.path().join("run").join(ShimRecord::FILE)).unwrap();
        ShimRecord::from_json(&json).unwrap()
    }

    pub(crate) fn log_dir(&self) -> PathBuf {
        self.dir.path().join("log")
    }

    /// The log as the command wrote it, both streams together.
    pub(crate) fn log_text(&self) -> String {
        let mut reader = log_store::Reader::open(self.log_dir()).unwrap();
        let mut text = Vec::new();
        let mut next = 1;
        loop {
            let records = reader.records(next, 10_000).unwrap();
            let Some(last) = records.last() else { break };
            next = last.seq + 1;
            for record in records {
                text.extend(&record.text);
                if !record.partial {
                    text.push(b'\n');
                }
            }
        }
        String::from_utf8_lossy(&text).into_owned()
    }

    pub(crate) fn wait_for_log(&self, wanted: &str) {
        self.until(&format!("`{wanted}` in the log"), || self.log_text().contains(wanted));
    }

    pub(crate) fn until(&self, what: &str, mut holds: impl FnMut() -> bool) {
        let begun = Instant::now();
        while !holds() {
            assert!(
                begun.elapsed() < LIMIT,
                "waited too long for {what}\n{}",
                self.shim_log()
            );
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Waits for the exit event, releases the shim and waits for its end.
    pub(crate) fn finish(mut self) -> ExitRecord {
        let record = self.control().exited();
        self.control().ask(Ask::Release).unwrap();
        self.wait_for_shim();
        assert_eq!(self.record().as_ref(), Some(&record));
        record
    }

    pub(crate) fn wait_for_shim(&mut self) {
        let begun = Instant::now();
        while self.shim.try_wait().unwrap().is_none() {
            assert!(begun.elapsed() < LIMIT, "the shim does not end\n{}", self.shim_log());
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    pub(crate) fn shim_log(&self) -> String {
        fs::read_to_string(self.dir.path().join("shim.log")).unwrap_or_default()
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        if self.init.pid > 0
            && let Ok(Some(init)) = sys::pidfd::open_if_same(self.init.pid, self.init.start_ticks)
        {
            let _ = sys::pidfd::send_signal(&init, 9);
        }
        let _ = self.shim.kill();
        let _ = self.shim.wait();
        let _ = Command::new("umount")
            .arg("-l")
            .arg(self.log_dir())
            .stderr(Stdio::null())
            .status();
        if let Ok(hierarchies) = cgroup::Hierarchies::discover() {
            let group = hierarchies.group(&self.cgroup_path);
            let _ = group.kill_all();
            let _ = group.remove();
            let _ = hierarchies.group(&shims_of(&self.cgroup_path)).remove();
            // The last one out.
            let _ = hierarchies.group(PARENT).remove_if_empty();
        }
    }
}

/// Each test's own, so that it can be removed while others run.
fn shims_of(cgroup_path: &str) -> String {
    format!("{cgroup_path}-shims")
}

/// A control connection.
pub(crate) struct Control {
    stream: UnixStream,
    inbox: Inbox,
    seq: u64,
    pub(crate) events: Vec<Event>,
}

impl Control {
    pub(crate) fn new(stream: UnixStream) -> Self {
        stream.set_read_timeout(Some(LIMIT)).unwrap();
        Self {
            stream,
            inbox: Inbox::default(),
            seq: 0,
            events: Vec::new(),
        }
    }

    pub(crate) fn receive(&mut self) -> Option<FromShim> {
        let mut buffer = [0; 4096];
        loop {
            if let Some(message) = self.inbox.take().unwrap() {
                return Some(message);
            }
            match self.stream.read(&mut buffer).expect("the shim says something in time") {
                0 => return None,
                length => self.inbox.push(&buffer[..length]),
            }
        }
    }

    fn reply(&mut self, command: Ask) -> Reply {
        self.seq += 1;
        let request = Request { seq: self.seq, command };
        frame::write(&mut self.stream, &request).unwrap();
        loop {
            match self.receive() {
                Some(FromShim::Reply(reply)) => {
                    assert_eq!(reply.seq, self.seq);
                    return reply;
                }
                Some(FromShim::Event(event)) => self.events.push(event),
                other => panic!("{other:?}"),
            }
        }
    }

    pub(crate) fn ask(&mut self, command: Ask) -> Result<(), Problem> {
        self.reply(command).error.map_or(Ok(()), Err)
    }

    pub(crate) fn state(&mut self) -> State {
        *self.reply(Ask::State).state.expect("a state is answered")
    }

    /// Waits for an event that `pick` takes.
    pub(crate) fn event<T>(&mut self, pick: impl Fn(&Event) -> Option<T>) -> T {
        loop {
            if let Some(found) = self.events.iter().find_map(&pick) {
                return found;
            }
            match self.receive() {
                Some(FromShim::Event(event)) => self.events.push(event),
                other => panic!("{other:?}"),
            }
        }
    }

    pub(crate) fn exited(&mut self) -> ExitRecord {
        self.event(|event| match event {
            Event::Exited(record) => Some(record.clone()),
            _ => None,
        })
    }

    pub(crate) fn exec_exited(&mut self, id: &str) -> shim_protocol::ExitStatus {
        self.event(|event| match event {
            Event::ExecExited { exec_id, status, .. } if exec_id == id => Some(*status),
            _ => None,
        })
    }
}

/// A raw connection.
pub(crate) struct Raw(pub(crate) UnixStream);

impl Raw {
    pub(crate) fn send(&mut self, bytes: &[u8]) {
        self.0.write_all(bytes).unwrap();
    }

    pub(crate) fn end_input(&self) {
        self.0.shutdown(std::net::Shutdown::Write).unwrap();
    }

    pub(crate) fn read_on(&mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        self.0.read_to_end(&mut bytes).unwrap();
        bytes
    }

    /// Whatever comes first.
    pub(crate) fn some(&mut self) -> Vec<u8> {
        let mut buffer = [0; 100];
        let length = self.0.read(&mut buffer).unwrap();
        buffer[..length].to_vec()
    }

    /// Reads until the bytes hold `wanted`.
    pub(crate) fn until(&mut self, wanted: &str) -> String {
        let mut bytes = Vec::new();
        let mut buffer = [0; 4096];
        while !String::from_utf8_lossy(&bytes).contains(wanted) {
            let length = self.0.read(&mut buffer).unwrap();
            assert!(length > 0, "ended after {:?}", String::from_utf8_lossy(&bytes));
            bytes.extend(&buffer[..length]);
        }
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// Everything up to the end: stdout and stderr, out of their frames.
    pub(crate) fn frames(&mut self) -> (Vec<u8>, Vec<u8>) {
        unframe(&self.read_on())
    }
}

pub(crate) fn unframe(mut bytes: &[u8]) -> (Vec<u8>, Vec<u8>) {
    let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
    while let Some((header, rest)) = bytes.split_first_chunk() {
        let (kind, length) = stream::parse_header(*header).expect("frames follow each other");
        let (piece, rest) = rest.split_at(length as usize);
        match kind {
            shim_protocol::OutputStream::Stdout => stdout.extend(piece),
            shim_protocol::OutputStream::Stderr => stderr.extend(piece),
        }
        bytes = rest;
    }
    (stdout, stderr)
}

fn process(args: &[impl AsRef<str>], terminal: bool) -> Value {
    json!({
        "terminal": terminal,
        "user": {"uid": 0, "gid": 0},
        "args": args.iter().map(AsRef::as_ref).collect::<Vec<_>>(),
        "env": ["PATH=/bin"],
        "cwd": "/",
    })
}

fn config(wish: &Wish, cgroup_path: &str) -> Vec<u8> {
    let mut config = json!({
        "ociVersion": "1.2.0",
        "process": process(&wish.args, wish.terminal),
        "root": {"path": "rootfs"},
        "hostname": "test",
        "mounts": [
            {"destination": "/proc", "type": "proc", "source": "proc"},
            {"destination": "/dev", "type": "tmpfs", "source": "tmpfs", "options": ["nosuid", "mode=755"]},
            {"destination": "/dev/pts", "type": "devpts", "source": "devpts",
             "options": ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620"]},
        ],
        "linux": {
            "cgroupsPath": cgroup_path,
            "namespaces": [
                {"type": "pid"}, {"type": "mount"}, {"type": "ipc"}, {"type": "uts"}, {"type": "network"},
            ],
            "resources": wish.memory_bytes.map_or_else(|| json!({}), |limit| json!({"memory": {"limit": limit, "swap": limit}})),
        },
    });
    (wish.edit)(&mut config);
    serde_json::to_vec(&config).unwrap()
}
