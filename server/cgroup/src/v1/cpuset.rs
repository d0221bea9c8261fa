//! Which processors and memory nodes. kernel, cgroup-v1/cpusets.rst

use crate::change::Step;
use crate::control_file;
use crate::error::CgroupError;
use model::container::limits::Cpu;
use std::path::Path;

const FILES: [&str; 2] = ["cpuset.cpus", "cpuset.mems"];

/// A new v1 group has neither processors nor nodes, and takes no process before it does:
/// copies both from the parent, from the mount `root` down to `path`.
pub(crate) fn inherit(root: &Path, path: &Path) -> Result<(), CgroupError> {
    let mut dir = root.to_owned();
    for part in path {
        let parent = dir.clone();
        dir.push(part);
        for file in FILES {
            let own = control_file::read_if_there(&dir.join(file))?;
            if own.is_some_and(|own| own.trim().is_empty()) {
                let theirs = control_file::read(&parent.join(file))?;
                control_file::write(&dir.join(file), theirs.trim())?;
            }
        }
    }
    Ok(())
}

pub(crate) fn steps(asked: &Cpu) -> Vec<Step> {
    let cpus = asked
        .cpus
        .as_ref()
        .map(|list| Step::new("cpuset.cpus", list, "a choice of processors"));
    let mems = asked
        .mems
        .as_ref()
        .map(|list| Step::new("cpuset.mems", list, "a choice of memory nodes"));
    cpus.into_iter().chain(mems).collect()
}

pub(crate) fn read(dir: &Path, into: &mut Cpu) -> Result<(), CgroupError> {
    let list = |file| -> Result<_, CgroupError> {
        let text = control_file::read_if_there(&dir.join(file))?;
        Ok(text.map(|text| text.trim().to_owned()).filter(|text| !text.is_empty()))
    };
    into.cpus = list("cpuset.cpus")?;
    into.mems = list("cpuset.mems")?;
    Ok(())
}
