//! Making controllers available down the tree.

use crate::control_file;
use crate::error::CgroupError;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Where the processes go that stand where groups with controllers are to be.
const LEAF: &str = "leaf";

/// systemd marks by these what it leaves to a unit, and writes nothing below.
/// <https://systemd.io/CGROUP_DELEGATION>, "Delegation"
const DELEGATED: [&str; 2] = ["trusted.delegate", "user.delegate"];

/// Makes every group above `path` and lets it hand `controllers` down, from the top. The
/// last group itself keeps its own, so that it may hold processes. Above a unit that
/// systemd delegated nothing is written: that has what the unit was given.
pub(crate) fn enable_controllers(root: &Path, path: &Path, controllers: &[String]) -> Result<(), CgroupError> {
    let Some(above) = path.parent() else {
        return Ok(());
    };
    let own = own_dir(root)?;
    let ours = delegated(root, above, &is_delegated);
    if ours.is_none() {
        // The root of a tree that is not the host's has none but our own and our siblings'.
        enable(root, controllers, true)?;
    }
    let mut dir = root.to_owned();
    for part in above {
        dir.push(part);
        if ours.as_ref().is_some_and(|ours| !dir.starts_with(ours)) {
            continue;
        }
        fs::create_dir_all(&dir).map_err(|source| CgroupError::Make {
            dir: dir.clone(),
            source,
        })?;
        let there = ours.as_ref().map(|ours| available(ours, controllers)).transpose()?;
        enable(
            &dir,
            there.as_deref().unwrap_or(controllers),
            own.as_deref() == Some(&dir),
        )?;
    }
    Ok(())
}

/// The first group on the way down to `path` that was handed over.
fn delegated(root: &Path, path: &Path, is_delegated: &dyn Fn(&Path) -> bool) -> Option<PathBuf> {
    let mut dir = root.to_owned();
    path.iter().find_map(|part| {
        dir.push(part);
        is_delegated(&dir).then(|| dir.clone())
    })
}

fn is_delegated(dir: &Path) -> bool {
    let marked = |name| sys::xattr::get_short(dir, name).is_some_and(|value| value == b"1");
    DELEGATED.into_iter().any(marked)
}

/// Those of `controllers` that `dir` was given.
fn available(dir: &Path, controllers: &[String]) -> Result<Vec<String>, CgroupError> {
    let given = control_file::read(&dir.join("cgroup.controllers"))?;
    let given: BTreeSet<&str> = given.split_ascii_whitespace().collect();
    let wanted = controllers.iter().filter(|name| given.contains(name.as_str()));
    Ok(wanted.cloned().collect())
}

/// The group that this process is in: a service's own, when it was given one.
fn own_dir(root: &Path) -> Result<Option<PathBuf>, CgroupError> {
    let text = control_file::read(Path::new("/proc/self/cgroup"))?;
    let path = text.lines().find_map(|line| line.strip_prefix("0::/"));
    Ok(path.map(|path| {
        if path.is_empty() {
            root.to_owned()
        } else {
            root.join(path)
        }
    }))
}

pub(crate) fn enable(dir: &Path, controllers: &[String], may_empty: bool) -> Result<(), CgroupError> {
    if controllers.is_empty() {
        return Ok(());
    }
    let file = dir.join("cgroup.subtree_control");
    let held = control_file::read(&file)?;
    let held: BTreeSet<&str> = held.split_ascii_whitespace().collect();
    let missing: Vec<String> = controllers
        .iter()
        .filter(|name| !held.contains(name.as_str()))
        .map(|name| format!("+{name}"))
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    // One by one, where all at once are refused: a controller that cannot be handed down
    // (`cpu` beside real-time processes) must not take the others with it. What is then
    // missing is told when a limit needs it.
    if control_file::write_raw(&file, &missing.join(" ")).is_ok() {
        return Ok(());
    }
    if may_empty {
        empty_into_leaf(dir)?;
    }
    for name in &missing {
        let _ = control_file::write_raw(&file, name);
    }
    Ok(())
}

/// No group but the host's own root may hold both processes and groups with controllers.
/// A server inside a container stands, with its siblings, at the root of the tree it sees,
/// and a service in the group it was given: they move one down.
fn empty_into_leaf(dir: &Path) -> Result<(), CgroupError> {
    // The host's own root is the one group without a type.
    if !dir.join("cgroup.type").exists() {
        return Ok(());
    }
    let leaf = dir.join(LEAF);
    fs::create_dir_all(&leaf).map_err(|source| CgroupError::Make {
        dir: leaf.clone(),
        source,
    })?;
    let procs = control_file::read(&dir.join("cgroup.procs"))?;
    for pid in procs.lines().filter(|pid| *pid != "0") {
        // One that ended meanwhile needs no move.
        let _ = control_file::write_raw(&leaf.join("cgroup.procs"), pid);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn controllers_are_handed_down_to_the_group_but_not_below_it() {
        let root = tempfile::tempdir().unwrap();
        let engine = root.path().join("gantry");
        let own = engine.join("id");
        for dir in [root.path(), &engine, &own] {
            fs::create_dir_all(dir).unwrap();
            fs::write(dir.join("cgroup.subtree_control"), "").unwrap();
        }
        enable_controllers(root.path(), Path::new("gantry/id"), &["cpu".into(), "pids".into()]).unwrap();
        let held = |dir: &Path| fs::read_to_string(dir.join("cgroup.subtree_control")).unwrap();
        assert_eq!(held(root.path()), "+cpu +pids");
        assert_eq!(held(&engine), "+cpu +pids");
        assert_eq!(held(&own), "");
    }

    #[test]
    fn above_a_delegated_unit_nothing_is_written() {
        let root = tempfile::tempdir().unwrap();
        let slice = root.path().join("system.slice");
        let unit = slice.join("gantry.service");
        let parent = unit.join("containers");
        for dir in [root.path(), &slice, &unit, &parent] {
            fs::create_dir_all(dir).unwrap();
            fs::write(dir.join("cgroup.subtree_control"), "").unwrap();
        }
        fs::write(unit.join("cgroup.controllers"), "cpu memory\n").unwrap();
        let marked = sys::xattr::set(fs::File::open(&unit).unwrap(), "user.delegate".as_ref(), b"1");
        if let Err(error) = marked {
            println!("skipped: the temporary directory keeps no attributes: {error}");
            return;
        }
        let path = Path::new("system.slice/gantry.service/containers/id");
        enable_controllers(root.path(), path, &["cpu".into(), "rdma".into()]).unwrap();
        let held = |dir: &Path| fs::read_to_string(dir.join("cgroup.subtree_control")).unwrap();
        assert_eq!((held(root.path()).as_str(), held(&slice).as_str()), ("", ""));
        // Of what the unit was given.
        assert_eq!((held(&unit).as_str(), held(&parent).as_str()), ("+cpu", "+cpu"));
    }
}
