//! The container's cgroup, made with its limits before anything runs in it.

use crate::ids::IdMaps;
use bundle::DeviceKind;
use cgroup::{CgroupError, DeviceRule, Entry, Group};
use oci_spec::runtime::Spec;

/// Makes the group, unless it is there for this container, and sets its limits. On
/// failure nothing of it is left; a group that is in use is refused and stays as it is.
pub(crate) fn make(group: &Group, is_there: bool, spec: &Spec) -> Result<(), CgroupError> {
    if !is_there {
        group.create_unused()?;
    }
    limit(group, spec).inspect_err(|_| unmake(group))
}

/// The doors for init. A whole system gets a part of its own behind them.
pub(crate) fn entry(group: &Group, spec: &Spec, ids: Option<&IdMaps>) -> Result<Entry, CgroupError> {
    if !is_system(spec) {
        return group.entry();
    }
    let root = ids.and_then(|ids| Some((ids.outside_user(0)?, ids.outside_group(0)?)));
    group.delegate(root)
}

/// The doors for a further process.
pub(crate) fn entry_for_exec(group: &Group, spec: &Spec, init: i32) -> Result<Entry, CgroupError> {
    if is_system(spec) {
        group.entry_beside(init)
    } else {
        group.entry()
    }
}

pub(crate) fn is_system(spec: &Spec) -> bool {
    let annotations = spec.annotations().as_ref();
    annotations.is_some_and(|all| all.get(bundle::annotation::SYSTEM).is_some_and(|word| word == "true"))
}

/// Clears away what [`make`] made. What cannot be cleared is left: the failure that
/// led here is the one to tell.
pub(crate) fn unmake(group: &Group) {
    let _ = group.kill_all();
    let _ = group.remove();
}

fn limit(group: &Group, spec: &Spec) -> Result<(), CgroupError> {
    let resources = spec.linux().as_ref().and_then(|linux| linux.resources().as_ref());
    let Some(resources) = resources else { return Ok(()) };
    let (limits, rules) = bundle::limits(resources);
    let special = bundle::special_limits(resources);
    // Root of a user namespace may set no rules, and can make no devices anyway.
    if rules.is_empty() || !sys::user_namespace::is_initial() {
        return group.apply(&limits, &special, None);
    }
    // Last, so that a bundle that only denies, as `spec` commands write it, works.
    let rules: Vec<DeviceRule> = rules.into_iter().chain(bundle::always_allowed()).map(rule).collect();
    group.apply(&limits, &special, Some(&rules))
}

fn rule(rule: bundle::DeviceRule) -> DeviceRule {
    DeviceRule {
        allow: rule.allow,
        kind: match rule.kind {
            DeviceKind::All => cgroup::DeviceKind::All,
            DeviceKind::Character => cgroup::DeviceKind::Char,
            DeviceKind::Block => cgroup::DeviceKind::Block,
        },
        major: rule.major,
        minor: rule.minor,
        read: rule.read,
        write: rule.write,
        mknod: rule.mknod,
    }
}
