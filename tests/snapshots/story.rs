//! One story of containers and images, told by the docker command line.

use harness::Host;
use shared::create::{NewContainer, UserNamespace};
use std::path::PathBuf;
use std::process::{Command, Stdio};

const DOCKERFILE: &str = "FROM mine
RUN rm -r /data/old && mkdir /data/old && echo new > /data/old/new && echo more >> /data/kept
COPY hello /srv/hello
RUN ln /srv/hello /srv/again && rm /usr/gone && chmod 4755 /srv/again
ADD hello /data/old/
WORKDIR /work/here
";

/// The command line: what `DOCKER_CLI` names, or what is unpacked below the target folder.
#[derive(Debug, Clone)]
pub(crate) struct Docker {
    program: PathBuf,
    socket: PathBuf,
    dir: PathBuf,
}

impl Docker {
    /// `None` says why.
    pub(crate) fn find() -> Option<Self> {
        if !harness::can_run_containers() {
            return None;
        }
        let unpacked = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../../target/peers/docker.io/usr/bin/docker"
        );
        let program = std::env::var_os("DOCKER_CLI").map_or_else(|| PathBuf::from(unpacked), PathBuf::from);
        if !program.exists() {
            println!("skipped: the docker command line is not unpacked; `cargo xtask test` does it");
            return None;
        }
        Some(Self {
            program,
            socket: PathBuf::new(),
            dir: PathBuf::new(),
        })
    }

    pub(crate) fn of(&self, host: &Host) -> Self {
        Self {
            program: self.program.clone(),
            socket: host.docker_socket(),
            dir: host.dir().to_owned(),
        }
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command
            .args(arguments)
            .env("DOCKER_HOST", format!("unix://{}", self.socket.display()))
            .env("DOCKER_BUILDKIT", "0")
            .env("DOCKER_CONFIG", &self.dir)
            .current_dir(&self.dir)
            .stdin(Stdio::null());
        command
    }

    /// Its standard output.
    pub(crate) fn ok(&self, arguments: &[&str]) -> String {
        let done = self.command(arguments).output().expect("it starts");
        assert!(
            done.status.success(),
            "docker {}: {}{}",
            arguments.join(" "),
            String::from_utf8_lossy(&done.stdout),
            String::from_utf8_lossy(&done.stderr)
        );
        String::from_utf8_lossy(&done.stdout).into_owned()
    }

    /// Its standard error.
    fn fails(&self, arguments: &[&str]) -> String {
        let done = self.command(arguments).output().expect("it starts");
        assert!(!done.status.success(), "docker {} succeeds", arguments.join(" "));
        String::from_utf8_lossy(&done.stderr).into_owned()
    }
}

/// What was seen is told in lines, to be compared.
pub(crate) struct Story<'h> {
    host: &'h mut Host,
    docker: Docker,
    told: Vec<String>,
}

impl<'h> Story<'h> {
    pub(crate) fn new(host: &'h mut Host, docker: &Docker) -> Self {
        let docker = docker.of(host);
        Self {
            host,
            docker,
            told: Vec::new(),
        }
    }

    fn tell_of(&mut self, what: &str, arguments: &[&str]) -> String {
        let text = self.docker.ok(arguments);
        self.told.push(format!("{what}:\n{text}"));
        text
    }

    /// Sorted: what a container changed has no order that matters.
    fn tell_diff(&mut self, what: &str, container: &str) {
        let text = self.docker.ok(&["diff", container]);
        let mut lines: Vec<&str> = text.lines().collect();
        lines.sort_unstable();
        self.told.push(format!("{what}:\n{}", lines.join("\n")));
    }

    pub(crate) async fn tell(mut self) -> Vec<String> {
        self.run_and_commit();
        self.copy();
        self.build();
        self.users().await;
        self.come_back().await;
        self.end();
        self.told
    }

    fn run_and_commit(&mut self) {
        let line = "mkdir -p /data/old /usr/x && echo old > /data/old/one && echo kept > /data/kept && \
                    echo gone > /usr/gone && ln /data/kept /data/linked && mkfifo /data/pipe && \
                    chown 1000:1000 /data/kept && ln -s /data/kept /pointer && chmod 1777 /data && \
                    cp /bin/busybox /data/program && chmod 4711 /data/program && \
                    touch /tmp-file && rm /tmp-file";
        self.docker.ok(&["run", "--name", "first", "busybox", "sh", "-c", line]);
        self.tell_diff("the first container's changes", "first");
        self.docker.ok(&["commit", "first", "mine"]);
        let look =
            "cat /data/old/one /pointer; stat -c '%n %u:%g %a %F' /data /data/* /usr/gone; stat -c %h /data/kept; ls /";
        self.tell_of("the committed image", &["run", "--rm", "mine", "sh", "-c", look]);
        // Nothing was changed by looking, and what goes is told.
        self.docker.ok(&[
            "run",
            "--name",
            "second",
            "mine",
            "sh",
            "-c",
            "rm -r /data/old /data/linked; echo x >> /data/kept",
        ]);
        self.tell_diff("the second container's changes", "second");
        let idle = ["create", "--name", "idle", "mine"];
        self.docker.ok(&idle);
        self.tell_diff("of a container that never ran", "idle");
        self.docker.ok(&["commit", "second", "without"]);
        let look = "ls -R /data; cat /data/kept; stat -c %h /data/kept";
        self.tell_of("without a directory", &["run", "--rm", "without", "sh", "-c", look]);
        let read_only = "touch /x; echo $?; touch /tmp/y && echo written";
        self.tell_of(
            "a read-only container",
            &[
                "run",
                "--rm",
                "--read-only",
                "--tmpfs",
                "/tmp",
                "mine",
                "sh",
                "-c",
                read_only,
            ],
        );
    }

    fn copy(&mut self) {
        let dir = self.host.dir().to_owned();
        std::fs::write(dir.join("hello"), "hello\n").expect("a file");
        let long_ago = std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_000_000_000);
        let file = std::fs::File::options().write(true).open(dir.join("hello"));
        file.and_then(|file| file.set_modified(long_ago))
            .expect("its time is set");
        self.docker.ok(&["cp", "hello", "idle:/srv-hello"]);
        self.tell_of("out of a container that never ran", &["cp", "idle:/srv-hello", "-"]);
        self.docker.ok(&["cp", "hello", "second:/data/put"]);
        self.tell_diff("copied into one at rest", "second");
        self.docker.ok(&[
            "run",
            "-d",
            "--name",
            "runs",
            "-v",
            "vol:/data/old",
            "mine",
            "sleep",
            "1000",
        ]);
        self.docker.ok(&["cp", "hello", "runs:/usr/put"]);
        self.docker.ok(&["cp", "runs:/data/old/one", "one"]);
        let one = std::fs::read_to_string(dir.join("one")).expect("it was copied");
        self.told.push(format!("a volume began as the image: {one}"));
        self.tell_of("seen inside", &["exec", "runs", "cat", "/usr/put"]);
        self.tell_diff("of one that runs", "runs");
        for name in ["second", "runs"] {
            let tar = dir.join("export.tar");
            let tar = tar.to_str().expect("text");
            self.docker.ok(&["export", "-o", tar, name]);
            let listed = Command::new("tar").args(["-tvf", tar]).output().expect("tar(1)");
            let text = String::from_utf8_lossy(&listed.stdout).into_owned();
            // Without times and lengths of directories.
            let mut lines: Vec<String> = text
                .lines()
                .map(|line| {
                    let words: Vec<&str> = line.split_whitespace().collect();
                    format!("{} {} {}", words[0], words[1], words[5..].join(" "))
                })
                .collect();
            lines.sort_unstable();
            self.told.push(format!("the export of {name}:\n{}", lines.join("\n")));
        }
    }

    fn build(&mut self) {
        let dir = self.host.dir().join("context");
        std::fs::create_dir_all(&dir).expect("a directory");
        std::fs::write(dir.join("hello"), "hello\n").expect("a file");
        std::fs::write(dir.join("Dockerfile"), DOCKERFILE).expect("a file");
        self.docker.ok(&["build", "-q", "-t", "built", "context"]);
        let look = "pwd; ls -R /data /srv; cat /data/kept /srv/again; stat -c '%n %h %a %u' /srv/*; stat -c '%n %a %u' /work; ls /usr";
        self.tell_of("what was built", &["run", "--rm", "built", "sh", "-c", look]);
        // Each layer has what it changed and no more.
        let text = self
            .docker
            .ok(&["history", "--format", "{{.CreatedBy}} {{.Size}}", "built"]);
        let first = text
            .lines()
            .filter(|line| line.contains("COPY") || line.contains("ADD"));
        let shown: Vec<&str> = first.collect();
        self.told.push(format!("sizes of layers: {}", shown.join("; ")));
    }

    /// Root inside is nobody outside, whether the file system can map that or not.
    async fn users(&mut self) {
        let line = "id -u; stat -c '%n %u:%g' /data/kept /etc; touch /own /data/mine; chown 5:5 /data/mine; \
                    stat -c %u:%g /own /data/mine; rm /usr/gone; cat /proc/self/uid_map | wc -l";
        let new = NewContainer {
            image: "mine".to_owned(),
            name: Some("apart".to_owned()),
            command: Some(["sh", "-c", line].map(str::to_owned).to_vec()),
            user_namespace: UserNamespace::Own,
            start: true,
            ..NewContainer::default()
        };
        let api = self.host.api();
        api.create(&new).await.expect("it is created");
        api.wait("apart").await;
        self.told
            .push(format!("with ids of its own:\n{}", api.log("apart").await));
        self.docker.ok(&["cp", "hello", "apart:/data/put"]);
        self.tell_diff("of one with ids of its own", "apart");
        self.docker.ok(&["commit", "apart", "of-apart"]);
        let look = "stat -c '%n %u:%g %a' /data/* /own; ls /usr";
        self.tell_of("what it committed", &["run", "--rm", "of-apart", "sh", "-c", look]);
    }

    async fn come_back(&mut self) {
        self.docker.ok(&["exec", "runs", "sh", "-c", "echo before > /before"]);
        self.host.kill();
        self.host.start_again();
        self.tell_of("after the server's return", &["exec", "runs", "cat", "/before"]);
        self.docker.ok(&["restart", "-t", "0", "runs"]);
        self.tell_of("after a restart", &["exec", "runs", "cat", "/before", "/usr/put"]);
        self.docker.ok(&["start", "-a", "second"]);
        self.tell_diff("the second once more", "second");
        self.host.crash();
        self.host.start_again();
        self.docker.ok(&["start", "runs"]);
        self.tell_of("after the host's crash", &["exec", "runs", "cat", "/before"]);
    }

    fn end(&mut self) {
        let why = self.docker.fails(&["rmi", "busybox"]);
        self.told
            .push(format!("an image in use is refused: {}", why.contains("conflict")));
        self.docker
            .ok(&["rm", "-f", "runs", "first", "idle", "second", "apart"]);
        self.docker.ok(&["volume", "rm", "vol"]);
        self.docker.ok(&["builder", "prune", "-af"]);
        self.docker.ok(&["image", "prune", "-af"]);
        self.tell_of("what is left", &["image", "ls", "-aq"]);
    }
}
