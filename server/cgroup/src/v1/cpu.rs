//! Processor time. kernel, scheduler/sched-bwc.rst

use crate::change::Step;
use crate::control_file;
use crate::error::CgroupError;
use model::container::limits::{Ceiling, Cpu, DEFAULT_PERIOD_US};
use std::path::Path;

const SHARES: &str = "cpu.shares";
const QUOTA: &str = "cpu.cfs_quota_us";
const PERIOD: &str = "cpu.cfs_period_us";
const BURST: &str = "cpu.cfs_burst_us";
const IDLE: &str = "cpu.idle";

const QUOTA_SETTING: &str = "a limit on processor time";

pub(crate) fn steps(asked: &Cpu, held: &Cpu) -> Vec<Step> {
    let shares = asked.shares.filter(|shares| *shares > 0).map(|shares| {
        Step::new(
            SHARES,
            shares.clamp(2, 262_144).to_string(),
            "a share of processor time",
        )
    });
    let quota = asked
        .quota
        .map(|quota| Step::new(QUOTA, quota_text(quota), QUOTA_SETTING));
    let period = asked
        .period_us
        .map(|period| Step::new(PERIOD, period.to_string(), QUOTA_SETTING));
    let held_period = held.period_us.unwrap_or(DEFAULT_PERIOD_US);
    // Between the two writes the share of a processor must not be above both the old and
    // the new one, or a parent's limit refuses it.
    let period_first = asked.period_us.is_some_and(|period| period > held_period);
    let time = if period_first {
        period.into_iter().chain(quota)
    } else {
        quota.into_iter().chain(period)
    };
    around_idle(asked, shares, around_burst(asked, held, time.collect(), BURST))
}

/// A burst may never be above the quota: it goes first where it shrinks, else last.
pub(crate) fn around_burst(asked: &Cpu, held: &Cpu, mut time: Vec<Step>, file: &str) -> Vec<Step> {
    if let Some(burst) = asked.burst_us {
        let step = Step::new(file, burst.to_string(), "a burst of processor time");
        if burst < held.burst_us.unwrap_or(0) {
            time.insert(0, step);
        } else {
            time.push(step);
        }
    }
    time
}

/// An idle group has no share to set: it stops being idle before, and becomes so after.
pub(crate) fn around_idle(asked: &Cpu, shares: Option<Step>, time: Vec<Step>) -> Vec<Step> {
    let idle = |idle: bool| {
        let step = Step::new(IDLE, if idle { "1" } else { "0" }, "running only when idle");
        if idle { step } else { step.skipped_if_missing() }
    };
    let mut steps = Vec::new();
    steps.extend((asked.idle == Some(false)).then(|| idle(false)));
    steps.extend(shares);
    steps.extend(time);
    steps.extend((asked.idle == Some(true)).then(|| idle(true)));
    steps
}

fn quota_text(quota: Ceiling) -> String {
    match quota {
        Ceiling::Unlimited | Ceiling::At(0) => "-1".into(),
        Ceiling::At(quota) => quota.to_string(),
    }
}

pub(crate) fn read(dir: &Path, into: &mut Cpu) -> Result<(), CgroupError> {
    into.shares = control_file::number(&dir.join(SHARES))?;
    into.quota = control_file::ceiling(&dir.join(QUOTA))?;
    into.period_us = control_file::number(&dir.join(PERIOD))?;
    into.burst_us = control_file::number(&dir.join(BURST))?;
    into.idle = control_file::number(&dir.join(IDLE))?.map(|idle| idle == 1);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_share_of_a_processor_never_passes_both_the_old_and_the_new(
            before in (1_000u64..1_000_000, 1_000u64..1_000_000),
            after in (1_000u64..1_000_000, 1_000u64..1_000_000),
        ) {
            let held = Cpu { quota: Some(Ceiling::At(before.0)), period_us: Some(before.1), ..Cpu::default() };
            let asked = Cpu { quota: Some(Ceiling::At(after.0)), period_us: Some(after.1), ..Cpu::default() };
            let (mut quota, mut period) = before;
            let most = |quota: u64, period: u64, (other_quota, other_period): (u64, u64)| {
                quota * other_period <= other_quota * period
            };
            for step in steps(&asked, &held) {
                let value: u64 = step.value.parse().unwrap();
                if step.file == QUOTA { quota = value } else { period = value }
                prop_assert!(most(quota, period, before) || most(quota, period, after));
            }
            prop_assert_eq!((quota, period), after);
        }
    }

    #[test]
    fn a_burst_shrinks_before_the_quota_and_grows_after_it() {
        let cpu = |quota, burst| Cpu {
            quota: Some(Ceiling::At(quota)),
            burst_us: Some(burst),
            ..Cpu::default()
        };
        let files = |steps: Vec<Step>| steps.into_iter().map(|step| step.file).collect::<Vec<_>>();
        assert_eq!(files(steps(&cpu(10_000, 5_000), &cpu(20_000, 20_000))), [BURST, QUOTA]);
        assert_eq!(files(steps(&cpu(20_000, 20_000), &cpu(10_000, 5_000))), [QUOTA, BURST]);
    }
}
