//! Memory. kernel, cgroup-v2.rst, "Memory Interface Files"
//!
//! Swap is limited apart from memory here; outside this file it is always memory and
//! swap together, as on v1.

use crate::change::Step;
use crate::control_file;
use crate::error::CgroupError;
use crate::v1::memory::needs_swap_accounting;
use model::container::limits::{Ceiling, Memory};
use std::path::Path;

const LIMIT: &str = "memory.max";
const SWAP: &str = "memory.swap.max";
const RESERVATION: &str = "memory.low";

/// `oom_kill_disabled` and `swappiness` have no files here, and change nothing.
pub(crate) fn steps(asked: &Memory, held: &Memory) -> Result<Vec<Step>, CgroupError> {
    let mut steps = Vec::new();
    if let Some(ceiling) = asked.limit {
        steps.push(Step::new(LIMIT, amount(ceiling), "a memory limit"));
    }
    let limit = asked.limit.or(held.limit);
    let both = match (asked.memory_and_swap, asked.limit) {
        (None, Some(Ceiling::Unlimited)) => Some(Ceiling::Unlimited),
        (both, _) => both,
    };
    if let Some(both) = both {
        let swap = swap_of(both, limit)?;
        let step = Step::new(SWAP, amount(swap), "a limit on swap");
        steps.push(if needs_swap_accounting(both, limit) {
            step
        } else {
            step.skipped_if_missing()
        });
    }
    if let Some(bytes) = asked.reservation_bytes {
        steps.push(Step::new(RESERVATION, bytes.to_string(), "a memory reservation"));
    }
    Ok(steps)
}

fn swap_of(both: Ceiling, limit: Option<Ceiling>) -> Result<Ceiling, CgroupError> {
    match (both, limit) {
        (Ceiling::Unlimited, _) => Ok(Ceiling::Unlimited),
        (Ceiling::At(both_bytes), Some(Ceiling::At(limit_bytes))) => both_bytes
            .checked_sub(limit_bytes)
            .map(Ceiling::At)
            .ok_or(CgroupError::SwapBelowMemory {
                both_bytes,
                limit_bytes,
            }),
        (Ceiling::At(_), Some(Ceiling::Unlimited) | None) => Err(CgroupError::SwapWithoutMemory),
    }
}

fn both_of(swap: Ceiling, limit: Ceiling) -> Ceiling {
    match (swap, limit) {
        (Ceiling::At(swap), Ceiling::At(limit)) => Ceiling::At(limit.saturating_add(swap)),
        _ => Ceiling::Unlimited,
    }
}

fn amount(ceiling: Ceiling) -> String {
    match ceiling {
        Ceiling::Unlimited => "max".into(),
        Ceiling::At(bytes) => bytes.to_string(),
    }
}

pub(crate) fn read(dir: &Path) -> Result<Memory, CgroupError> {
    let limit = control_file::ceiling(&dir.join(LIMIT))?;
    let swap = control_file::ceiling(&dir.join(SWAP))?;
    Ok(Memory {
        limit,
        memory_and_swap: swap.zip(limit).map(|(swap, limit)| both_of(swap, limit)),
        reservation_bytes: control_file::number(&dir.join(RESERVATION))?.filter(|bytes| *bytes > 0),
        swappiness: None,
        oom_kill_disabled: false,
    })
}

/// Lowering `memory.max` below use is not refused by the kernel: it kills. What cannot be
/// freed by dropping cached files must fit.
pub(crate) fn refuse_below_use(dir: &Path, asked: &Memory) -> Result<(), CgroupError> {
    let Some(Ceiling::At(asked_bytes)) = asked.limit else {
        return Ok(());
    };
    let current = control_file::number(&dir.join("memory.current"))?.unwrap_or(0);
    let stat = control_file::read_if_there(&dir.join("memory.stat"))?.unwrap_or_default();
    let cached = ["inactive_file", "active_file", "slab_reclaimable"]
        .iter()
        .filter_map(|key| control_file::keyed(&stat, key))
        .sum();
    let used_bytes = current.saturating_sub(cached);
    if used_bytes > asked_bytes {
        return Err(CgroupError::BelowUse {
            asked_bytes,
            used_bytes,
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn memory_and_swap_together_survive_the_way_through_the_files(limit in 1u64..1 << 40, more in 0u64..1 << 40) {
            let both = Ceiling::At(limit + more);
            let swap = swap_of(both, Some(Ceiling::At(limit))).unwrap();
            prop_assert_eq!(swap, Ceiling::At(more));
            prop_assert_eq!(both_of(swap, Ceiling::At(limit)), both);
        }
    }

    #[test]
    fn no_limit_on_memory_is_none_on_swap() {
        let asked = Memory {
            limit: Some(Ceiling::Unlimited),
            ..Memory::default()
        };
        let written: Vec<_> = steps(&asked, &Memory::default())
            .unwrap()
            .into_iter()
            .map(|step| (step.file, step.value))
            .collect();
        assert_eq!(
            written,
            [(LIMIT.into(), "max".to_owned()), (SWAP.into(), "max".to_owned())]
        );
    }
}
