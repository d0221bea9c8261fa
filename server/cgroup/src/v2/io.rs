//! Block devices. kernel, cgroup-v2.rst, "IO Interface Files"

use crate::change::Step;
use crate::control_file;
use crate::error::CgroupError;
use crate::v1::blkio::{amounts, default_weight, former};
use model::container::limits::{DeviceAmount, Io};
use std::collections::BTreeMap;
use std::path::Path;

const WEIGHT: &str = "io.weight";
/// Only where a device runs the scheduler bfq; its scale is that of v1.
const BFQ_WEIGHT: &str = "io.bfq.weight";
const MAX: &str = "io.max";

pub(crate) fn steps(asked: &Io, held: &Io, dir: &Path) -> Vec<Step> {
    let bfq = dir.join(BFQ_WEIGHT).exists();
    let (file, scale): (_, fn(u64) -> u64) = if bfq {
        (BFQ_WEIGHT, |weight| weight)
    } else {
        (WEIGHT, weight_of)
    };
    let mut steps = Vec::new();
    if let Some(weight) = asked.weight {
        let line = |weight: u16| format!("default {}", scale(u64::from(weight)));
        let undo = held.weight.map_or("default 100".into(), line);
        steps.push(Step::new(file, line(weight), "a weight of block I/O").undone_by(undo));
    }
    for one in &asked.weight_device {
        let line = |amount: u64| match amount {
            0 => format!("{}:{} default", one.major, one.minor),
            amount => format!("{}:{} {}", one.major, one.minor, scale(amount)),
        };
        let undo = line(former(&held.weight_device, one));
        steps.push(Step::new(file, line(one.amount), "a weight of block I/O").undone_by(undo));
    }
    steps.extend(max_steps(asked, held));
    steps
}

/// One line a device, naming only what is asked.
fn max_steps(asked: &Io, held: &Io) -> Vec<Step> {
    let mut lines: BTreeMap<(u32, u32), (String, String)> = BTreeMap::new();
    let kinds = [
        ("rbps", &asked.read_bps, &held.read_bps),
        ("wbps", &asked.write_bps, &held.write_bps),
        ("riops", &asked.read_iops, &held.read_iops),
        ("wiops", &asked.write_iops, &held.write_iops),
    ];
    for (key, asked, held) in kinds {
        for one in asked {
            let (line, undo) = lines.entry((one.major, one.minor)).or_insert_with(|| {
                let device = format!("{}:{}", one.major, one.minor);
                (device.clone(), device)
            });
            line.push_str(&pair(key, one.amount));
            undo.push_str(&pair(key, former(held, one)));
        }
    }
    lines
        .into_values()
        .map(|(line, undo)| Step::new(MAX, line, "a limit on block I/O").undone_by(undo))
        .collect()
}

fn pair(key: &str, amount: u64) -> String {
    match amount {
        0 => format!(" {key}=max"),
        amount => format!(" {key}={amount}"),
    }
}

/// 10 to 1000, stretched to 1 to 10000.
fn weight_of(weight: u64) -> u64 {
    1 + (weight.clamp(10, 1000) - 10) * 9_999 / 990
}

/// The least that [`weight_of`] takes to `weight`.
fn from_weight(weight: u64) -> u64 {
    10 + (weight.saturating_sub(1) * 990).div_ceil(9_999)
}

pub(crate) fn read(dir: &Path) -> Result<Io, CgroupError> {
    let text = |file: &str| control_file::read_if_there(&dir.join(file)).map(Option::unwrap_or_default);
    let bfq = text(BFQ_WEIGHT)?;
    let own = text(WEIGHT)?;
    let unscaled = |amount: u64| if bfq.is_empty() { from_weight(amount) } else { amount };
    let weights = if bfq.is_empty() { &own } else { &bfq };
    let mut io = Io {
        weight: default_weight(weights).and_then(|weight| u16::try_from(unscaled(u64::from(weight))).ok()),
        weight_device: amounts(weights)
            .into_iter()
            .map(|one| DeviceAmount {
                amount: unscaled(one.amount),
                ..one
            })
            .collect(),
        ..Io::default()
    };
    for line in text(MAX)?.lines() {
        read_max(line, &mut io);
    }
    Ok(io)
}

/// `8:16 rbps=2097152 wbps=max riops=max wiops=120`
fn read_max(line: &str, into: &mut Io) {
    let mut parts = line.split_ascii_whitespace();
    let device = parts.next().and_then(|device| device.split_once(':'));
    let Some((Ok(major), Ok(minor))) = device.map(|(major, minor)| (major.parse(), minor.parse())) else {
        return;
    };
    for part in parts {
        let Some((key, Ok(amount))) = part.split_once('=').map(|(key, amount)| (key, amount.parse())) else {
            continue;
        };
        let list = match key {
            "rbps" => &mut into.read_bps,
            "wbps" => &mut into.write_bps,
            "riops" => &mut into.read_iops,
            "wiops" => &mut into.write_iops,
            _ => continue,
        };
        list.push(DeviceAmount { major, minor, amount });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_weight_comes_back_as_it_was_asked(weight in 10u64..=1000) {
            prop_assert!((1..=10_000).contains(&weight_of(weight)));
            prop_assert_eq!(from_weight(weight_of(weight)), weight);
        }
    }

    #[test]
    fn a_device_has_one_line_of_what_is_asked() {
        let amount = |amount| {
            vec![DeviceAmount {
                major: 8,
                minor: 16,
                amount,
            }]
        };
        let asked = Io {
            read_bps: amount(1000),
            write_iops: amount(0),
            ..Io::default()
        };
        let held = Io {
            write_iops: amount(7),
            ..Io::default()
        };
        let steps = max_steps(&asked, &held);
        assert_eq!(
            steps,
            [Step::new(MAX, "8:16 rbps=1000 wiops=max", "a limit on block I/O").undone_by("8:16 rbps=max wiops=7")]
        );
        let mut read_back = Io::default();
        read_max("8:16 rbps=1000 wbps=max riops=max wiops=7", &mut read_back);
        assert_eq!((read_back.read_bps, read_back.write_iops), (amount(1000), amount(7)));
    }
}
