//! The machine: qemu, the port through which it tells what happens, and its console.

use super::kernel::Kernel;
use crate::{process, workspace};
use anyhow::{Context as _, Result};
use std::fs;
use std::io::{BufRead as _, BufReader, Read};
use std::path::Path;
use std::process::{Child, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::time::{Duration, Instant};

pub(super) const CONSOLE: &str = "console.log";
/// What `timeout` answers with.
pub(super) const TIMED_OUT: i32 = 124;
pub(super) const KILLED: i32 = 137;

/// Where the processor's own help serves, the machine is up in a few seconds.
const BOOT_LIMIT_KVM: Duration = Duration::from_secs(30);
/// A full pipe holds the machine up until its lines are read.
const LINES_AHEAD: usize = 1000;

/// What runs the machine's instructions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Accelerator {
    Kvm,
    /// Software alone: works everywhere.
    Emulation,
}

impl Accelerator {
    fn arguments(self) -> [&'static str; 4] {
        match self {
            Self::Kvm => ["-accel", "kvm", "-cpu", "host"],
            // The more translated code is kept, the less often it is made anew.
            Self::Emulation => ["-accel", "tcg,thread=multi,tb-size=512", "-cpu", "max,la57=off"],
        }
    }
}

pub(super) enum Said {
    Booted(String),
    Began(String),
    /// A line of the file that runs.
    Printed(String),
    /// The exit status of the file that ran.
    Ended(i32),
    Done,
    /// It ended, or said nothing for too long: and why.
    Nothing(String),
}

/// Dropped, it ends.
pub(super) struct Machine {
    qemu: Child,
    lines: Receiver<String>,
    booted: Option<Said>,
    began: Instant,
    limit: Duration,
}

impl Machine {
    /// Starts it and waits until it has booted.
    pub(super) fn boot(kernel: &Kernel, disk: &Path, limit: Duration) -> Result<Self> {
        let mut machine;
        if may_serve() {
            machine = Self::start(kernel, disk, Accelerator::Kvm, BOOT_LIMIT_KVM)?;
            let first = machine.listen()?;
            if matches!(first, Said::Booted(_)) {
                machine.limit = limit;
                machine.booted = Some(first);
                return Ok(machine);
            }
            eprintln!("/dev/kvm does not serve here; emulating");
            fs::write(super::folder().join(NO_KVM), "remove this to try /dev/kvm again\n")?;
            drop(machine);
        }
        Self::start(kernel, disk, Accelerator::Emulation, limit)
    }

    fn start(kernel: &Kernel, disk: &Path, accelerator: Accelerator, limit: Duration) -> Result<Self> {
        let console = super::folder().join(CONSOLE);
        let mut qemu = process::command("qemu-system-x86_64");
        qemu.args(accelerator.arguments())
            .args([
                "-M",
                "q35",
                "-smp",
                "2",
                "-m",
                "3072",
                "-display",
                "none",
                "-nodefaults",
                "-no-reboot",
            ])
            .arg("-kernel")
            .arg(&kernel.image)
            .arg("-initrd")
            .arg(&kernel.initramfs)
            .args([
                "-append",
                "console=ttyS0 quiet panic=-1 mitigations=off random.trust_cpu=on",
            ])
            .arg("-serial")
            .arg(format!("file:{}", console.display()))
            .arg("-drive")
            .arg(format!("file={},format=raw,if=virtio,cache=unsafe", disk.display()))
            .args(["-device", "virtio-rng-pci", "-device", "virtio-serial-pci"])
            .args(["-chardev", "stdio,id=said,signal=off"])
            .args(["-device", "virtserialport,chardev=said,name=said"])
            // The port is closed when this is, so it is held open.
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(fs::File::create(super::folder().join(QEMU_LOG))?)
            .current_dir(workspace::root());
        eprintln!("+ {}", process::show(&qemu));
        let mut qemu = qemu
            .spawn()
            .context("cannot start qemu-system-x86_64, of the package qemu-system-x86")?;
        let lines = read_lines(qemu.stdout.take().context("its output is piped")?);
        Ok(Self {
            qemu,
            lines,
            booted: None,
            began: Instant::now(),
            limit,
        })
    }

    pub(super) fn age(&self) -> Duration {
        self.began.elapsed()
    }

    /// What it says next; waits for it.
    pub(super) fn listen(&mut self) -> Result<Said> {
        if let Some(said) = self.booted.take() {
            return Ok(said);
        }
        let line = match self.lines.recv_timeout(self.limit.saturating_sub(self.age())) {
            Ok(line) => line,
            Err(RecvTimeoutError::Timeout) => {
                return Ok(Said::Nothing(format!("{} s were over", self.limit.as_secs())));
            }
            Err(RecvTimeoutError::Disconnected) => {
                let log = fs::read_to_string(super::folder().join(QEMU_LOG)).unwrap_or_default();
                return Ok(Said::Nothing(format!("qemu ended: {}", log.trim())));
            }
        };
        Ok(match line.split_once(' ').unwrap_or((&line, "")) {
            ("@booted", what) => Said::Booted(what.to_owned()),
            ("@began", name) => Said::Began(name.to_owned()),
            ("@ended", code) => Said::Ended(code.parse().context("the machine says numbers")?),
            ("@done", _) => Said::Done,
            _ => Said::Printed(line),
        })
    }

    /// It turns itself off when it has said everything; who is late is turned off.
    pub(super) fn wait_for_end(&mut self) {
        let end = Instant::now() + Duration::from_secs(30);
        while Instant::now() < end {
            if matches!(self.qemu.try_wait(), Ok(Some(_)) | Err(_)) {
                return;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

/// The end of the last machine's console.
pub(super) fn last_words() -> String {
    let console = fs::read(super::folder().join(CONSOLE)).unwrap_or_default();
    let text = String::from_utf8_lossy(&console);
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(40)..].join("\n")
}

impl Drop for Machine {
    fn drop(&mut self) {
        let _ = self.qemu.kill();
        let _ = self.qemu.wait();
    }
}

const QEMU_LOG: &str = "qemu.log";
/// Left by a run that found the device to be there and of no use.
const NO_KVM: &str = "no-kvm";

fn may_serve() -> bool {
    let there = fs::File::options().read(true).write(true).open("/dev/kvm").is_ok();
    there && !super::folder().join(NO_KVM).exists()
}

fn read_lines(from: impl Read + Send + 'static) -> Receiver<String> {
    let (sender, receiver) = sync_channel(LINES_AHEAD);
    std::thread::spawn(move || {
        let mut from = BufReader::new(from);
        let mut line = Vec::new();
        loop {
            line.clear();
            match from.read_until(b'\n', &mut line) {
                Ok(0) | Err(_) => break,
                Ok(_) => {}
            }
            let text = String::from_utf8_lossy(&line);
            if sender.send(text.trim_end_matches(['\r', '\n']).to_owned()).is_err() {
                break;
            }
        }
    });
    receiver
}
