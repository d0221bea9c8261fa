//! Block devices. kernel, cgroup-v1/blkio-controller.rst

use crate::change::Step;
use crate::control_file;
use crate::error::CgroupError;
use model::container::limits::{DeviceAmount, Io};
use std::path::Path;

/// The weight's files, and those of the scheduler that has it on newer kernels.
const WEIGHT: [&str; 2] = ["blkio.weight", "blkio.bfq.weight"];
const WEIGHT_DEVICE: [&str; 2] = ["blkio.weight_device", "blkio.bfq.weight_device"];
const READ_BPS: &str = "blkio.throttle.read_bps_device";
const WRITE_BPS: &str = "blkio.throttle.write_bps_device";
const READ_IOPS: &str = "blkio.throttle.read_iops_device";
const WRITE_IOPS: &str = "blkio.throttle.write_iops_device";

pub(crate) fn steps(asked: &Io, held: &Io, dir: &Path) -> Vec<Step> {
    let there = |names: [&'static str; 2]| {
        if dir.join(names[0]).exists() {
            names[0]
        } else {
            names[1]
        }
    };
    let mut steps = Vec::new();
    if let Some(weight) = asked.weight {
        let undo = held.weight.unwrap_or(100).to_string();
        steps.push(Step::new(there(WEIGHT), weight.to_string(), "a weight of block I/O").undone_by(undo));
    }
    let devices = [
        (there(WEIGHT_DEVICE), &asked.weight_device, &held.weight_device),
        (READ_BPS, &asked.read_bps, &held.read_bps),
        (WRITE_BPS, &asked.write_bps, &held.write_bps),
        (READ_IOPS, &asked.read_iops, &held.read_iops),
        (WRITE_IOPS, &asked.write_iops, &held.write_iops),
    ];
    for (file, asked, held) in devices {
        for one in asked {
            let line = |amount: u64| format!("{}:{} {amount}", one.major, one.minor);
            let step = Step::new(file, line(one.amount), "a limit on block I/O");
            // 0 takes the line away again.
            steps.push(step.undone_by(line(former(held, one))));
        }
    }
    steps
}

/// What `held` has for the device of `one`; 0 without.
pub(crate) fn former(held: &[DeviceAmount], one: &DeviceAmount) -> u64 {
    held.iter()
        .find(|held| (held.major, held.minor) == (one.major, one.minor))
        .map_or(0, |held| held.amount)
}

pub(crate) fn read(dir: &Path) -> Result<Io, CgroupError> {
    let text = |file: &str| control_file::read_if_there(&dir.join(file)).map(Option::unwrap_or_default);
    let mut weight = None;
    for file in WEIGHT {
        weight = weight.or(default_weight(&text(file)?));
    }
    let mut weight_device = amounts(&text(WEIGHT_DEVICE[0])?);
    weight_device.extend(amounts(&text(WEIGHT_DEVICE[1])?));
    Ok(Io {
        weight,
        weight_device,
        read_bps: amounts(&text(READ_BPS)?),
        write_bps: amounts(&text(WRITE_BPS)?),
        read_iops: amounts(&text(READ_IOPS)?),
        write_iops: amounts(&text(WRITE_IOPS)?),
    })
}

/// `100`, or `default 100` with lines for devices after it.
pub(crate) fn default_weight(text: &str) -> Option<u16> {
    let first = text.lines().next()?;
    first.strip_prefix("default ").unwrap_or(first).trim().parse().ok()
}

/// Lines of `major:minor amount`; others are not about a device.
pub(crate) fn amounts(text: &str) -> Vec<DeviceAmount> {
    text.lines()
        .filter_map(|line| {
            let (device, amount) = line.split_once(' ')?;
            let (major, minor) = device.split_once(':')?;
            Some(DeviceAmount {
                major: major.parse().ok()?,
                minor: minor.parse().ok()?,
                amount: amount.trim().parse().ok()?,
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_throttle_is_undone_by_what_the_device_had_before() {
        let amount = |amount| DeviceAmount {
            major: 8,
            minor: 0,
            amount,
        };
        let io = |bytes| Io {
            read_bps: vec![amount(bytes)],
            ..Io::default()
        };
        let dir = tempfile::tempdir().unwrap();
        let steps = steps(&io(100), &io(50), dir.path());
        assert_eq!(
            steps,
            [Step::new(READ_BPS, "8:0 100", "a limit on block I/O").undone_by("8:0 50")]
        );
    }

    #[test]
    fn lines_about_devices_are_read() {
        assert_eq!(default_weight("default 200\n8:16 50\n"), Some(200));
        assert_eq!(amounts("default 200\n8:16 50\n").len(), 1);
    }
}
