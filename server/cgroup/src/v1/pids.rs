//! The number of processes and threads. kernel, cgroup-v1/pids.rst

use crate::change::Step;
use crate::control_file;
use crate::error::CgroupError;
use model::container::limits::Ceiling;
use std::path::Path;

const MAX: &str = "pids.max";

pub(crate) fn steps(asked: Option<Ceiling>) -> Vec<Step> {
    let value = asked.map(|ceiling| match ceiling {
        Ceiling::Unlimited => "max".into(),
        Ceiling::At(count) => count.to_string(),
    });
    value
        .map(|value| Step::new(MAX, value, "a limit on processes"))
        .into_iter()
        .collect()
}

pub(crate) fn read(dir: &Path) -> Result<Option<Ceiling>, CgroupError> {
    control_file::ceiling(&dir.join(MAX))
}
