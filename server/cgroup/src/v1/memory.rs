//! Memory. kernel, cgroup-v1/memory.rst

use crate::change::Step;
use crate::control_file;
use crate::error::CgroupError;
use model::container::limits::{Ceiling, Memory};
use std::path::Path;

const LIMIT: &str = "memory.limit_in_bytes";
const WITH_SWAP: &str = "memory.memsw.limit_in_bytes";
const RESERVATION: &str = "memory.soft_limit_in_bytes";
const SWAPPINESS: &str = "memory.swappiness";
const OOM_CONTROL: &str = "memory.oom_control";

/// The kernel refuses, at every moment, a limit on memory that is above the limit on
/// memory and swap: so the latter is raised first and lowered last.
pub(crate) fn steps(asked: &Memory, held: &Memory) -> Result<Vec<Step>, CgroupError> {
    let limit = asked
        .limit
        .map(|ceiling| Step::new(LIMIT, amount(ceiling), "a memory limit"));
    let both = both_wanted(asked, held)?;
    let with_swap = both.map(|wanted| {
        let step = Step::new(WITH_SWAP, amount(wanted), "a limit on swap");
        if needs_swap_accounting(wanted, asked.limit.or(held.limit)) {
            step
        } else {
            step.skipped_if_missing()
        }
    });
    let raises = match (both, held.memory_and_swap) {
        (Some(wanted), Some(held)) => is_above(wanted, held),
        _ => false,
    };
    let mut steps: Vec<Step> = if raises {
        with_swap.into_iter().chain(limit).collect()
    } else {
        limit.into_iter().chain(with_swap).collect()
    };
    if let Some(bytes) = asked.reservation_bytes {
        steps.push(Step::new(RESERVATION, bytes.to_string(), "a memory reservation"));
    }
    if let Some(swappiness) = asked.swappiness {
        steps.push(Step::new(SWAPPINESS, swappiness.to_string(), "swappiness"));
    }
    if asked.oom_kill_disabled && !held.oom_kill_disabled {
        steps.push(Step::new(OOM_CONTROL, "1", "turning the out-of-memory killer off").undone_by("0"));
    }
    Ok(steps)
}

/// The limit on memory and swap that goes with what is asked: the asked one; none with
/// no limit on memory; else, where a new limit would pass it, the swap stays what it was.
fn both_wanted(asked: &Memory, held: &Memory) -> Result<Option<Ceiling>, CgroupError> {
    let limit = asked.limit.or(held.limit);
    match (asked.memory_and_swap, asked.limit) {
        (Some(Ceiling::At(both_bytes)), _) => match limit {
            Some(Ceiling::At(limit_bytes)) if both_bytes < limit_bytes => Err(CgroupError::SwapBelowMemory {
                both_bytes,
                limit_bytes,
            }),
            Some(Ceiling::At(_)) => Ok(asked.memory_and_swap),
            Some(Ceiling::Unlimited) | None => Err(CgroupError::SwapWithoutMemory),
        },
        (Some(Ceiling::Unlimited), _) | (None, Some(Ceiling::Unlimited)) => Ok(Some(Ceiling::Unlimited)),
        (None, Some(Ceiling::At(wanted))) => match (held.limit, held.memory_and_swap) {
            (Some(Ceiling::At(limit)), Some(Ceiling::At(both))) if wanted > both => {
                let swap = both.saturating_sub(limit);
                Ok(Some(Ceiling::At(wanted.saturating_add(swap))))
            }
            (None, Some(Ceiling::At(both))) if wanted > both => Ok(Some(Ceiling::At(wanted))),
            _ => Ok(None),
        },
        (None, None) => Ok(None),
    }
}

/// Whether a kernel that does not count swap would break the promise. "None", "no swap"
/// and "twice the memory", which is what nobody asked for by hand, pass without.
pub(crate) fn needs_swap_accounting(both: Ceiling, limit: Option<Ceiling>) -> bool {
    match (both, limit) {
        (Ceiling::Unlimited, _) => false,
        (Ceiling::At(both), Some(Ceiling::At(limit))) => both != limit && both != limit.saturating_mul(2),
        (Ceiling::At(_), _) => true,
    }
}

fn amount(ceiling: Ceiling) -> String {
    match ceiling {
        Ceiling::Unlimited => "-1".into(),
        Ceiling::At(bytes) => bytes.to_string(),
    }
}

fn is_above(one: Ceiling, other: Ceiling) -> bool {
    match (one, other) {
        (_, Ceiling::Unlimited) => false,
        (Ceiling::Unlimited, Ceiling::At(_)) => true,
        (Ceiling::At(one), Ceiling::At(other)) => one > other,
    }
}

pub(crate) fn read(dir: &Path) -> Result<Memory, CgroupError> {
    let oom_control = control_file::read_if_there(&dir.join(OOM_CONTROL))?.unwrap_or_default();
    let reservation = match control_file::ceiling(&dir.join(RESERVATION))? {
        Some(Ceiling::At(bytes)) => Some(bytes),
        Some(Ceiling::Unlimited) | None => None,
    };
    let swappiness = control_file::number(&dir.join(SWAPPINESS))?;
    Ok(Memory {
        limit: control_file::ceiling(&dir.join(LIMIT))?,
        memory_and_swap: control_file::ceiling(&dir.join(WITH_SWAP))?,
        reservation_bytes: reservation,
        swappiness: swappiness.and_then(|percent| u8::try_from(percent).ok()),
        oom_kill_disabled: control_file::keyed(&oom_control, "oom_kill_disable") == Some(1),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn held(limit: Ceiling, both: Ceiling) -> Memory {
        Memory {
            limit: Some(limit),
            memory_and_swap: Some(both),
            ..Memory::default()
        }
    }

    fn any_ceiling() -> impl Strategy<Value = Ceiling> {
        prop_oneof![Just(Ceiling::Unlimited), (1u64..1 << 40).prop_map(Ceiling::At)]
    }

    fn bytes(ceiling: Ceiling) -> u64 {
        match ceiling {
            Ceiling::Unlimited => u64::MAX,
            Ceiling::At(bytes) => bytes,
        }
    }

    proptest! {
        /// The kernel's rule, at every moment between the writes.
        #[test]
        fn memory_never_passes_memory_and_swap(
            before in (any_ceiling(), any_ceiling()),
            limit in proptest::option::of(any_ceiling()),
            both in proptest::option::of(any_ceiling()),
        ) {
            let (low, high) = if bytes(before.0) <= bytes(before.1) { before } else { (before.1, before.0) };
            let asked = Memory { limit, memory_and_swap: both, ..Memory::default() };
            let Ok(steps) = steps(&asked, &held(low, high)) else { return Ok(()) };
            let (mut memory, mut with_swap) = (bytes(low), bytes(high));
            for step in steps {
                let value = if step.value == "-1" { u64::MAX } else { step.value.parse().unwrap() };
                if step.file == LIMIT { memory = value } else { with_swap = value }
                prop_assert!(memory <= with_swap, "{memory} > {with_swap}");
            }
        }
    }

    #[test]
    fn raising_the_memory_alone_keeps_the_swap() {
        let asked = Memory {
            limit: Some(Ceiling::At(300)),
            ..Memory::default()
        };
        let steps = steps(&asked, &held(Ceiling::At(100), Ceiling::At(150))).unwrap();
        let written: Vec<_> = steps
            .iter()
            .map(|step| (step.file.as_str(), step.value.as_str()))
            .collect();
        assert_eq!(written, [(WITH_SWAP, "350"), (LIMIT, "300")]);
    }

    #[test]
    fn swap_below_memory_is_refused_before_anything_is_written() {
        let asked = Memory {
            memory_and_swap: Some(Ceiling::At(50)),
            ..Memory::default()
        };
        assert!(matches!(
            steps(&asked, &held(Ceiling::At(100), Ceiling::Unlimited)),
            Err(CgroupError::SwapBelowMemory { .. })
        ));
    }
}
