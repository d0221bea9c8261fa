//! Reading usage again and again: the files stay open, and a sample is a read of each.

use crate::control_file;
use crate::error::CgroupError;
use crate::group::Group;
use crate::hierarchy::{Controller, Version};
use crate::pressure::{Pressure, PressureOf};
use crate::usage::{Usage, reads_and_writes};
use model::container::limits::Ceiling;
use std::fs::File;
use std::io::{self, ErrorKind};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

/// Holds up to [`Sampler::MOST_DESCRIPTORS`], and keeps the group from being nothing but a name.
#[derive(Debug)]
pub struct Sampler {
    /// For the message when the group is gone.
    dir: PathBuf,
    cpu: Cpu,
    memory: Option<Memory>,
    pids: Option<Pids>,
    io: Option<Io>,
    pressure: Option<[File; 3]>,
    /// What is read; kept, as it grows to the longest file once.
    buffer: Vec<u8>,
}

#[derive(Debug)]
enum Cpu {
    V1 {
        /// Of `cpuacct`: total, user and system.
        accounts: [Option<File>; 3],
        stat: Option<File>,
    },
    V2 {
        stat: Option<File>,
    },
}

#[derive(Debug)]
struct Memory {
    version: Version,
    current: Option<File>,
    peak: Option<File>,
    limit: Option<File>,
    /// Memory and swap together on v1, swap alone on v2.
    swap: Option<File>,
    stat: Option<File>,
    oom: Option<File>,
}

#[derive(Debug)]
struct Pids {
    current: Option<File>,
    max: Option<File>,
    events: Option<File>,
}

#[derive(Debug)]
enum Io {
    V1 { bytes: Option<File>, counts: Option<File> },
    V2 { stat: Option<File> },
}

impl Group {
    pub fn usage(&self) -> Result<Usage, CgroupError> {
        self.sampler()?.sample()
    }

    /// # Errors
    /// [`CgroupError::Open`] when the group is not there.
    pub fn sampler(&self) -> Result<Sampler, CgroupError> {
        if !self.exists() {
            return Err(CgroupError::Open {
                dir: PathBuf::from(self.path()),
                source: ErrorKind::NotFound.into(),
            });
        }
        Ok(Sampler {
            dir: PathBuf::from(self.path()),
            cpu: self.open_cpu()?,
            memory: self.open_memory()?,
            pids: match self.place(Controller::Pids) {
                Some((_, dir)) => Some(Pids {
                    current: open(&dir, "pids.current")?,
                    max: open(&dir, "pids.max")?,
                    events: open(&dir, "pids.events")?,
                }),
                None => None,
            },
            io: self.open_io()?,
            pressure: self.open_pressure()?,
            buffer: vec![0; 4096],
        })
    }

    fn open_cpu(&self) -> Result<Cpu, CgroupError> {
        if let Some((Version::V2, dir)) = self.place(Controller::Cpuacct) {
            return Ok(Cpu::V2 {
                stat: open(&dir, "cpu.stat")?,
            });
        }
        // With the processor's controller on v2, its `cpu.stat` has everything.
        if let Some((Version::V2, dir)) = self.place(Controller::Cpu) {
            return Ok(Cpu::V2 {
                stat: open(&dir, "cpu.stat")?,
            });
        }
        let accounts = match self.place(Controller::Cpuacct) {
            Some((_, dir)) => [
                open(&dir, "cpuacct.usage")?,
                open(&dir, "cpuacct.usage_user")?,
                open(&dir, "cpuacct.usage_sys")?,
            ],
            None => [None, None, None],
        };
        let stat = match self.place(Controller::Cpu) {
            Some((_, dir)) => open(&dir, "cpu.stat")?,
            None => None,
        };
        Ok(Cpu::V1 { accounts, stat })
    }

    fn open_memory(&self) -> Result<Option<Memory>, CgroupError> {
        let Some((version, dir)) = self.place(Controller::Memory) else {
            return Ok(None);
        };
        let names = match version {
            Version::V1 => [
                "memory.usage_in_bytes",
                "memory.max_usage_in_bytes",
                "memory.limit_in_bytes",
                "memory.memsw.usage_in_bytes",
                "memory.stat",
                "memory.oom_control",
            ],
            Version::V2 => [
                "memory.current",
                "memory.peak",
                "memory.max",
                "memory.swap.current",
                "memory.stat",
                "memory.events",
            ],
        };
        let [current, peak, limit, swap, stat, oom] = names;
        Ok(Some(Memory {
            version,
            current: open(&dir, current)?,
            peak: open(&dir, peak)?,
            limit: open(&dir, limit)?,
            swap: open(&dir, swap)?,
            stat: open(&dir, stat)?,
            oom: open(&dir, oom)?,
        }))
    }

    fn open_io(&self) -> Result<Option<Io>, CgroupError> {
        Ok(match self.place(Controller::Io) {
            Some((Version::V1, dir)) => Some(Io::V1 {
                bytes: open(&dir, "blkio.throttle.io_service_bytes_recursive")?,
                counts: open(&dir, "blkio.throttle.io_serviced_recursive")?,
            }),
            Some((Version::V2, dir)) => Some(Io::V2 {
                stat: open(&dir, "io.stat")?,
            }),
            None => None,
        })
    }

    /// Also next to v1 controllers, as the processes are in the v2 tree as well.
    fn open_pressure(&self) -> Result<Option<[File; 3]>, CgroupError> {
        let Some(dir) = self.v2_dir() else {
            return Ok(None);
        };
        let files = (
            open(&dir, "cpu.pressure")?,
            open(&dir, "memory.pressure")?,
            open(&dir, "io.pressure")?,
        );
        let (Some(cpu), Some(memory), Some(io)) = files else {
            return Ok(None);
        };
        // Where it is turned off the files are there and cannot be read.
        let readable = cpu.read_at(&mut [0; 1], 0).is_ok();
        Ok(readable.then_some([cpu, memory, io]))
    }
}

fn open(dir: &Path, name: &str) -> Result<Option<File>, CgroupError> {
    match File::open(dir.join(name)) {
        Ok(file) => Ok(Some(file)),
        Err(error) if control_file::is_absent(&error) => Ok(None),
        Err(source) => Err(CgroupError::Open {
            dir: dir.join(name),
            source,
        }),
    }
}

impl Sampler {
    /// Four of the processor's, six of memory, three of processes, two of devices, three of
    /// pressure.
    pub const MOST_DESCRIPTORS: usize = 18;

    /// # Errors
    /// When the group was removed meanwhile.
    pub fn sample(&mut self) -> Result<Usage, CgroupError> {
        let mut read = Reading {
            buffer: &mut self.buffer,
        };
        let mut usage = Usage::default();
        let taken = read
            .cpu(&self.cpu, &mut usage)
            .and_then(|()| match &self.memory {
                Some(memory) => read.memory(memory, &mut usage),
                None => Ok(()),
            })
            .and_then(|()| match &self.pids {
                Some(pids) => read.pids(pids, &mut usage),
                None => Ok(()),
            })
            .and_then(|()| match &self.io {
                Some(io) => read.io(io, &mut usage),
                None => Ok(()),
            })
            .and_then(|()| match &self.pressure {
                Some(files) => read.pressure(files, &mut usage),
                None => Ok(()),
            });
        taken.map_err(|source| CgroupError::Read {
            file: self.dir.clone(),
            source,
        })?;
        Ok(usage)
    }
}

struct Reading<'a> {
    buffer: &'a mut Vec<u8>,
}

impl Reading<'_> {
    fn cpu(&mut self, cpu: &Cpu, usage: &mut Usage) -> io::Result<()> {
        match cpu {
            Cpu::V1 { accounts, stat } => {
                let [total, user, system] = accounts;
                usage.cpu_total_ns = self.number(total.as_ref())?;
                usage.cpu_user_ns = self.number(user.as_ref())?;
                usage.cpu_system_ns = self.number(system.as_ref())?;
                usage.take_cpu_stat_v1(self.text(stat.as_ref())?);
            }
            Cpu::V2 { stat } => usage.take_cpu_stat_v2(self.text(stat.as_ref())?),
        }
        Ok(())
    }

    fn memory(&mut self, memory: &Memory, usage: &mut Usage) -> io::Result<()> {
        let used = self.number(memory.current.as_ref())?;
        let swap = self.number(memory.swap.as_ref())?;
        usage.memory_peak_bytes = self.number(memory.peak.as_ref())?.max(used);
        let limit = control_file::parse_ceiling(self.text(memory.limit.as_ref())?.trim());
        usage.memory_limit_bytes = match limit {
            Some(Ceiling::At(bytes)) => Some(bytes),
            Some(Ceiling::Unlimited) | None => None,
        };
        let (inactive, cache) = match memory.version {
            Version::V1 => ("total_inactive_file", "total_cache"),
            Version::V2 => ("inactive_file", "file"),
        };
        usage.take_memory(used, self.text(memory.stat.as_ref())?, inactive, cache);
        usage.swap_bytes = match memory.version {
            Version::V1 => swap.saturating_sub(used),
            Version::V2 => swap,
        };
        let oom = self.text(memory.oom.as_ref())?;
        usage.oom_kills = control_file::keyed(oom, "oom_kill").unwrap_or(0);
        Ok(())
    }

    fn pids(&mut self, pids: &Pids, usage: &mut Usage) -> io::Result<()> {
        let current = self.text(pids.current.as_ref())?.to_owned();
        usage.take_pids(&current, self.text(pids.max.as_ref())?);
        let events = self.text(pids.events.as_ref())?;
        usage.forks_refused = control_file::keyed(events, "max").unwrap_or(0);
        Ok(())
    }

    fn io(&mut self, io: &Io, usage: &mut Usage) -> io::Result<()> {
        match io {
            Io::V1 { bytes, counts } => {
                (usage.io_read_bytes, usage.io_write_bytes) = reads_and_writes(self.text(bytes.as_ref())?);
                (usage.io_reads, usage.io_writes) = reads_and_writes(self.text(counts.as_ref())?);
            }
            Io::V2 { stat } => usage.take_io_stat(self.text(stat.as_ref())?),
        }
        Ok(())
    }

    fn pressure(&mut self, files: &[File; 3], usage: &mut Usage) -> io::Result<()> {
        let [cpu, memory, io] = files;
        usage.pressure = Some(Pressure {
            cpu: PressureOf::parse(self.text(Some(cpu))?),
            memory: PressureOf::parse(self.text(Some(memory))?),
            io: PressureOf::parse(self.text(Some(io))?),
        });
        Ok(())
    }

    fn number(&mut self, file: Option<&File>) -> io::Result<u64> {
        Ok(self.text(file)?.trim().parse().unwrap_or(0))
    }

    /// The whole file; nothing for one that the host lacks.
    fn text(&mut self, file: Option<&File>) -> io::Result<&str> {
        let Some(file) = file else {
            return Ok("");
        };
        loop {
            let length = file.read_at(self.buffer, 0)?;
            if length < self.buffer.len() {
                return Ok(std::str::from_utf8(&self.buffer[..length]).unwrap_or_default());
            }
            self.buffer.resize(length * 2, 0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hierarchy::{Hierarchies, Mounts, V2};
    use std::fs;

    #[test]
    fn a_group_of_the_v2_tree_is_read_from_its_own_files() {
        let root = tempfile::tempdir().unwrap();
        let dir = root.path().join("gantry/id");
        fs::create_dir_all(&dir).unwrap();
        let long = "some_other_counter 1\n".repeat(500);
        for (file, text) in [
            (
                "cpu.stat",
                "usage_usec 5000\nuser_usec 3000\nsystem_usec 2000\nnr_periods 9\nnr_throttled 2\nthrottled_usec 70\n",
            ),
            ("memory.current", "1000000\n"),
            ("memory.peak", "2000000\n"),
            ("memory.max", "max\n"),
            ("memory.swap.current", "300\n"),
            // Longer than what is read at once.
            ("memory.stat", &format!("{long}file 400000\ninactive_file 250000\n")),
            ("memory.events", "low 0\noom 4\noom_kill 3\noom_group_kill 0\n"),
            ("pids.current", "7\n"),
            ("pids.max", "100\n"),
            ("pids.events", "max 5\n"),
            ("io.stat", "8:0 rbytes=10 wbytes=20 rios=1 wios=2 dbytes=0 dios=0\n"),
            ("cpu.pressure", "some avg10=1.00 avg60=0.00 avg300=0.00 total=11\n"),
            ("memory.pressure", "some avg10=0.00 avg60=0.00 avg300=0.00 total=0\n"),
            ("io.pressure", "full avg10=0.00 avg60=2.00 avg300=0.00 total=5\n"),
        ] {
            fs::write(dir.join(file), text).unwrap();
        }
        let mounts = Mounts {
            v1: Vec::new(),
            v2: Some(V2 {
                dir: root.path().to_owned(),
                controllers: ["cpu", "memory", "pids", "io"].map(str::to_owned).to_vec(),
            }),
        };
        let usage = Hierarchies::of(mounts).group("/gantry/id").usage().unwrap();
        let expected = Usage {
            cpu_total_ns: 5_000_000,
            cpu_user_ns: 3_000_000,
            cpu_system_ns: 2_000_000,
            periods: 9,
            throttled_periods: 2,
            throttled_ns: 70_000,
            memory_bytes: 750_000,
            memory_raw_bytes: 1_000_000,
            memory_cache_bytes: 400_000,
            memory_peak_bytes: 2_000_000,
            memory_limit_bytes: None,
            swap_bytes: 300,
            pids: 7,
            pids_limit: Some(100),
            forks_refused: 5,
            io_read_bytes: 10,
            io_write_bytes: 20,
            io_reads: 1,
            io_writes: 2,
            pressure: usage.pressure,
            oom_kills: 3,
        };
        assert_eq!(usage, expected);
        let pressure = usage.pressure.unwrap();
        assert_eq!((pressure.cpu.some.total_us, pressure.io.full.total_us), (11, 5));
    }

    #[test]
    fn a_group_that_is_not_there_has_no_usage() {
        let hierarchies = Hierarchies::of(Mounts::default());
        assert!(matches!(
            hierarchies.group("/gantry/none").sampler(),
            Err(CgroupError::Open { .. })
        ));
    }
}
