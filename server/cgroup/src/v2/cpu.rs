//! Processor time. kernel, cgroup-v2.rst, "CPU Interface Files"

use crate::change::Step;
use crate::control_file;
use crate::error::CgroupError;
use crate::v1::cpu::{around_burst, around_idle};
use model::container::limits::{Ceiling, Cpu, DEFAULT_PERIOD_US};
use std::path::Path;

const WEIGHT: &str = "cpu.weight";
const MAX: &str = "cpu.max";
const BURST: &str = "cpu.max.burst";
const IDLE: &str = "cpu.idle";

pub(crate) fn steps(asked: &Cpu, held: &Cpu) -> Vec<Step> {
    let weight = asked
        .shares
        .filter(|shares| *shares > 0)
        .map(|shares| Step::new(WEIGHT, weight_of(shares).to_string(), "a share of processor time"));
    let max = (asked.quota.is_some() || asked.period_us.is_some()).then(|| {
        let quota = asked.quota.or(held.quota).unwrap_or(Ceiling::Unlimited);
        let period = asked.period_us.or(held.period_us).unwrap_or(DEFAULT_PERIOD_US);
        let quota = match quota {
            Ceiling::Unlimited | Ceiling::At(0) => "max".into(),
            Ceiling::At(quota) => quota.to_string(),
        };
        Step::new(MAX, format!("{quota} {period}"), "a limit on processor time")
    });
    let time = max.into_iter().collect();
    around_idle(asked, weight, around_burst(asked, held, time, BURST))
}

/// linux/sched: less is taken as the least, more as the most.
const MIN_SHARES: u64 = 2;
const MAX_SHARES: u64 = 262_144;

/// Shares 2, 1024 and 262144 are the weights 1, 100 and 10000; a quadratic through these
/// in logarithms, so that a container keeps its standing next to the host's services,
/// whose ordinary weight is 100.
pub(crate) fn weight_of(shares: u64) -> u64 {
    if shares <= MIN_SHARES {
        return 1;
    }
    if shares >= MAX_SHARES {
        return 10_000;
    }
    let l = (shares as f64).log2();
    let exponent = (l * l + 125.0 * l) / 612.0 - 7.0 / 34.0;
    // What is a whole number on paper must not become the next one by a rounding error.
    let weight = (10f64.powf(exponent) - 1e-9).ceil();
    #[expect(clippy::cast_possible_truncation, reason = "between 1 and 10000")]
    let weight = weight as u64;
    weight.clamp(1, 10_000)
}

/// The roundest shares that give `weight`, since those are what people ask for: 512 rather
/// than the 521 of the same weight. What no shares give is as the next lower weight.
pub(crate) fn shares_of(weight: u64) -> u64 {
    let most = most_shares_of(weight);
    let least = match weight_of(most) {
        0 | 1 => MIN_SHARES,
        held => most_shares_of(held - 1) + 1,
    };
    // The multiple of the greatest power of two.
    let rounded = (0..u64::BITS).rev().map(|bits| most >> bits << bits);
    rounded.into_iter().find(|shares| *shares >= least).unwrap_or(most)
}

/// The most shares that give no more than `weight`.
fn most_shares_of(weight: u64) -> u64 {
    let (mut low, mut high) = (MIN_SHARES, MAX_SHARES);
    while low < high {
        let middle = u64::midpoint(low, high) + (low + high) % 2;
        if weight_of(middle) <= weight {
            low = middle;
        } else {
            high = middle - 1;
        }
    }
    low
}

pub(crate) fn read(dir: &Path, into: &mut Cpu) -> Result<(), CgroupError> {
    into.shares = control_file::number(&dir.join(WEIGHT))?.map(shares_of);
    let file = dir.join(MAX);
    if let Some(text) = control_file::read_if_there(&file)? {
        let (quota, period) = control_file::parse(&file, text.trim(), |text| {
            let (quota, period) = text.split_once(' ')?;
            Some((control_file::parse_ceiling(quota)?, period.parse().ok()?))
        })?;
        into.quota = Some(quota);
        into.period_us = Some(period);
    }
    into.burst_us = control_file::number(&dir.join(BURST))?;
    into.idle = control_file::number(&dir.join(IDLE))?.map(|idle| idle == 1);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn ordinary_shares_are_the_ordinary_weight() {
        assert_eq!(weight_of(2), 1);
        assert_eq!(weight_of(1024), 100);
        assert_eq!(weight_of(262_144), 10_000);
        assert_eq!(shares_of(100), 1024);
    }

    proptest! {
        #[test]
        fn more_shares_never_weigh_less(shares in 2u64..262_144) {
            prop_assert!(weight_of(shares) <= weight_of(shares + 1));
            prop_assert!((1..=10_000).contains(&weight_of(shares)));
        }

        #[test]
        fn every_weight_that_shares_can_have_comes_back_the_same(shares in 2u64..=262_144) {
            let weight = weight_of(shares);
            prop_assert_eq!(weight_of(shares_of(weight)), weight);
        }
    }

    #[test]
    fn a_new_quota_keeps_the_period() {
        let asked = Cpu {
            quota: Some(Ceiling::At(20_000)),
            ..Cpu::default()
        };
        let held = Cpu {
            period_us: Some(50_000),
            ..Cpu::default()
        };
        assert_eq!(steps(&asked, &held)[0].value, "20000 50000");
    }
}
