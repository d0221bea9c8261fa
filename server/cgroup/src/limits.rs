//! Setting and reading all limits of a group.

use crate::change::{Change, Step};
use crate::devices::DeviceRule;
use crate::error::CgroupError;
use crate::group::Group;
use crate::hierarchy::{Controller, Version};
use crate::{v1, v2};
use model::container::Limits;
use model::container::limits::{Ceiling, Cpu, Io, Memory, Special};
use std::path::{Path, PathBuf};

impl Group {
    /// Sets what is asked on a group that has no processes yet, and which devices may be
    /// used; `None` leaves the parent's choice of devices.
    pub fn apply(&self, limits: &Limits, special: &Special, devices: Option<&[DeviceRule]>) -> Result<(), CgroupError> {
        self.change(limits, special)?;
        if let Some(rules) = devices {
            self.set_devices(rules)?;
        }
        Ok(())
    }

    /// Sets what is asked on a group whose processes run, and answers with what the
    /// kernel holds afterwards. Fields that are not asked for are not touched. A failure
    /// leaves every limit as it was.
    ///
    /// # Errors
    /// [`CgroupError::BelowUse`] when memory in use does not fit.
    pub fn update(&self, limits: &Limits) -> Result<Limits, CgroupError> {
        self.update_all(limits, &Special::default())
    }

    /// [`Self::update`] of what only a bundle asks for as well: all of it, or nothing.
    pub fn update_all(&self, limits: &Limits, special: &Special) -> Result<Limits, CgroupError> {
        if let Some((Version::V2, dir)) = self.place(Controller::Memory) {
            v2::memory::refuse_below_use(&dir, &limits.memory)?;
        }
        self.change(limits, special)
            .map_err(|error| self.explain(error, limits))?;
        let mut held = self.read_limits()?;
        restore_what_is_rounded(&mut held.cpu, &limits.cpu);
        Ok(held)
    }

    /// What the kernel holds now; `None` where it has no such setting.
    pub fn read_limits(&self) -> Result<Limits, CgroupError> {
        Ok(Limits {
            memory: self.read_memory()?,
            cpu: self.read_cpu()?,
            pids: match self.place(Controller::Pids) {
                Some((Version::V1, dir)) => v1::pids::read(&dir)?,
                Some((Version::V2, dir)) => v2::pids::read(&dir)?,
                None => None,
            },
            io: self.read_io()?,
            unified: Vec::new(),
        })
    }

    /// What of `limits` changes nothing here, in words for whoever asked.
    pub fn ignored(&self, limits: &Limits) -> Vec<&'static str> {
        let on_v2 = matches!(self.place(Controller::Memory), Some((Version::V2, _)));
        let memory = &limits.memory;
        let swappiness = (on_v2 && memory.swappiness.is_some())
            .then_some("swappiness is ignored: cgroup v2 has no such setting for a group");
        let killer = (on_v2 && memory.oom_kill_disabled)
            .then_some("the out-of-memory killer stays on: cgroup v2 cannot turn it off");
        swappiness.into_iter().chain(killer).collect()
    }

    fn change(&self, asked: &Limits, special: &Special) -> Result<(), CgroupError> {
        // Decided in full before the first write.
        let mut plan = self.plan(asked)?;
        plan.extend(self.plan_special(special)?);
        let mut change = Change::default();
        for (dir, steps) in &plan {
            if let Err(error) = change.write(dir, steps) {
                change.undo();
                return Err(error);
            }
        }
        Ok(())
    }

    fn plan(&self, asked: &Limits) -> Result<Vec<(PathBuf, Vec<Step>)>, CgroupError> {
        let mut plan = Vec::new();
        let cpu = &asked.cpu;
        if cpu.cpus.is_some() || cpu.mems.is_some() {
            let (version, dir) = self.need(Controller::Cpuset, "a choice of processors")?;
            let steps = match version {
                Version::V1 => v1::cpuset::steps(cpu, &dir)?,
                Version::V2 => v2::cpuset::steps(cpu),
            };
            plan.push((dir, steps));
        }
        if asks_for_time(cpu) {
            let (version, dir) = self.need(Controller::Cpu, "a limit on processor time")?;
            let held = self.read_cpu()?;
            let steps = match version {
                Version::V1 => v1::cpu::steps(cpu, &held),
                Version::V2 => v2::cpu::steps(cpu, &held),
            };
            plan.push((dir, steps));
        }
        if asked.memory != Memory::default() {
            let (version, dir) = self.need(Controller::Memory, "a memory limit")?;
            let held = self.read_memory()?;
            refuse_reservation_above_limit(&asked.memory, &held)?;
            let steps = match version {
                Version::V1 => v1::memory::steps(&asked.memory, &held)?,
                Version::V2 => v2::memory::steps(&asked.memory, &held)?,
            };
            plan.push((dir, steps));
        }
        if asked.pids.is_some() {
            let (version, dir) = self.need(Controller::Pids, "a limit on processes")?;
            let steps = match version {
                Version::V1 => v1::pids::steps(asked.pids),
                Version::V2 => v2::pids::steps(asked.pids),
            };
            plan.push((dir, steps));
        }
        if asked.io != Io::default() {
            let (version, dir) = self.need(Controller::Io, "a limit on block I/O")?;
            let held = self.read_io()?;
            let steps = match version {
                Version::V1 => v1::blkio::steps(&asked.io, &held, &dir),
                Version::V2 => v2::io::steps(&asked.io, &held, &dir),
            };
            plan.push((dir, steps));
        }
        if !asked.unified.is_empty() {
            let steps = v2::unified::steps(&asked.unified, self.v2_controllers())?;
            let dir = self.v2_dir().ok_or_else(|| CgroupError::Unified {
                key: asked.unified[0].0.clone(),
            })?;
            plan.push((dir, steps));
        }
        Ok(plan)
    }

    fn plan_special(&self, asked: &Special) -> Result<Vec<(PathBuf, Vec<Step>)>, CgroupError> {
        let mut plan = Vec::new();
        if asked.realtime_runtime_us.is_some() || asked.realtime_period_us.is_some() {
            plan.extend(self.plan_realtime(asked)?);
        }
        if !asked.hugepages.is_empty() {
            let (version, dir) = self.need(Controller::Hugetlb, "a limit on huge pages")?;
            let steps = match version {
                Version::V1 => v1::hugetlb::steps(&asked.hugepages, version)?,
                Version::V2 => v2::hugetlb::steps(&asked.hugepages, version)?,
            };
            plan.push((dir, steps));
        }
        if !asked.rdma.is_empty() {
            let (version, dir) = self.need(Controller::Rdma, "a limit on RDMA")?;
            let steps = match version {
                Version::V1 => v1::rdma::steps(&asked.rdma, &dir)?,
                Version::V2 => v2::rdma::steps(&asked.rdma, &dir)?,
            };
            plan.push((dir, steps));
        }
        if let Some(class) = asked.network_class {
            let (_, dir) = self.need(Controller::NetworkClass, "a class of network packets")?;
            plan.push((dir, vec![v1::network::class_step(class)]));
        }
        if !asked.network_priorities.is_empty() {
            let (_, dir) = self.need(Controller::NetworkPriority, "a priority of network packets")?;
            plan.push((dir, v1::network::priority_steps(&asked.network_priorities)));
        }
        Ok(plan)
    }

    /// A group may have no more than the one above it, and a new one has nothing: those
    /// above come first.
    fn plan_realtime(&self, asked: &Special) -> Result<Vec<(PathBuf, Vec<Step>)>, CgroupError> {
        const SETTING: &str = "real-time scheduling";
        let (version, dir) = self.need(Controller::Cpu, SETTING)?;
        if version == Version::V2 {
            return Err(CgroupError::OnlyV1 { setting: SETTING });
        }
        let above = self.dirs_above(&dir);
        v1::realtime::plan(&dir, &above, asked.realtime_runtime_us, asked.realtime_period_us)
    }

    fn need(&self, controller: Controller, setting: &'static str) -> Result<(Version, PathBuf), CgroupError> {
        self.place(controller)
            .ok_or(CgroupError::NoController { controller, setting })
    }

    fn read_memory(&self) -> Result<Memory, CgroupError> {
        match self.place(Controller::Memory) {
            Some((Version::V1, dir)) => v1::memory::read(&dir),
            Some((Version::V2, dir)) => v2::memory::read(&dir),
            None => Ok(Memory::default()),
        }
    }

    fn read_cpu(&self) -> Result<Cpu, CgroupError> {
        let mut cpu = Cpu::default();
        match self.place(Controller::Cpu) {
            Some((Version::V1, dir)) => v1::cpu::read(&dir, &mut cpu)?,
            Some((Version::V2, dir)) => v2::cpu::read(&dir, &mut cpu)?,
            None => {}
        }
        match self.place(Controller::Cpuset) {
            Some((Version::V1, dir)) => v1::cpuset::read(&dir, &mut cpu)?,
            Some((Version::V2, dir)) => v2::cpuset::read(&dir, &mut cpu)?,
            None => {}
        }
        Ok(cpu)
    }

    fn read_io(&self) -> Result<Io, CgroupError> {
        match self.place(Controller::Io) {
            Some((Version::V1, dir)) => v1::blkio::read(&dir),
            Some((Version::V2, dir)) => v2::io::read(&dir),
            None => Ok(Io::default()),
        }
    }

    /// v1 says `EBUSY` when it could not free enough memory for a lower limit.
    fn explain(&self, error: CgroupError, asked: &Limits) -> CgroupError {
        match (&error, asked.memory.limit, self.place(Controller::Memory)) {
            (CgroupError::Write { file, source, .. }, Some(Ceiling::At(asked_bytes)), Some((_, dir)))
                if source.raw_os_error() == Some(sys::errno::EBUSY) && file.starts_with(&dir) =>
            {
                CgroupError::BelowUse {
                    asked_bytes,
                    used_bytes: used_bytes(&dir),
                }
            }
            _ => error,
        }
    }
}

/// Protected beyond the limit is a mistake of whoever asked, which no kernel tells.
fn refuse_reservation_above_limit(asked: &Memory, held: &Memory) -> Result<(), CgroupError> {
    match (asked.reservation_bytes, asked.limit.or(held.limit)) {
        (Some(reservation_bytes), Some(Ceiling::At(limit_bytes))) if reservation_bytes > limit_bytes => {
            Err(CgroupError::ReservationAboveLimit {
                reservation_bytes,
                limit_bytes,
            })
        }
        _ => Ok(()),
    }
}

fn used_bytes(dir: &Path) -> u64 {
    let used = crate::control_file::number(&dir.join("memory.usage_in_bytes"));
    used.ok().flatten().unwrap_or(0)
}

fn asks_for_time(cpu: &Cpu) -> bool {
    cpu.shares.is_some()
        || cpu.quota.is_some()
        || cpu.period_us.is_some()
        || cpu.burst_us.is_some()
        || cpu.idle.is_some()
}

/// Many shares are one weight on v2: the asked number is the one that is held if its
/// weight is.
fn restore_what_is_rounded(held: &mut Cpu, asked: &Cpu) {
    if let (Some(held), Some(asked)) = (&mut held.shares, asked.shares)
        && v2::cpu::weight_of(*held) == v2::cpu::weight_of(asked)
    {
        *held = asked;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hierarchy::{Hierarchies, Mounts, V2};
    use model::container::limits::Hugepages;
    use std::fs;
    use tempfile::TempDir;

    /// A group of the v2 tree in plain files.
    fn plain_v2() -> (TempDir, Group) {
        let root = tempfile::tempdir().unwrap();
        let dir = root.path().join("gantry/id");
        fs::create_dir_all(&dir).unwrap();
        for (file, text) in [
            ("memory.max", "max\n"),
            ("memory.swap.max", "max\n"),
            ("memory.low", "0\n"),
            ("memory.current", "52428800\n"),
            (
                "memory.stat",
                "anon 41943040\nfile 10485760\ninactive_file 10485760\nactive_file 0\n",
            ),
            ("cpu.weight", "100\n"),
            ("cpu.max", "max 100000\n"),
            ("cpu.max.burst", "0\n"),
            ("cpu.idle", "0\n"),
            ("cpuset.cpus", "\n"),
            ("cpuset.mems", "\n"),
            ("pids.max", "max\n"),
            ("io.weight", "default 100\n"),
            ("io.max", ""),
        ] {
            fs::write(dir.join(file), text).unwrap();
        }
        let controllers = ["cpu", "cpuset", "memory", "io", "pids", "hugetlb"]
            .map(str::to_owned)
            .to_vec();
        let mounts = Mounts {
            v1: Vec::new(),
            v2: Some(V2 {
                dir: root.path().to_owned(),
                controllers,
            }),
        };
        let group = Hierarchies::of(mounts).group("/gantry/id");
        (root, group)
    }

    fn asked() -> Limits {
        let mut limits = Limits {
            cpu: Cpu::from_nano_cpus(500_000_000),
            pids: Some(Ceiling::At(100)),
            ..Limits::default()
        };
        limits.memory.limit = Some(Ceiling::At(64 << 20));
        limits.memory.memory_and_swap = Some(Ceiling::At(96 << 20));
        limits.memory.reservation_bytes = Some(32 << 20);
        limits.cpu.shares = Some(512);
        limits.cpu.cpus = Some("0-1".into());
        limits.io.weight = Some(500);
        limits
    }

    #[test]
    fn what_is_asked_is_what_is_held() {
        let (_root, group) = plain_v2();
        let held = group.update(&asked()).unwrap();
        assert_eq!(held.memory, asked().memory);
        assert_eq!(held.pids, asked().pids);
        assert_eq!(held.cpu.shares, Some(512));
        assert_eq!(held.cpu.nano_cpus(), Some(500_000_000));
        assert_eq!(held.cpu.cpus.as_deref(), Some("0-1"));
        assert_eq!(held.io.weight, Some(500));
    }

    #[test]
    fn fields_that_are_not_asked_for_are_not_touched() {
        let (_root, group) = plain_v2();
        group.update(&asked()).unwrap();
        let before = group.read_limits().unwrap();
        let more = Limits {
            pids: Some(Ceiling::Unlimited),
            ..Limits::default()
        };
        let after = group.update(&more).unwrap();
        assert_eq!(after.pids, Some(Ceiling::Unlimited));
        assert_eq!(after.memory, before.memory);
        assert_eq!(after.io, before.io);
    }

    #[test]
    fn a_refused_limit_leaves_the_others_as_they_were() {
        let (root, group) = plain_v2();
        let before = group.read_limits().unwrap();
        fs::remove_file(root.path().join("gantry/id/io.weight")).unwrap();
        let error = group.update(&asked()).unwrap_err();
        assert!(matches!(error, CgroupError::NoFile { .. }), "{error}");
        let after = group.read_limits().unwrap();
        assert_eq!(
            (after.memory, after.cpu, after.pids),
            (before.memory, before.cpu, before.pids)
        );
    }

    #[test]
    fn what_only_a_bundle_asks_for_is_a_part_of_the_same_change() {
        let (root, group) = plain_v2();
        let dir = root.path().join("gantry/id");
        fs::write(dir.join("hugetlb.2MB.max"), "max\n").unwrap();
        let pages = |page_size: &str| Special {
            hugepages: vec![Hugepages {
                page_size: page_size.into(),
                bytes: 1 << 22,
            }],
            ..Special::default()
        };
        let held = |file: &str| fs::read_to_string(dir.join(file)).unwrap();
        // There is no file of that size: the limits before it go back.
        let error = group.update_all(&asked(), &pages("1GB")).unwrap_err();
        assert!(matches!(error, CgroupError::NoFile { .. }), "{error}");
        assert_eq!((held("pids.max").trim(), held("memory.max").trim()), ("max", "max"));
        group.update_all(&asked(), &pages("2MB")).unwrap();
        assert_eq!(held("hugetlb.2MB.max"), "4194304");
        assert_eq!(held("pids.max"), "100");
    }

    #[test]
    fn what_v2_has_not_is_refused_by_name() {
        let (_root, group) = plain_v2();
        let realtime = Special {
            realtime_runtime_us: Some(1000),
            ..Special::default()
        };
        let network = Special {
            network_class: Some(1),
            ..Special::default()
        };
        for (special, word) in [(realtime, "real-time"), (network, "net_cls")] {
            let error = group.update_all(&Limits::default(), &special).unwrap_err();
            assert!(error.to_string().contains(word), "{error}");
        }
        let mut limits = Limits::default();
        limits.memory.swappiness = Some(10);
        limits.memory.oom_kill_disabled = true;
        assert_eq!(group.ignored(&limits).len(), 2);
        group.update(&limits).unwrap();
    }

    #[test]
    fn a_reservation_above_the_limit_is_refused() {
        let (_root, group) = plain_v2();
        let mut limits = Limits::default();
        limits.memory.limit = Some(Ceiling::At(64 << 20));
        limits.memory.reservation_bytes = Some(65 << 20);
        let error = group.update(&limits).unwrap_err();
        assert!(matches!(error, CgroupError::ReservationAboveLimit { .. }), "{error}");
    }

    #[test]
    fn memory_that_cannot_be_freed_must_fit() {
        let (_root, group) = plain_v2();
        let mut limits = Limits::default();
        limits.memory.limit = Some(Ceiling::At(41 << 20));
        group.update(&limits).unwrap();
        limits.memory.limit = Some(Ceiling::At(39 << 20));
        let error = group.update(&limits).unwrap_err();
        assert!(matches!(error, CgroupError::BelowUse { .. }), "{error}");
    }
}
