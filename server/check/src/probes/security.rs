//! Seccomp, AppArmor and SELinux.

use crate::facts::{self, Facts};
use crate::report::{Check, Group, Item, Need};
use sys::seccomp::action;

const fn check(id: &'static str, title: &'static str, need: Need, purpose: &'static str) -> Check {
    Check {
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
    let available = sys::seccomp::has_action(action::ERRNO) && sys::seccomp::has_action(action::KILL_PROCESS);
    check(
        "seccomp",
        "System call filters (seccomp)",
        Need::Required,
        "restricting the system calls of containers",
    )
    .met(
        available,
        if available {
            "available"
        } else {
            "not supported by the kernel"
        },
        "use a kernel with CONFIG_SECCOMP_FILTER",
    )
}

fn seccomp_log() -> Item {
    let available = sys::seccomp::has_action(action::LOG);
    check(
        "seccomp-log",
        "Logging of filtered system calls",
        Need::Optional,
        "finding the system call that was denied",
    )
    .met(
        available,
        if available { "available" } else { "not available" },
        "use Linux 4.14 or newer",
    )
}

fn apparmor(facts: &Facts) -> Item {
    let on = facts::read("/sys/module/apparmor/parameters/enabled").is_some_and(|text| text == "Y");
    let item = check(
        "apparmor",
        "AppArmor",
        Need::Optional,
        "mandatory access control for containers, on distributions that have it",
    );
    if on {
        item.ok("enabled")
    } else {
        item.missing(
            others(facts),
            "no action needed if the distribution uses SELinux or neither; otherwise boot with `apparmor=1 security=apparmor`",
        )
    }
}

fn selinux(facts: &Facts) -> Item {
    let item = check(
        "selinux",
        "SELinux",
        Need::Optional,
        "mandatory access control for containers, on distributions that have it",
    );
    match facts::number("/sys/fs/selinux/enforce") {
        Some(1) => item.ok("enforcing"),
        Some(_) => item.ok("permissive"),
        None => item.missing(
            others(facts),
            "no action needed if the distribution uses AppArmor or neither",
        ),
    }
}

fn others(facts: &Facts) -> String {
    if facts.lsm.is_empty() {
        "disabled".into()
    } else {
        format!("disabled; active security modules: {}", facts.lsm.join(", "))
    }
}
