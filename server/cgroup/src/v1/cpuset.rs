//! Which processors and memory nodes. kernel, cgroup-v1/cpusets.rst

use crate::change::Step;
use crate::control_file;
use crate::error::CgroupError;
use model::container::limits::Cpu;
use std::path::Path;

const FILES: [&str; 2] = ["cpuset.cpus", "cpuset.mems"];

/// A new v1 group has neither processors nor nodes, and takes no process before it does:
/// takes both from the nearest group above that has them, up to the mount `root`.
pub(crate) fn inherit(root: &Path, path: &Path) -> Result<(), CgroupError> {
    for file in FILES {
        held_or_inherited(root, path, file)?;
    }
    Ok(())
}

fn held_or_inherited(root: &Path, path: &Path, file: &str) -> Result<Option<String>, CgroupError> {
    let own = root.join(path).join(file);
    let Some(held) = control_file::read_if_there(&own)? else {
        return Ok(None);
    };
    let held = held.trim();
    let (false, Some(above)) = (!held.is_empty(), path.parent()) else {
        return Ok(Some(held.to_owned()));
    };
    let theirs = held_or_inherited(root, above, file)?;
    if let Some(theirs) = &theirs {
        control_file::write(&own, theirs)?;
    }
    Ok(theirs)
}

/// From here on new groups below have what this one has from their first moment. Writing
/// it to each looks at all its siblings and makes the scheduler's domains anew.
/// kernel, cgroup-v1/cgroups.rst, "clone_children"
pub(crate) fn pass_on(dir: &Path) -> Result<(), CgroupError> {
    control_file::write(&dir.join("cgroup.clone_children"), "1")
}

/// An empty list is "as the group above", which has to be copied from there.
pub(crate) fn steps(asked: &Cpu, dir: &Path) -> Result<Vec<Step>, CgroupError> {
    let wanted = |list: &str, file: &str| match (list, dir.parent()) {
        ("", Some(above)) => control_file::read(&above.join(file)).map(|text| text.trim().to_owned()),
        (list, _) => Ok(list.to_owned()),
    };
    let mut asked = asked.clone();
    for (list, file) in [&mut asked.cpus, &mut asked.mems].into_iter().zip(FILES) {
        if let Some(list) = list {
            *list = wanted(list, file)?;
        }
    }
    Ok(plain_steps(&asked))
}

/// As they are asked for.
pub(crate) fn plain_steps(asked: &Cpu) -> Vec<Step> {
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
