//! What keeps containers from doing harm.

use crate::facts::{self, Facts};
use crate::report::{Asked, Group, Item, Need};
use sys::seccomp::action;

const fn asked(id: &'static str, title: &'static str, need: Need, purpose: &'static str) -> Asked {
    Asked {
        id,
        group: Group::Security,
        title,
        need,
        purpose,
    }
}

pub(crate) fn items(facts: &Facts) -> Vec<Item> {
    vec![seccomp(), seccomp_log(), apparmor(facts), selinux(facts)]
}

fn seccomp() -> Item {
    let there = sys::seccomp::has_action(action::ERRNO) && sys::seccomp::has_action(action::KILL_PROCESS);
    asked(
        "seccomp",
        "Filters of system calls (seccomp)",
        Need::Required,
        "keeping containers from parts of the kernel they have no use for",
    )
    .met(
        there,
        if there { "works" } else { "the kernel has none" },
        "use a kernel with CONFIG_SECCOMP_FILTER",
    )
}

fn seccomp_log() -> Item {
    let there = sys::seccomp::has_action(action::LOG);
    asked(
        "seccomp-log",
        "Logging of filtered calls",
        Need::Optional,
        "finding out which call of a program was refused",
    )
    .met(
        there,
        if there { "there" } else { "not there" },
        "use a kernel of 4.14 or newer",
    )
}

fn apparmor(facts: &Facts) -> Item {
    let on = facts::read("/sys/module/apparmor/parameters/enabled").is_some_and(|text| text == "Y");
    let question = asked(
        "apparmor",
        "AppArmor",
        Need::Optional,
        "a further fence around containers, on distributions that have it",
    );
    if on {
        question.ok("on")
    } else {
        question.missing(
            others(facts),
            "nothing to do where the distribution uses SELinux or neither; else boot with `apparmor=1 security=apparmor`",
        )
    }
}

fn selinux(facts: &Facts) -> Item {
    let question = asked(
        "selinux",
        "SELinux",
        Need::Optional,
        "a further fence around containers, on distributions that have it",
    );
    match facts::number("/sys/fs/selinux/enforce") {
        Some(1) => question.ok("enforcing"),
        Some(_) => question.ok("permissive"),
        None => question.missing(
            others(facts),
            "nothing to do where the distribution uses AppArmor or neither",
        ),
    }
}

fn others(facts: &Facts) -> String {
    if facts.lsm.is_empty() {
        "off".into()
    } else {
        format!("off; the kernel has {}", facts.lsm.join(", "))
    }
}
