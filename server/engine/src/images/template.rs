//! Images made from a distribution's packages, by `mmdebstrap` or `debootstrap`.

use super::failed;
use crate::clock;
use crate::engine::Engine;
use crate::error::{Doing, EngineError, Mistake};
use crate::layout::{make_private_dir, remove_dir};
use crate::tasks::{LoadedImage, Progress, Running, TaskId, TaskKind};
use model::event::Action;
use model::image::Reference;
use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use sys::tree::Tree;
use tokio::io::{AsyncBufReadExt as _, AsyncRead, BufReader};
use tokio::process::{Child, Command};
use tokio_util::sync::CancellationToken;

/// Lines of the log that a task shows.
const LINES: usize = 100;
const LONGEST_LINE: usize = 500;
/// What a program that is asked to end gets to tidy up.
const TIDY_UP: Duration = Duration::from_secs(10);

/// What [`Engine::make_template`] makes an image of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    /// `debian`, `ubuntu`.
    pub distribution: String,
    /// `bookworm`, `noble`.
    pub suite: String,
    /// Beyond the smallest set.
    pub packages: Vec<String>,
    /// Where packages come from; `None` is the distribution's own.
    pub mirror: Option<String>,
    pub reference: Reference,
}

/// The programs that can do it, the better first.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Tool {
    /// Writes a tar, and so needs no room beside the image.
    Mmdebstrap(PathBuf),
    /// Fills a directory.
    Debootstrap(PathBuf),
}

impl Engine {
    /// Makes the image in the background; the task's log is what the program says.
    ///
    /// # Errors
    /// Something asked for cannot be right, or neither program is installed.
    pub fn make_template(&self, template: Template, owner: Option<String>) -> Result<TaskId, EngineError> {
        let mistakes = template.mistakes();
        if !mistakes.is_empty() {
            return Err(EngineError::Invalid(mistakes));
        }
        let path = std::env::var_os("PATH").unwrap_or_default();
        let tool = Tool::find(&path).ok_or_else(|| {
            EngineError::Conflict(
                "neither `mmdebstrap` nor `debootstrap` is installed on this host; install one of them, such as by `apt install mmdebstrap`"
                    .to_owned(),
            )
        })?;
        let inner = &self.inner;
        let subject = template.reference.short();
        let (id, running) = inner
            .tasks
            .join_or_begin(TaskKind::Template, subject, owner, &inner.ending, true);
        if let Some(running) = running {
            let engine = self.clone();
            inner.tracker.spawn(async move {
                let outcome = engine.run_template(&running, &tool, template).await;
                running.end(outcome);
                engine.collect_images().await;
            });
        }
        Ok(id)
    }

    async fn run_template(
        &self,
        running: &Running,
        tool: &Tool,
        template: Template,
    ) -> Result<Vec<LoadedImage>, EngineError> {
        let _lease = self.inner.leases.hold().await;
        let dir = self.inner.layout.template(&uuid::Uuid::now_v7().to_string());
        make_private_dir(&dir).doing(|| format!("make `{}`", dir.display()))?;
        let made = self.make_in(running, tool, &template, &dir).await;
        if let Err(error) = remove_dir(&dir) {
            tracing::error!(%error, dir = %dir.display(), "cannot remove what a template left");
        }
        let names = vec![template.reference];
        Ok(vec![self.inner.record_image(made?, names, Action::Import).await?])
    }

    async fn make_in(
        &self,
        running: &Running,
        tool: &Tool,
        template: &Template,
        dir: &Path,
    ) -> Result<image::Image, EngineError> {
        let log = Log::new(running.clone());
        let mut child = tool.spawn(template, dir)?;
        let listening = child.stderr.take().map(|from| log.clone().listen(from));
        let out = child.stdout.take();
        let image = match (tool, out) {
            (Tool::Mmdebstrap(_), Some(tar)) => {
                let importing = self.import_template(template, running, Box::pin(tar));
                let (imported, ended) = tokio::join!(importing, finish(child, &running.cancel, listening));
                // Why the program failed is why its tar is cut off.
                ended.map_err(|error| log.explain(error))?;
                imported?
            }
            (_, out) => {
                let log_too = log.clone();
                let listening_too = async {
                    if let Some(out) = out {
                        log_too.listen(out).await;
                    }
                };
                let (ended, ()) = tokio::join!(finish(child, &running.cancel, listening), listening_too);
                ended.map_err(|error| log.explain(error))?;
                let root = dir.join("root");
                // Packages that were fetched are installed now.
                remove_debs(&root.join("var/cache/apt/archives"));
                self.import_directory(template, running, root).await?
            }
        };
        Ok(image)
    }

    async fn import_directory(
        &self,
        template: &Template,
        running: &Running,
        root: PathBuf,
    ) -> Result<image::Image, EngineError> {
        let (near, far) = tokio::io::duplex(256 << 10);
        let writing = tokio::task::spawn_blocking(move || {
            let to = tokio_util::io::SyncIoBridge::new(near);
            Tree::open(&root).and_then(|dir| image::write_children(&dir, (0, 0), to))
        });
        let (imported, written) = tokio::join!(self.import_template(template, running, Box::pin(far)), writing);
        written
            .map_err(std::io::Error::other)
            .and_then(|outcome| outcome)
            .doing(|| "pack what was installed".to_owned())?;
        imported
    }

    async fn import_template(
        &self,
        template: &Template,
        running: &Running,
        tar: std::pin::Pin<Box<dyn AsyncRead + Send>>,
    ) -> Result<image::Image, EngineError> {
        let options = image::ImportOptions {
            config: image::document::ContainerConfig {
                cmd: Some(vec!["/bin/bash".to_owned()]),
                ..Default::default()
            },
            platform: None,
            message: Some(format!("{} {} from packages", template.distribution, template.suite)),
            created: clock::now(),
        };
        let progress = tokio::sync::watch::channel(image::Progress::default()).0;
        let imported = self
            .inner
            .images
            .import(tar, options, progress, running.cancel.clone())
            .await;
        imported.map_err(|error| failed(&template.reference.short(), &error))
    }
}

impl Template {
    /// All that would be read as something else by the program.
    fn mistakes(&self) -> Vec<Mistake> {
        let mut found = Vec::new();
        let mut wrong = |field, message| found.push(Mistake { field, message });
        let is_word = |text: &str, more: &[u8]| {
            let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || more.contains(&byte);
            text.bytes().all(plain) && text.as_bytes().first().is_some_and(u8::is_ascii_alphanumeric)
        };
        if self.own_mirror().is_none() && self.mirror.is_none() {
            let message = format!(
                "the mirror of `{}` is not known; use `debian` or `ubuntu`, or give one",
                self.distribution
            );
            wrong("distribution", message);
        }
        if !is_word(&self.suite, b".-") {
            wrong(
                "suite",
                format!("`{}` is not the name of a suite, such as `bookworm`", self.suite),
            );
        }
        for package in &self.packages {
            if !is_word(package, b"+.-") {
                wrong("packages", format!("`{package}` is not the name of a package"));
            }
        }
        if let Some(mirror) = &self.mirror {
            let known = ["http://", "https://", "file:///", "copy:///"]
                .iter()
                .any(|start| mirror.starts_with(start));
            if !known || mirror.contains(char::is_whitespace) {
                wrong(
                    "mirror",
                    format!("`{mirror}` is not an address such as `http://HOST/debian`"),
                );
            }
        }
        found
    }

    fn own_mirror(&self) -> Option<&'static str> {
        match self.distribution.as_str() {
            "debian" => Some("http://deb.debian.org/debian"),
            "ubuntu" => Some("http://archive.ubuntu.com/ubuntu"),
            _ => None,
        }
    }
}

impl Tool {
    fn find(path: &std::ffi::OsStr) -> Option<Self> {
        let in_path = |name: &str| {
            std::env::split_paths(path)
                .map(|dir| dir.join(name))
                .find(|file| file.is_file())
        };
        let better = in_path("mmdebstrap").map(Self::Mmdebstrap);
        better.or_else(|| in_path("debootstrap").map(Self::Debootstrap))
    }

    /// Room for its temporary files is in `dir`.
    fn spawn(&self, template: &Template, dir: &Path) -> Result<Child, EngineError> {
        let mirror = template.mirror.as_deref().or(template.own_mirror()).unwrap_or_default();
        let include = template.packages.join(",");
        let (Self::Mmdebstrap(program) | Self::Debootstrap(program)) = self;
        let mut command = Command::new(program);
        command.arg("--variant=minbase");
        if !include.is_empty() {
            command.arg(format!("--include={include}"));
        }
        command.arg(&template.suite);
        match self {
            Self::Mmdebstrap(_) => command.arg("-"),
            Self::Debootstrap(_) => command.arg(dir.join("root")),
        };
        command
            .arg(mirror)
            .env("TMPDIR", dir)
            .env("LC_ALL", "C.UTF-8")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .current_dir("/")
            .process_group(0)
            .kill_on_drop(true);
        command.spawn().doing(|| format!("start `{}`", program.display()))
    }
}

/// Waits for the program; asked to stop, it may tidy up first.
async fn finish(
    mut child: Child,
    cancel: &CancellationToken,
    listening: Option<impl Future<Output = ()>>,
) -> Result<(), EngineError> {
    let listened = async {
        if let Some(listening) = listening {
            listening.await;
        }
    };
    let stopped = tokio::select! {
        () = listened => false,
        () = cancel.cancelled() => true,
    };
    if stopped {
        if let Some(pid) = child.id().and_then(|pid| i32::try_from(pid).ok())
            && let Ok(handle) = sys::pidfd::open(pid)
        {
            let _ = sys::pidfd::send_signal(&handle, TERMINATE);
        }
        if tokio::time::timeout(TIDY_UP, child.wait()).await.is_err() {
            let _ = child.kill().await;
        }
        return Err(EngineError::Cancelled("making the image".to_owned()));
    }
    let status = child.wait().await.doing(|| "wait for the program".to_owned())?;
    if status.success() {
        return Ok(());
    }
    Err(EngineError::Conflict(format!("the program ended with {status}")))
}

/// SIGTERM: signal(7).
const TERMINATE: i32 = 15;

fn remove_debs(dir: &Path) {
    for entry in std::fs::read_dir(dir).into_iter().flatten().filter_map(Result::ok) {
        if entry.path().extension().is_some_and(|end| end == "deb") {
            let _ = std::fs::remove_file(entry.path());
        }
    }
}

/// What the program says, newest last.
#[derive(Clone)]
struct Log {
    running: Running,
    lines: Arc<Mutex<VecDeque<String>>>,
}

impl Log {
    fn new(running: Running) -> Self {
        Self {
            running,
            lines: Arc::default(),
        }
    }

    async fn listen(self, from: impl AsyncRead + Unpin) {
        let mut lines = BufReader::new(from).split(b'\n');
        while let Ok(Some(line)) = lines.next_segment().await {
            let text = String::from_utf8_lossy(&line);
            let text: String = text.trim_end().chars().take(LONGEST_LINE).collect();
            if !text.is_empty() {
                self.add(text);
            }
        }
    }

    fn add(&self, line: String) {
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        lines.push_back(line);
        if lines.len() > LINES {
            lines.pop_front();
        }
        self.running.show(Progress {
            phase: "installing",
            log: lines.iter().cloned().collect(),
            ..Progress::default()
        });
    }

    /// The last lines mostly say why.
    fn explain(&self, error: EngineError) -> EngineError {
        let EngineError::Conflict(message) = error else {
            return error;
        };
        let lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        let wanted = lines.iter().rev().take(5).rev();
        let last: Vec<&str> = wanted.map(String::as_str).collect();
        EngineError::Image {
            reference: "from packages".to_owned(),
            kind: crate::error::Kind::Failed,
            reason: format!("{message}: {}", last.join("; ")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn template(suite: &str, packages: &[&str], mirror: Option<&str>) -> Template {
        Template {
            distribution: "debian".to_owned(),
            suite: suite.to_owned(),
            packages: packages.iter().map(|name| (*name).to_owned()).collect(),
            mirror: mirror.map(str::to_owned),
            reference: Reference::parse("x:1").unwrap(),
        }
    }

    #[test]
    fn what_would_be_read_as_a_switch_is_refused() {
        assert!(
            template("bookworm", &["g++", "libc6"], Some("https://mirror/debian"))
                .mistakes()
                .is_empty()
        );
        for suite in ["--setup-hook=x", "a b", "", "/x", "A"] {
            assert!(!template(suite, &[], None).mistakes().is_empty(), "{suite}");
        }
        assert!(!template("sid", &["a,b"], None).mistakes().is_empty());
        for mirror in ["--x", "deb http://x", "http://x y", "/etc/passwd"] {
            assert!(!template("sid", &[], Some(mirror)).mistakes().is_empty(), "{mirror}");
        }
    }

    #[test]
    fn the_better_program_is_taken_and_none_is_told() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().as_os_str();
        assert_eq!(Tool::find(path), None);
        std::fs::write(dir.path().join("debootstrap"), "").unwrap();
        assert!(matches!(Tool::find(path), Some(Tool::Debootstrap(_))));
        std::fs::write(dir.path().join("mmdebstrap"), "").unwrap();
        assert!(matches!(Tool::find(path), Some(Tool::Mmdebstrap(_))));
    }
}
