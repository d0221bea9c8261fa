//! `cargo xtask test-vm`: the tests on another kernel and another layout of control
//! groups than this host's. Debian's stock kernel is booted in qemu on a pure v2 tree, and
//! the compiled test files run in there, one after the other.
//!
//! ```text
//! kernel    Debian's package, unpacked; modules in an initramfs  → target/vm/initramfs.cpio
//! root      programs, libraries, test files, as an ext4 disk     → target/vm/root.img
//! machine   qemu; console → target/vm/console.log, verdicts → here
//! ```
//!
//! Nothing is installed but qemu, and nothing of this host is changed.

mod kernel;
mod machine;
mod newc;
mod root;

use crate::test::{self, Tally, TestFile};
use crate::{packages, programs, test_system, ui, workspace};
use anyhow::{Result, bail};
use machine::{Machine, Said};
use std::path::PathBuf;
use std::time::{Duration, Instant};

const SMOKE: &str = "--smoke";
const SYSTEMD: &str = "--systemd";

/// What runs where systemd is the machine's init.
const SYSTEMD_FILES: [&str; 1] = ["gantry/systemd"];

/// What the smoke runs: the kernel's files as the crate writes them, and containers with
/// limits through the real server.
const SMOKE_FILES: [&str; 2] = ["cgroup/kernel", "gantry/limits"];

/// Test files that do not go along: they say nothing about a kernel, or need what is not
/// in there.
const LEFT_OUT: [(&str, &str); 11] = [
    ("gantry/systemd", "needs systemd, which has a run of its own"),
    ("gantry/panel", "needs a browser"),
    ("gantry/tidy", "reads the source"),
    ("access", "asks nothing of a kernel"),
    ("api", "asks nothing of a kernel"),
    ("bundle", "asks nothing of a kernel"),
    ("harness", "has no tests of its own"),
    ("model", "asks nothing of a kernel"),
    ("shared", "asks nothing of a kernel"),
    ("shim-protocol", "asks nothing of a kernel"),
    ("store", "asks nothing of a kernel"),
];

/// Emulated processors are some ten times slower than this host's, and busy ones more.
const SMOKE_LIMIT: Duration = Duration::from_secs(280);
/// Shorter, so that a file that hangs is ended in time to say in which test.
const SMOKE_FILE_LIMIT: Duration = Duration::from_secs(180);
const FILE_LIMIT: Duration = Duration::from_secs(20 * 60);
const WHOLE_LIMIT: Duration = Duration::from_secs(150 * 60);

/// Where everything of this lies.
fn folder() -> PathBuf {
    workspace::target().join("vm")
}

pub(crate) fn run_vm(arguments: &[String]) -> Result<()> {
    packages::install(packages::TO_RUN)?;
    packages::install(packages::TO_TEST)?;
    let smoke = arguments.iter().any(|argument| argument == SMOKE);
    let systemd = arguments.iter().any(|argument| argument == SYSTEMD);
    let filters: Vec<&String> = arguments
        .iter()
        .filter(|argument| !argument.starts_with("--"))
        .collect();
    // The server embeds the panel, of whatever quality.
    if !workspace::root().join("web/dist/index.html").exists() {
        ui::build(ui::Purpose::Quick)?;
    }
    programs::build_runtime_for_tests()?;
    let mut files: Vec<TestFile> = test::compile(None)?
        .into_iter()
        .filter(|file| filters.is_empty() || filters.iter().any(|part| file.name.contains(*part)))
        .filter(|file| !smoke || SMOKE_FILES.contains(&file.name.as_str()))
        .filter(|file| {
            if systemd {
                SYSTEMD_FILES.contains(&file.name.as_str())
            } else {
                !LEFT_OUT.iter().any(|(name, _)| *name == file.name)
            }
        })
        .collect();
    // What is nearest to the kernel first; the longest, which asks the least of it, last.
    files.sort_by_key(|file| {
        (
            file.name == "gantry/docker",
            file.name.starts_with("gantry/"),
            file.name.clone(),
        )
    });
    if files.is_empty() {
        bail!("no test file that runs in the machine has such a name");
    }
    let limits = if smoke {
        (SMOKE_FILE_LIMIT, SMOKE_LIMIT)
    } else {
        (FILE_LIMIT, WHOLE_LIMIT)
    };
    let begun = Instant::now();
    let init = if systemd { Init::Systemd } else { Init::Ours };
    let tally = run_files(&files.iter().collect::<Vec<_>>(), init, limits, &mut |line| {
        print!("{line}");
    })?;
    println!(
        "the machine's console is in {}",
        folder().join(machine::CONSOLE).display()
    );
    println!(
        "{:.0} s from the making of the disk to the end",
        begun.elapsed().as_secs_f32()
    );
    tally.sum_up()
}

/// The short run that is a part of `cargo xtask test`: what it found, and what it printed.
pub(crate) fn smoke(files: &[TestFile]) -> (Tally, String) {
    let chosen: Vec<&TestFile> = files
        .iter()
        .filter(|file| SMOKE_FILES.contains(&file.name.as_str()))
        .collect();
    let mut printed = String::new();
    match run_files(&chosen, Init::Ours, (SMOKE_FILE_LIMIT, SMOKE_LIMIT), &mut |line| {
        printed.push_str(line);
    }) {
        Ok(tally) => (tally, printed),
        Err(error) => (Tally::failure(), format!("{printed}FAILED vm: {error:#}\n")),
    }
}

/// What the machine's first process is.
#[derive(Debug, Clone, Copy)]
enum Init {
    /// A few lines of shell.
    Ours,
    /// A whole Debian's.
    Systemd,
}

/// Boots, runs `files`, and says a line about each as it ends.
fn run_files(
    files: &[&TestFile],
    init: Init,
    (each, whole): (Duration, Duration),
    say: &mut dyn FnMut(&str),
) -> Result<Tally> {
    std::fs::create_dir_all(folder())?;
    let kernel = kernel::get()?;
    let disk = match init {
        Init::Ours => root::make(files, each)?,
        Init::Systemd => root::make_with_systemd(&test_system::debian()?, files, each)?,
    };
    let mut machine = Machine::boot(&kernel, &disk, whole)?;
    let mut tally = Tally::default();
    let mut open: Option<(&TestFile, Instant, String)> = None;
    let mut left: Vec<&TestFile> = files.to_vec();
    loop {
        match machine.listen()? {
            Said::Booted(what) => say(&format!("booted {what} in {:.0} s\n", machine.age().as_secs_f32())),
            Said::Began(name) => {
                let Some(at) = left.iter().position(|file| file.name == name) else {
                    bail!("the machine runs `{name}`, which it was not given");
                };
                open = Some((left.remove(at), Instant::now(), String::new()));
            }
            Said::Printed(line) => {
                if let Some((_, _, text)) = &mut open {
                    text.push_str(&line);
                    text.push('\n');
                }
            }
            Said::Ended(code) => {
                let Some((file, begun, text)) = open.take() else {
                    bail!("the machine ended a file that it did not begin");
                };
                let ended = match code {
                    0 => Ok(()),
                    machine::TIMED_OUT | machine::KILLED => Err(format!("it took longer than {} s", each.as_secs())),
                    code => Err(format!("exit status: {code}")),
                };
                let (of_file, line) = test::judge(&format!("vm:{}", file.name), &text, ended, begun.elapsed());
                tally.add(of_file);
                say(&line);
            }
            Said::Done => break,
            Said::Nothing(why) => {
                let at = open.map_or("before the first file".into(), |(file, _, text)| {
                    format!("in {}, which had said:\n{text}", file.name)
                });
                bail!(
                    "the machine stopped talking {at}\n{why}; the end of its console ({}):\n{}",
                    folder().join(machine::CONSOLE).display(),
                    machine::last_words()
                );
            }
        }
    }
    if !left.is_empty() {
        let names: Vec<&str> = left.iter().map(|file| file.name.as_str()).collect();
        bail!("the machine ended without running {}", names.join(", "));
    }
    machine.wait_for_end();
    Ok(tally)
}
