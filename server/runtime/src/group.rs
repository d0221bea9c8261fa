//! The container's cgroup, made with its limits before anything runs in it.

use bundle::DeviceKind;
use cgroup::{CgroupError, DeviceRule, Group};
use oci_spec::runtime::Spec;

pub(crate) fn make(group: &Group, spec: &Spec) -> Result<(), CgroupError> {
    group.create()?;
    let resources = spec.linux().as_ref().and_then(|linux| linux.resources().as_ref());
    let Some(resources) = resources else { return Ok(()) };
    let (limits, rules) = bundle::limits(resources);
    let rules: Vec<DeviceRule> = rules.iter().map(rule).collect();
    group.apply(&limits, (!rules.is_empty()).then_some(&rules))
}

fn rule(rule: &bundle::DeviceRule) -> DeviceRule {
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
