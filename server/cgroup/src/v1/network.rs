//! Marks on the packets of a group; v2 has none. kernel, cgroup-v1/net_cls.rst, net_prio.rst

use crate::change::Step;

pub(crate) fn class_step(class: u32) -> Step {
    Step::new("net_cls.classid", class.to_string(), "a class of network packets")
}

pub(crate) fn priority_steps(asked: &[(String, u32)]) -> Vec<Step> {
    asked
        .iter()
        .map(|(device, priority)| {
            let step = Step::new(
                "net_prio.ifpriomap",
                format!("{device} {priority}"),
                "a priority of network packets",
            );
            step.undone_by(format!("{device} 0"))
        })
        .collect()
}
