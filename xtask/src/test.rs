//! `cargo xtask test`: what CI runs. Formatting and lints first, then every test
//! file as a process of its own with a time limit, two at a time.

use crate::process::{self, cargo, run};
use crate::{packages, programs, test_vm, ui, wasm, workspace};
use anyhow::{Context as _, Result, bail};
use std::fs::File;
use std::io::Read as _;
use std::path::PathBuf;
use std::process::{Command, ExitStatus, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// One test file may take this long before it is killed and counted as failed.
const FILE_LIMIT: Duration = Duration::from_secs(300);
const AT_ONCE: usize = 2;
/// A test that cannot run here prints a line that begins so, and passes.
const SKIPPED: &str = "skipped: ";

/// One compiled test file.
pub(crate) struct TestFile {
    pub(crate) name: String,
    pub(crate) program: PathBuf,
    /// The folder of its package, where cargo would run it.
    pub(crate) folder: PathBuf,
}

#[derive(Default)]
pub(crate) struct Tally {
    passed: usize,
    failed: usize,
    skipped: Vec<String>,
}

impl Tally {
    /// Of what failed before it had tests to count.
    pub(crate) fn failure() -> Self {
        Self {
            failed: 1,
            ..Self::default()
        }
    }

    pub(crate) fn add(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.skipped.extend(other.skipped);
    }

    /// Prints the sum, last; an error when something failed, or was skipped for want of
    /// what CI must have.
    pub(crate) fn sum_up(&self) -> Result<()> {
        for reason in &self.skipped {
            println!("skipped {reason}");
        }
        let in_ci = std::env::var("CI").is_ok_and(|ci| ci == "true");
        let for_root = self
            .skipped
            .iter()
            .filter(|reason| reason.contains("needs root"))
            .count();
        if in_ci && for_root > 0 {
            println!("{for_root} tests were skipped for want of root, which CI must have");
        }
        println!(
            "{} passed, {} failed, {} skipped",
            self.passed,
            self.failed,
            self.skipped.len()
        );
        if self.failed > 0 || (in_ci && for_root > 0) {
            bail!("the tests did not pass");
        }
        Ok(())
    }
}

pub(crate) fn run_tests(filter: Option<&str>) -> Result<()> {
    packages::install(packages::TO_RUN)?;
    packages::install(packages::TO_TEST)?;
    if filter.is_none() {
        run(&mut cargo(&["fmt", "--all", "--check"]))?;
        let mut clippy = cargo(&[
            "clippy",
            "--workspace",
            "--exclude",
            "web",
            "--all-targets",
            "--quiet",
            "--",
            "-D",
            "warnings",
        ]);
        run(&mut clippy)?;
        // The panel is linted as the WebAssembly it becomes.
        wasm::lint()?;
    }
    ui::build(ui::Purpose::Release)?;
    let registry = packages::unpack(&packages::UNPACKED[0])?;
    let docker = packages::unpack(&packages::UNPACKED[1])?;
    programs::build_runtime_for_tests()?;
    let mut files = compile(filter)?;
    files.extend(compile_apart(filter)?);
    let next = Mutex::new(files.iter());
    let tally = Mutex::new(Tally::default());
    // The longest of all, and so the first.
    let smoke_is_due = Mutex::new(filter.is_none());
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                let smoke = std::mem::take(&mut *smoke_is_due.lock().expect("no test runner panics"));
                if smoke {
                    let (report, output) = test_vm::smoke(&files);
                    tally.lock().expect("no test runner panics").add(report);
                    print!("{output}");
                }
                loop {
                    let Some(file) = next.lock().expect("no test runner panics").next() else {
                        break;
                    };
                    let mut command = process::command(&file.program);
                    command
                        .current_dir(&file.folder)
                        .env("DOCKER_REGISTRY", &registry)
                        .env("DOCKER_CLI", &docker);
                    let (report, output) = run_file(file, command);
                    tally.lock().expect("no test runner panics").add(report);
                    print!("{output}");
                }
            });
        }
    });
    tally.into_inner().expect("no test runner panics").sum_up()
}

/// Compiles every test and tells where each lies.
pub(crate) fn compile(filter: Option<&str>) -> Result<Vec<TestFile>> {
    let mut files = compile_with(&["--workspace", "--exclude", "web", "--exclude", "xtask"], filter)?;
    // A workspace of its own, in the same target folder for what both need.
    files.extend(compile_with(
        &["--manifest-path", "tests/fuzz/Cargo.toml", "--tests"],
        filter,
    )?);
    // The long ones, through the whole program, first: the short ones fill the gaps.
    files.sort_by_key(|file| (!file.name.starts_with("gantry/"), file.name.clone()));
    Ok(files)
}

/// Compiles the unit tests of the panel's pure parts, for the host, and those of this tool.
fn compile_apart(filter: Option<&str>) -> Result<Vec<TestFile>> {
    const APART: [(&str, &[&str]); 2] = [
        ("web", &["-p", "web", "--lib"]),
        // In the profile that this tool is built in.
        ("xtask", &["-p", "xtask", "--profile", "xtask"]),
    ];
    let mut files = Vec::new();
    for (name, what) in APART {
        if filter.is_none_or(|filter| name.contains(filter)) {
            files.extend(compile_with(what, filter)?);
        }
    }
    Ok(files)
}

fn compile_with(what: &[&str], filter: Option<&str>) -> Result<Vec<TestFile>> {
    let mut build = cargo(&["test", "--no-run", "--message-format=json-render-diagnostics"]);
    build.args(what).env("CARGO_TARGET_DIR", workspace::target());
    eprintln!("+ {}", process::show(&build));
    let output = build.stderr(Stdio::inherit()).output().context("cannot start cargo")?;
    if !output.status.success() {
        bail!("the tests do not compile");
    }
    let mut files = Vec::new();
    for line in String::from_utf8_lossy(&output.stdout).lines() {
        let message: serde_json::Value = serde_json::from_str(line).context("cargo speaks JSON")?;
        let (Some(program), true) = (message["executable"].as_str(), message["profile"]["test"] == true) else {
            continue;
        };
        let folder = message["manifest_path"]
            .as_str()
            .map(PathBuf::from)
            .and_then(|path| path.parent().map(PathBuf::from));
        let folder = folder.context("cargo names each package's manifest")?;
        let package = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let target = message["target"]["name"].as_str().unwrap_or_default();
        let name = if package.replace('-', "_") == target.replace('-', "_") {
            package
        } else {
            format!("{package}/{target}")
        };
        if filter.is_none_or(|filter| name.contains(filter)) {
            files.push(TestFile {
                name,
                program: PathBuf::from(program),
                folder,
            });
        }
    }
    Ok(files)
}

fn run_file(file: &TestFile, mut command: Command) -> (Tally, String) {
    let begun = Instant::now();
    let log = workspace::target().join(format!("test-{}.log", file.name.replace('/', "-")));
    let ended = File::create(&log).and_then(|out| {
        let err = out.try_clone()?;
        command
            .args(["--show-output"])
            .stdin(Stdio::null())
            .stdout(out)
            .stderr(err);
        wait(command.spawn()?)
    });
    let mut text = String::new();
    let _ = File::open(&log).and_then(|mut log| log.read_to_string(&mut text));
    let ended = match ended {
        Ok(Some(status)) if status.success() => Ok(()),
        Ok(Some(status)) => Err(status.to_string()),
        Ok(None) => Err(format!("it took longer than {} s", FILE_LIMIT.as_secs())),
        Err(error) => Err(error.to_string()),
    };
    judge(&file.name, &text, ended, begun.elapsed())
}

/// The tally of the file `name`, which printed `text`, and the line about it.
pub(crate) fn judge(name: &str, text: &str, ended: Result<(), String>, took: Duration) -> (Tally, String) {
    let mut tally = read_report(name, text);
    let seconds = took.as_secs_f32();
    let line = match ended {
        Ok(()) => format!("ok     {name:<28} {} passed in {seconds:.1} s\n", tally.passed),
        Err(why) => {
            tally.failed = tally.failed.max(1);
            format!("{text}\nFAILED {name:<28} {why}, after {seconds:.1} s\n")
        }
    };
    (tally, line)
}

/// `None` when the time was over.
fn wait(mut child: std::process::Child) -> std::io::Result<Option<ExitStatus>> {
    let end = Instant::now() + FILE_LIMIT;
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        if Instant::now() >= end {
            child.kill()?;
            child.wait()?;
            return Ok(None);
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Reads libtest's closing line, and the reasons tests gave for being skipped.
fn read_report(file: &str, text: &str) -> Tally {
    let mut tally = Tally::default();
    for line in text.lines() {
        if let Some(reason) = line.trim().strip_prefix(SKIPPED) {
            tally.skipped.push(format!("in {file}: {reason}"));
        }
        if let Some(rest) = line.strip_prefix("test result: ") {
            let count = |word: &str| {
                let before = rest.split(word).next().unwrap_or_default();
                before
                    .trim_end()
                    .rsplit(|c: char| !c.is_ascii_digit())
                    .next()
                    .and_then(|n| n.parse().ok())
                    .unwrap_or(0)
            };
            tally.passed = count(" passed");
            tally.failed = count(" failed");
        }
    }
    tally.passed = tally.passed.saturating_sub(tally.skipped.len());
    tally
}
