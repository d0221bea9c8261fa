//! An engine on directories, a cgroup parent and a subnet of its own, with an
//! image of busybox.

use engine::{
    Container, Engine, EngineError, LogLine, NewContainer, Options, RemoveOptions, RuntimeProgram, TaskState,
};
use model::container::{ContainerId, StoppedBy};
use model::network::Subnet;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

/// Every wait has an end.
const LIMIT: Duration = Duration::from_secs(120);

pub(crate) struct Host {
    pub(crate) engine: Engine,
    dir: tempfile::TempDir,
    options: Options,
    /// The engine's tasks run here: dropped, they stop as by a crash.
    runtime: Option<tokio::runtime::Runtime>,
}

/// A shell that runs `line`.
pub(crate) fn sh(line: &str) -> NewContainer {
    NewContainer {
        command: Some(["sh", "-c", line].map(str::to_owned).to_vec()),
        ..NewContainer::of_image("busybox")
    }
}

/// Who stops containers here.
pub(crate) fn by() -> StoppedBy {
    StoppedBy::User("test".to_owned())
}

pub(crate) fn text_of(line: &LogLine) -> String {
    String::from_utf8_lossy(&line.text).into_owned()
}

impl Host {
    /// `None`, with the reason printed, where it cannot be.
    pub(crate) async fn open() -> Option<Self> {
        if !sys::user::is_root() {
            println!("skipped: needs root");
            return None;
        }
        let Some(program) = find_runtime() else {
            println!("skipped: needs the built gantry-runtime");
            return None;
        };
        static NEXT: AtomicU8 = AtomicU8::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let dir = tempfile::tempdir().unwrap();
        let process = std::process::id();
        let options = Options {
            data_dir: dir.path().join("data"),
            run_dir: dir.path().join("run"),
            pids_limit: None,
            forget_everything: false,
            cgroup_parent: format!("/gantry-test-engine-{process}-{number}"),
            subnet: Subnet::parse(&format!("10.{}.{}.0/24", 200 + process % 50, number)).ok(),
            userns: model::container::UserNamespaces::Off,
            snapshotter: model::snapshotter::Wish::Auto,
            network: None,
            mirrors: Vec::new(),
            runtime: RuntimeProgram::File(program),
        };
        let (engine, runtime) = start(&options).await;
        let host = Self {
            engine,
            dir,
            options,
            runtime: Some(runtime),
        };
        host.import_busybox().await;
        Some(host)
    }

    pub(crate) async fn import_busybox(&self) {
        let tar = busybox_tar();
        let reference = model::image::Reference::parse("busybox").unwrap();
        let new = engine::NewImport {
            reference: Some(reference),
            changes: vec!["CMD [\"sh\"]".to_owned()],
            ..engine::NewImport::default()
        };
        let task = {
            let _inside = self.runtime.as_ref().unwrap().enter();
            self.engine.import(std::io::Cursor::new(tar), new)
        };
        let task = self.engine.finish_task(&task).await.unwrap();
        assert!(matches!(task.state, TaskState::Done { .. }), "{:?}", task.state);
    }

    pub(crate) async fn create(&self, new: NewContainer) -> ContainerId {
        let engine = self.engine.clone();
        let created = self
            .runtime
            .as_ref()
            .unwrap()
            .spawn(async move { engine.create(new).await });
        created.await.unwrap().unwrap().id
    }

    /// Runs to the end and gives what was printed.
    pub(crate) async fn run(&self, new: NewContainer) -> Vec<String> {
        let id = self.create(new).await;
        self.engine.start(&id).await.unwrap();
        self.until(&id, |container| !container.is_running()).await;
        let lines = self.engine.logs(&id).unwrap().read(1, 100).await.unwrap();
        lines.iter().map(text_of).collect()
    }

    /// Waits until the container is as `wanted`.
    pub(crate) async fn until(&self, id: &ContainerId, wanted: impl Fn(&Container) -> bool) {
        let mut view = self.engine.watch(id).unwrap();
        let reached = tokio::time::timeout(LIMIT, view.wait_for(|container| wanted(container))).await;
        assert!(reached.is_ok(), "not reached: {:?}", self.engine.inspect(id));
    }

    /// Waits until the container has printed `text`.
    pub(crate) async fn line(&self, id: &ContainerId, text: &str) {
        let mut follower = self.engine.logs(id).unwrap().follow(1).unwrap();
        let found = async {
            while let Some(batch) = follower.next().await {
                if let engine::LogBatch::Lines(lines) = batch
                    && lines.iter().any(|line| text_of(line) == text)
                {
                    return;
                }
            }
        };
        assert!(
            tokio::time::timeout(LIMIT, found).await.is_ok(),
            "`{text}` was not printed"
        );
    }

    /// A handle to the container's shim.
    pub(crate) fn shim(&self, id: &ContainerId) -> OwnedFd {
        let record = self
            .dir
            .path()
            .join("run/containers")
            .join(id.as_str())
            .join("shim.json");
        let record: serde_json::Value = serde_json::from_slice(&std::fs::read(record).unwrap()).unwrap();
        sys::pidfd::open(i32::try_from(record["pid"].as_i64().unwrap()).unwrap()).unwrap()
    }

    pub(crate) fn kill_shim(&self, id: &ContainerId) {
        sys::pidfd::send_signal(self.shim(id), 9).unwrap();
    }

    /// Tries to open another engine beside this one.
    pub(crate) async fn open_second(&self) -> Result<Engine, EngineError> {
        Engine::open(self.options.clone()).await
    }

    /// Waits until no volume is left.
    pub(crate) async fn no_volumes(&self) {
        let gone = async {
            while !self.engine.volumes().await.unwrap().is_empty() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        assert!(tokio::time::timeout(LIMIT, gone).await.is_ok(), "volumes are left");
    }

    /// Ends the engine in order.
    pub(crate) async fn end(self, stop_containers: bool) -> Crashed {
        let engine = self.engine.clone();
        let inside = self.runtime.as_ref().unwrap();
        inside.spawn(engine.shutdown(stop_containers)).await.unwrap();
        self.crash().await
    }

    /// Drops the engine as a crash would.
    pub(crate) async fn crash(mut self) -> Crashed {
        let runtime = self.runtime.take().unwrap();
        // Waits until every task is dropped, so that the directories are free.
        tokio::task::spawn_blocking(move || runtime.shutdown_timeout(Duration::from_secs(5)))
            .await
            .unwrap();
        Crashed {
            options: self.options.clone(),
            dir: std::mem::replace(&mut self.dir, tempfile::tempdir().unwrap()),
        }
    }

    /// What is left of a container that is gone.
    pub(crate) fn leftovers(&self, id: &ContainerId) -> Vec<PathBuf> {
        let mut places = vec![
            self.dir.path().join("data/containers").join(id.as_str()),
            self.dir.path().join("run/containers").join(id.as_str()),
        ];
        for hierarchy in std::fs::read_dir("/sys/fs/cgroup").unwrap().flatten() {
            let parent = self.options.cgroup_parent.trim_start_matches('/');
            places.push(hierarchy.path().join(parent).join(id.as_str()));
        }
        places.retain(|place| place.exists());
        places
    }

    /// Removes every container, then everything else.
    pub(crate) async fn close(mut self) {
        for container in self.engine.list().items {
            let force = RemoveOptions {
                force: true,
                volumes: true,
            };
            self.engine.remove(&container.id, force).await.unwrap();
        }
        let instance = self.engine.host_info().instance;
        let runtime = self.runtime.take().unwrap();
        let engine = self.engine.clone();
        runtime.spawn(engine.shutdown(false)).await.unwrap();
        tokio::task::spawn_blocking(move || runtime.shutdown_timeout(Duration::from_secs(5)))
            .await
            .unwrap();
        remove_network(&instance);
        remove_groups(&self.options.cgroup_parent);
    }
}

/// After a failed test: nothing may be left on the host.
impl Drop for Host {
    fn drop(&mut self) {
        let Some(runtime) = self.runtime.take() else {
            return;
        };
        let instance = self.engine.host_info().instance;
        runtime.shutdown_background();
        let hierarchies = cgroup::Hierarchies::discover().unwrap();
        let parent = hierarchies.group(&self.options.cgroup_parent);
        for child in parent.list_children().unwrap_or_default() {
            let _ = hierarchies
                .group(&format!("{}/{child}", self.options.cgroup_parent))
                .kill_all();
        }
        remove_network(&instance);
        remove_groups(&self.options.cgroup_parent);
    }
}

/// A host whose server is gone.
pub(crate) struct Crashed {
    options: Options,
    dir: tempfile::TempDir,
}

impl Crashed {
    pub(crate) async fn open(self) -> Host {
        let (engine, runtime) = start(&self.options).await;
        Host {
            engine,
            dir: self.dir,
            options: self.options,
            runtime: Some(runtime),
        }
    }

    /// Takes the last start out of the database: as if the server had ended before it
    /// could write down that it was done.
    pub(crate) async fn forget_start(&self, id: &ContainerId) {
        let database = store::Database::open(&self.dir.path().join("data/gantry.db"))
            .await
            .unwrap();
        let mut tx = database.begin().await.unwrap();
        let mut record = store::containers::find(&mut tx, id).await.unwrap().unwrap();
        record.state = model::container::State::Created;
        store::containers::update(&mut tx, &record).await.unwrap();
        tx.commit().await.unwrap();
        database.close().await;
    }

    /// As after a host that went down, and with `losing` before its layers were on the disk.
    pub(crate) async fn boot_another(&self, losing: bool) {
        let data = self.dir.path().join("data");
        let database = store::Database::open(&data.join("gantry.db")).await.unwrap();
        let mut tx = database.begin().await.unwrap();
        store::settings::set(&mut tx, "boot_id", "another").await.unwrap();
        tx.commit().await.unwrap();
        database.close().await;
        if losing {
            for layer in std::fs::read_dir(data.join("snapshots")).unwrap() {
                let hex = layer.unwrap().file_name().into_string().unwrap();
                std::fs::write(data.join(format!("content/unsettled/another.snapshot.{hex}")), "").unwrap();
            }
        }
    }

    /// The container's exit record, once it is there.
    pub(crate) async fn exit_record(&self, id: &ContainerId) {
        let path = self
            .dir
            .path()
            .join("data/containers")
            .join(id.as_str())
            .join("exit.json");
        let appears = async {
            while !path.exists() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        assert!(tokio::time::timeout(LIMIT, appears).await.is_ok(), "no exit record");
    }
}

async fn start(options: &Options) -> (Engine, tokio::runtime::Runtime) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    let opening = runtime.spawn(Engine::open(options.clone()));
    (opening.await.unwrap().unwrap(), runtime)
}

/// Named by the environment, or beside the directory of this test.
fn find_runtime() -> Option<PathBuf> {
    if let Some(path) = std::env::var_os("GANTRY_RUNTIME") {
        return Some(path.into());
    }
    let own = std::env::current_exe().ok()?;
    let beside = own.parent()?.parent()?.join("gantry-runtime");
    beside.exists().then_some(beside)
}

/// A root filesystem of the host's static busybox.
fn busybox_tar() -> Vec<u8> {
    let busybox = std::fs::read("/bin/busybox")
        .or_else(|_| std::fs::read("/usr/bin/busybox"))
        .unwrap();
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path();
    for name in ["bin", "etc", "proc", "sys", "dev", "tmp", "srv"] {
        std::fs::create_dir(root.join(name)).unwrap();
    }
    std::fs::write(root.join("bin/busybox"), busybox).unwrap();
    set_mode(&root.join("bin/busybox"), 0o755);
    for name in [
        "sh", "echo", "cat", "sleep", "true", "pwd", "id", "ls", "ps", "nc", "ip", "grep", "hostname", "stty", "tty",
        "rm",
    ] {
        std::os::unix::fs::symlink("busybox", root.join("bin").join(name)).unwrap();
    }
    std::fs::write(
        root.join("etc/passwd"),
        "root:x:0:0:root:/root:/bin/sh\nweb:x:1000:1001::/home/web:/bin/sh\n",
    )
    .unwrap();
    std::fs::write(root.join("srv/greeting"), "from the image\n").unwrap();
    let output = std::process::Command::new("tar")
        .arg("-C")
        .arg(root)
        .args(["-c", "."])
        .output()
        .unwrap();
    assert!(output.status.success());
    output.stdout
}

fn set_mode(path: &Path, mode: u32) {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

fn remove_network(instance: &str) {
    let run = |program: &str, args: &[&str]| {
        let _ = std::process::Command::new(program).args(args).output();
    };
    run("ip", &["link", "delete", &format!("gantry-{instance}")]);
    run("nft", &["delete", "table", "ip", &format!("gantry_{instance}")]);
}

fn remove_groups(parent: &str) {
    let hierarchies = cgroup::Hierarchies::discover().unwrap();
    // The shims let go a moment after they were told to.
    let until = std::time::Instant::now() + Duration::from_secs(5);
    while hierarchies.group(parent).remove().is_err() && std::time::Instant::now() < until {
        std::thread::yield_now();
    }
}
