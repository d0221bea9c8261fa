//! Real-time scheduling. kernel, scheduler/sched-rt-group.rst
//!
//! The kernel compares shares of a processor, runtime divided by period, not runtimes: the
//! shares of a group's children may not sum to more than its own. A new group has none.

use crate::change::Step;
use crate::control_file;
use crate::error::CgroupError;
use std::fs;
use std::path::{Path, PathBuf};

const RUNTIME: &str = "cpu.rt_runtime_us";
const PERIOD: &str = "cpu.rt_period_us";
const SETTING: &str = "real-time scheduling";

/// A share of a processor in the kernel's fixed-point form, `to_ratio`. kernel/sched/core.c
const UNIT_BITS: u32 = 20;

/// What a group has, or is to have. A runtime below 0 is no limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Bandwidth {
    runtime_us: i64,
    period_us: u64,
}

impl Bandwidth {
    /// `None` where the kernel has no real-time group scheduling.
    fn read(dir: &Path) -> Result<Option<Self>, CgroupError> {
        let runtime = control_file::read_if_there(&dir.join(RUNTIME))?;
        let runtime_us = runtime.and_then(|text| text.trim().parse().ok());
        let period_us = control_file::number(&dir.join(PERIOD))?;
        Ok(runtime_us
            .zip(period_us)
            .map(|(runtime_us, period_us)| Self { runtime_us, period_us }))
    }

    fn share(self) -> u128 {
        match u128::try_from(self.runtime_us) {
            Ok(runtime) => (runtime << UNIT_BITS) / u128::from(self.period_us.max(1)),
            Err(_) => 1 << UNIT_BITS,
        }
    }

    /// The least runtime in this period that is `share` of a processor.
    fn runtime_for(self, share: u128) -> i64 {
        let runtime = (share * u128::from(self.period_us)).div_ceil(1 << UNIT_BITS);
        i64::try_from(runtime).unwrap_or(i64::MAX)
    }
}

/// The steps for the group at `dir`, after those for the groups above it, which are listed
/// topmost first.
pub(crate) fn plan(
    dir: &Path,
    above: &[PathBuf],
    runtime_us: Option<i64>,
    period_us: Option<u64>,
) -> Result<Vec<(PathBuf, Vec<Step>)>, CgroupError> {
    let held = Bandwidth::read(dir)?;
    let wanted = Bandwidth {
        runtime_us: runtime_us.or(held.map(|held| held.runtime_us)).unwrap_or(0).max(-1),
        period_us: period_us.or(held.map(|held| held.period_us)).unwrap_or(1_000_000),
    };
    let mut plan = vec![(
        dir.to_owned(),
        steps(runtime_us, period_us, held.map(|held| held.period_us)),
    )];
    if wanted.runtime_us > 0 {
        raise_above(dir, above, wanted.share(), &mut plan)?;
    }
    plan.reverse();
    Ok(plan)
}

/// From the group's parent upwards: each has at least what its children have together.
fn raise_above(
    dir: &Path,
    above: &[PathBuf],
    mut needed: u128,
    plan: &mut Vec<(PathBuf, Vec<Step>)>,
) -> Result<(), CgroupError> {
    let mut child = dir;
    for parent in above.iter().rev() {
        let Some(held) = Bandwidth::read(parent)? else {
            return Ok(());
        };
        let together = needed + share_of_others(parent, child)?;
        if held.share() >= together {
            return Ok(());
        }
        needed = together;
        let runtime = held.runtime_for(needed);
        plan.push((parent.clone(), vec![Step::new(RUNTIME, runtime.to_string(), SETTING)]));
        child = parent;
    }
    Ok(())
}

/// What the other groups below `parent` have.
fn share_of_others(parent: &Path, child: &Path) -> Result<u128, CgroupError> {
    let mut sum = 0;
    for entry in fs::read_dir(parent).into_iter().flatten().flatten() {
        let path = entry.path();
        if path != child && entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            // One that is removed meanwhile has nothing.
            sum += Bandwidth::read(&path)?.map_or(0, Bandwidth::share);
        }
    }
    Ok(sum)
}

/// Takes the runtime of a group without processes away, before it is removed. The kernel
/// counts it until it has freed the group, and would refuse the same runtime to the next one.
pub(crate) fn release(dir: &Path) {
    let file = dir.join(RUNTIME);
    let held = fs::read_to_string(&file).ok();
    let holds = held
        .and_then(|text| text.trim().parse::<i64>().ok())
        .is_some_and(|runtime| runtime != 0);
    let is_empty = || fs::read_to_string(dir.join("cgroup.procs")).is_ok_and(|pids| pids.is_empty());
    if holds && is_empty() {
        let _ = fs::write(&file, "0");
    }
}

/// The kernel refuses, at every moment, a runtime above the period.
fn steps(runtime_us: Option<i64>, period_us: Option<u64>, held_period_us: Option<u64>) -> Vec<Step> {
    let runtime = runtime_us.map(|runtime| Step::new(RUNTIME, runtime.max(-1).to_string(), SETTING));
    let period = period_us.map(|period| Step::new(PERIOD, period.to_string(), SETTING));
    if period_us > held_period_us {
        period.into_iter().chain(runtime).collect()
    } else {
        runtime.into_iter().chain(period).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn group(dir: &Path, runtime: i64, period: u64) -> PathBuf {
        fs::create_dir_all(dir).unwrap();
        fs::write(dir.join(RUNTIME), runtime.to_string()).unwrap();
        fs::write(dir.join(PERIOD), period.to_string()).unwrap();
        dir.to_owned()
    }

    fn written(plan: &[(PathBuf, Vec<Step>)]) -> Vec<(String, String)> {
        let name = |dir: &Path| dir.file_name().unwrap().to_string_lossy().into_owned();
        plan.iter()
            .flat_map(|(dir, steps)| {
                steps
                    .iter()
                    .map(move |step| (name(dir), format!("{}={}", step.file, step.value)))
            })
            .collect()
    }

    #[test]
    fn groups_above_get_the_same_share_of_their_own_period() {
        let root = tempfile::tempdir().unwrap();
        let top = group(&root.path().join("top"), 0, 1_000_000);
        let middle = group(&top.join("middle"), 20_000, 500_000);
        let own = group(&middle.join("own"), 0, 1_000_000);
        let plan = plan(&own, &[top, middle], Some(5_000), Some(10_000)).unwrap();
        let expected = [
            ("top", "cpu.rt_runtime_us=500000"),
            ("middle", "cpu.rt_runtime_us=250000"),
            ("own", "cpu.rt_runtime_us=5000"),
            ("own", "cpu.rt_period_us=10000"),
        ];
        assert_eq!(
            written(&plan),
            expected.map(|(dir, step)| (dir.to_owned(), step.to_owned()))
        );
    }

    #[test]
    fn groups_above_keep_what_their_other_children_have() {
        let root = tempfile::tempdir().unwrap();
        let top = group(&root.path().join("top"), 300_000, 1_000_000);
        group(&top.join("other"), 200_000, 1_000_000);
        let own = group(&top.join("own"), 0, 1_000_000);
        let raised = plan(&own, std::slice::from_ref(&top), Some(200_000), None).unwrap();
        let share: i64 = written(&raised)[0]
            .1
            .trim_start_matches("cpu.rt_runtime_us=")
            .parse()
            .unwrap();
        // The kernel rounds shares down.
        assert!((399_990..=400_001).contains(&share), "{share}");
        let fits = plan(&own, std::slice::from_ref(&top), Some(100_000), None).unwrap();
        assert_eq!(
            written(&fits),
            [("own".to_owned(), "cpu.rt_runtime_us=100000".to_owned())]
        );
    }

    #[test]
    fn a_shorter_period_alone_raises_the_groups_above() {
        let root = tempfile::tempdir().unwrap();
        let top = group(&root.path().join("top"), 10_000, 1_000_000);
        let own = group(&top.join("own"), 10_000, 1_000_000);
        let plan = plan(&own, &[top], None, Some(20_000)).unwrap();
        assert_eq!(
            written(&plan),
            [
                ("top".to_owned(), "cpu.rt_runtime_us=500000".to_owned()),
                ("own".to_owned(), "cpu.rt_period_us=20000".to_owned()),
            ]
        );
    }
}
