//! The end: of an exec, and of the container with everything that must be on disk
//! before it is told.

use super::event_loop::{Phase, Shim};
use super::process::ProcessKey;
use super::{complain, now_ns};
use anyhow::{Context as _, Result};
use model::container;
use shim_protocol::{Event, ExitRecord, ExitStatus, SOCKET, ShimRecord};
use std::fs::{self, File};
use std::io::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};
use sys::children::Ended;

/// How long pipes are read that others hold open after the process ended.
pub(super) const DRAIN: Duration = Duration::from_secs(2);
/// Removed before the log is finished.
const LOG_BLOCK: &str = ".log.new";
/// More than a record takes, and a block of most file systems.
const RECORD_BYTES: usize = 4096;
/// Between attempts to write a record that a disk refuses.
const RETRY: Duration = Duration::from_secs(1);

impl Shim {
    /// Takes all children that have ended: init, execs, and orphans that nobody
    /// else is there for.
    pub(super) fn reap(&mut self) {
        self.deaths.clear();
        loop {
            match sys::children::reap() {
                Ok(Some((pid, ended))) => self.ended(pid, status(ended)),
                Ok(None) => return,
                Err(error) => {
                    complain(&anyhow::Error::new(error).context("cannot reap a child"));
                    return;
                }
            }
        }
    }

    fn ended(&mut self, pid: i32, status: ExitStatus) {
        let found = self
            .processes
            .iter()
            .find(|(_, process)| process.identity.pid == pid && process.exit.is_none());
        match found.map(|(key, _)| *key) {
            Some(ProcessKey::INIT) => self.init_ended(status),
            Some(key) => self.exec_ended(key, status),
            None => self.log.child_ended(pid),
        }
    }

    fn exec_ended(&mut self, key: ProcessKey, status: ExitStatus) {
        let at_ns = now_ns();
        let Some(process) = self.processes.get_mut(&key) else {
            return;
        };
        process.exit = Some((status, at_ns));
        process.drain_until = Some(Instant::now() + DRAIN);
        if let Some(terminal) = &mut process.terminal {
            terminal.peer = None;
        }
        let exec_id = process.exec_id.clone().unwrap_or_default();
        // Told before the raw connection is closed, so that whoever sees that end
        // can ask for the status.
        self.tell(Event::ExecExited { exec_id, status, at_ns });
        self.close_input(key);
        self.finish_process(key);
    }

    /// Init has ended, or never began its command.
    pub(super) fn init_ended(&mut self, status: ExitStatus) {
        let started_at_ns = match self.phase {
            Phase::Created => None,
            Phase::Running { started_at_ns } => Some(started_at_ns),
            Phase::Ending { .. } | Phase::Exited(_) => return,
        };
        let at_ns = now_ns();
        let until = Instant::now() + DRAIN;
        self.phase = Phase::Ending {
            status,
            started_at_ns,
            at_ns,
            until,
        };
        if let Some(process) = self.processes.get_mut(&ProcessKey::INIT) {
            process.exit = Some((status, at_ns));
            process.drain_until = Some(until);
            if let Some(terminal) = &mut process.terminal {
                terminal.peer = None;
            }
        }
        // With a pid namespace of its own the kernel has killed them already.
        if let Err(error) = self.container.kill_rest() {
            complain(&error);
        }
        self.close_input(ProcessKey::INIT);
        self.finish_process(ProcessKey::INIT);
    }

    /// Lets go of pipes that are still held open when their time is over.
    pub(super) fn end_drains(&mut self, now: Instant) {
        let over: Vec<ProcessKey> = self
            .processes
            .iter()
            .filter(|(_, process)| !process.held && process.drain_until.is_some_and(|until| now >= until))
            .map(|(key, _)| *key)
            .collect();
        for key in over {
            let Some(process) = self.processes.get_mut(&key) else {
                continue;
            };
            for output in std::mem::take(&mut process.outputs) {
                self.unwatch(output.token, &output.file);
            }
            self.finish_process(key);
        }
    }

    /// Forgets a process that has ended and whose output was read to its end.
    pub(super) fn finish_process(&mut self, key: ProcessKey) {
        let over = self
            .processes
            .get(&key)
            .is_some_and(|process| process.exit.is_some() && process.outputs.is_empty());
        // Init's readers are let go when its end is on record.
        if !over || key == ProcessKey::INIT {
            return;
        }
        if let Some(process) = self.processes.remove(&key) {
            self.remember_exec(&process);
            self.release_readers(process.readers);
        }
    }

    /// Records the end as soon as everything has been read and everybody is gone.
    pub(super) fn try_to_end(&mut self, now: Instant) {
        let Phase::Ending {
            status,
            started_at_ns,
            at_ns,
            until,
        } = self.phase
        else {
            return;
        };
        let read = self
            .processes
            .get(&ProcessKey::INIT)
            .is_none_or(|process| process.outputs.is_empty());
        let alone = self.processes.keys().all(|key| *key == ProcessKey::INIT);
        if !(read && alone) && now < until {
            return;
        }
        // Room for the mark of the lines that a full disk did not take.
        let _ = fs::remove_file(self.launch.bundle_dir.join(LOG_BLOCK));
        let mut logged = self.log.finish();
        let record = ExitRecord {
            run: self.launch.run,
            status,
            started_at_ns,
            at_ns,
            oom_killed: self.oom_killed(),
            failure: self.failure.clone(),
        };
        if !self.unheard
            && let Err(error) = write_durably(&self.launch.bundle_dir, ExitRecord::FILE, &record.to_json())
        {
            if !std::mem::replace(&mut self.record_refused, true) {
                complain(&error.context("tried again every second"));
            }
            self.phase = Phase::Ending {
                status,
                started_at_ns,
                at_ns,
                until: now + RETRY,
            };
            return;
        }
        if logged.is_err() {
            // Perhaps there was no room a moment ago.
            logged = self.log.finish();
        }
        if let Err(error) = logged {
            complain(&error);
        }
        self.log.close();
        if let Err(error) = self.container.remove_group() {
            complain(&error);
        }
        self.phase = Phase::Exited(record.clone());
        let processes = std::mem::take(&mut self.processes);
        for process in processes.values() {
            for output in &process.outputs {
                self.unwatch(output.token, &output.file);
            }
        }
        self.container.let_go();
        if self.unheard {
            self.leave_no_trace();
            return;
        }
        self.tell(Event::Exited(record));
        for connection in self.connections.values_mut() {
            connection.be_patient_anew();
        }
        for process in processes.into_values() {
            self.release_readers(process.readers);
        }
        self.leave_no_trace();
    }

    /// The last look at the count, while the cgroup is still there.
    fn oom_killed(&mut self) -> bool {
        self.oom_look_at = None;
        self.tell_of_oom();
        self.container.stop_oom_watch();
        self.container.oom_kills() > 0
    }

    /// Unmakes a container that was never started.
    pub(super) fn undo(&mut self) {
        self.unheard = true;
        if let Some(process) = self.processes.get(&ProcessKey::INIT)
            && let Err(error) = process.signal(model::Signal::KILL.number())
        {
            complain(&error);
        }
        self.init_ended(ExitStatus::Signal(9));
    }

    /// From now on the record speaks. Whoever is connected stays connected.
    fn leave_no_trace(&self) {
        for name in [SOCKET, ShimRecord::FILE] {
            let _ = fs::remove_file(self.launch.run_dir.join(name));
        }
    }
}

fn status(ended: Ended) -> ExitStatus {
    let status = match ended {
        Ended::Code(code) => container::ExitStatus::Code(u8::try_from(code).unwrap_or(u8::MAX)),
        Ended::Signal(number) => match model::Signal::from_number(number) {
            Some(signal) => container::ExitStatus::Signaled(signal),
            None => container::ExitStatus::Code(u8::MAX),
        },
    };
    status.into()
}

/// Takes the blocks on the disk that the record and the last line of the log will need: a
/// container has to be able to end on a disk that is full by then.
pub(super) fn reserve_record(dir: &Path) {
    let record = format!(".{}.new", ExitRecord::FILE);
    for name in [record.as_str(), LOG_BLOCK] {
        if let Err(error) = fs::write(dir.join(name), [b' '; RECORD_BYTES]) {
            complain(&anyhow::Error::new(error).context("cannot keep space for the end of the container"));
        }
    }
}

/// Replaces file `name` in `dir`, so that after a crash there is the old one or
/// the new one, whole.
pub(super) fn write_durably(dir: &Path, name: &str, bytes: &[u8]) -> Result<()> {
    let context = || format!("cannot write `{}`", dir.join(name).display());
    let temporary = dir.join(format!(".{name}.new"));
    // Not truncated: it may have a block already, on a disk that has no other left.
    let mut options = File::options();
    let mut file = options
        .write(true)
        .create(true)
        .truncate(false)
        .open(&temporary)
        .with_context(context)?;
    file.write_all(bytes).with_context(context)?;
    file.set_len(bytes.len() as u64).with_context(context)?;
    file.sync_all().with_context(context)?;
    fs::rename(&temporary, dir.join(name)).with_context(context)?;
    let dir = File::open(dir).with_context(context)?;
    dir.sync_all().with_context(context)
}

/// Replaces file `name` in `dir` whole, for what means nothing after a crash of
/// the host.
pub(super) fn write_whole(dir: &Path, name: &str, bytes: &[u8]) -> Result<()> {
    let context = || format!("cannot write `{}`", dir.join(name).display());
    let temporary = dir.join(format!(".{name}.new"));
    fs::write(&temporary, bytes).with_context(context)?;
    fs::rename(&temporary, dir.join(name)).with_context(context)
}
