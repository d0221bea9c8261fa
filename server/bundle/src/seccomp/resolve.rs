//! From a profile for everybody to the rules for one container.

use super::profile::{Condition, Profile, Rule};
use oci_spec::runtime::{Arch, LinuxSeccomp, LinuxSeccompAction, LinuxSyscall};
use std::collections::{HashMap, HashSet};

/// Where the container is to run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Host {
    pub arch: Arch,
    pub kernel: Kernel,
}

/// Major and minor number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Kernel(pub u32, pub u32);

impl Kernel {
    /// `6.1.0-13-amd64` is 6.1; `None` for what does not begin with two numbers.
    pub fn parse(release: &str) -> Option<Self> {
        let mut numbers = release.split(|c: char| !c.is_ascii_digit());
        Some(Self(numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
    }
}

impl Host {
    /// The architecture this program was compiled for, and the kernel of that release.
    /// A release that is not understood counts as new.
    pub fn native(kernel_release: &str) -> Self {
        Self {
            arch: native_arch(),
            kernel: Kernel::parse(kernel_release).unwrap_or(Kernel(u32::MAX, 0)),
        }
    }
}

fn native_arch() -> Arch {
    match std::env::consts::ARCH {
        "x86_64" => Arch::ScmpArchX86_64,
        "x86" => Arch::ScmpArchX86,
        "aarch64" => Arch::ScmpArchAarch64,
        "arm" => Arch::ScmpArchArm,
        "riscv64" => Arch::ScmpArchRiscv64,
        "s390x" => Arch::ScmpArchS390x,
        "powerpc64" => Arch::ScmpArchPpc64le,
        "loongarch64" => Arch::ScmpArchLoongarch64,
        _ => Arch::ScmpArchNative,
    }
}

/// As profiles call it in `arches`.
fn go_name(arch: Arch) -> &'static str {
    match arch {
        Arch::ScmpArchX86_64 => "amd64",
        Arch::ScmpArchX86 => "x86",
        Arch::ScmpArchX32 => "x32",
        Arch::ScmpArchAarch64 => "arm64",
        Arch::ScmpArchArm => "arm",
        Arch::ScmpArchRiscv64 => "riscv64",
        Arch::ScmpArchS390x => "s390x",
        Arch::ScmpArchS390 => "s390",
        Arch::ScmpArchPpc64le => "ppc64le",
        Arch::ScmpArchLoongarch64 => "loong64",
        _ => "",
    }
}

/// The rules of `profile` that hold for a container with the capabilities `caps` (its
/// bounding set) on `host`.
pub fn resolve(profile: &Profile, caps: &[String], host: Host) -> LinuxSeccomp {
    let caps: HashSet<String> = caps.iter().map(|cap| bare(cap)).collect();
    let holding: Vec<&Rule> = profile
        .syscalls
        .iter()
        .filter(|rule| holds(rule, &caps, host))
        .collect();
    let mut seccomp = LinuxSeccomp::default();
    seccomp.set_default_action(profile.default_action);
    seccomp.set_default_errno_ret(profile.default_errno_ret);
    seccomp.set_architectures(Some(architectures(profile, host.arch)));
    if !profile.flags.is_empty() {
        seccomp.set_flags(Some(profile.flags.clone()));
    }
    seccomp.set_syscalls(Some(rules(&holding, profile)));
    seccomp
}

fn architectures(profile: &Profile, native: Arch) -> Vec<Arch> {
    if !profile.architectures.is_empty() {
        return profile.architectures.clone();
    }
    let known = profile.arch_map.iter().find(|map| map.architecture == native);
    let also = known.map(|map| map.sub_architectures.as_slice()).unwrap_or_default();
    std::iter::once(native).chain(also.iter().copied()).collect()
}

fn holds(rule: &Rule, caps: &HashSet<String>, host: Host) -> bool {
    let arch = go_name(host.arch);
    let newer_than = |text: &str| Kernel::parse(text).is_none_or(|least| host.kernel >= least);
    let Condition {
        caps: needed,
        arches,
        min_kernel,
    } = &rule.includes;
    let included = needed.iter().all(|cap| caps.contains(&bare(cap)))
        && (arches.is_empty() || arches.iter().any(|name| name == arch))
        && (min_kernel.is_empty() || newer_than(min_kernel));
    let Condition {
        caps: unwanted,
        arches,
        min_kernel,
    } = &rule.excludes;
    let excluded = unwanted.iter().any(|cap| caps.contains(&bare(cap)))
        || arches.iter().any(|name| name == arch)
        || (!min_kernel.is_empty() && newer_than(min_kernel));
    included && !excluded
}

/// `CAP_SYS_ADMIN` and `sys_admin` are the same.
fn bare(cap: &str) -> String {
    let upper = cap.to_ascii_uppercase();
    upper.strip_prefix("CAP_").unwrap_or(&upper).to_owned()
}

/// A rule that says what the default says is left out, unless another rule says something
/// else of the same call: then it is an exception from that.
fn rules(holding: &[&Rule], profile: &Profile) -> Vec<LinuxSyscall> {
    let is_default = |rule: &Rule| same_effect(rule, profile);
    let mut otherwise: HashMap<&str, bool> = HashMap::new();
    for rule in holding {
        for name in names(rule) {
            *otherwise.entry(name).or_default() |= !is_default(rule);
        }
    }
    let mut out = Vec::new();
    for rule in holding {
        let kept: Vec<String> = names(rule)
            .filter(|name| !is_default(rule) || otherwise.get(name) == Some(&true))
            .map(str::to_owned)
            .collect();
        if kept.is_empty() {
            continue;
        }
        let mut syscall = LinuxSyscall::default();
        syscall.set_names(kept);
        syscall.set_action(rule.action);
        syscall.set_errno_ret(rule.errno_ret);
        syscall.set_args((!rule.args.is_empty()).then(|| rule.args.clone()));
        out.push(syscall);
    }
    out
}

fn names(rule: &Rule) -> impl Iterator<Item = &str> {
    let one = (!rule.name.is_empty()).then_some(rule.name.as_str());
    rule.names.iter().map(String::as_str).chain(one)
}

fn same_effect(rule: &Rule, profile: &Profile) -> bool {
    const EPERM: u32 = 1;
    rule.action == profile.default_action
        && (rule.action != LinuxSeccompAction::ScmpActErrno
            || rule.errno_ret.unwrap_or(EPERM) == profile.default_errno_ret.unwrap_or(EPERM))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOST: Host = Host {
        arch: Arch::ScmpArchX86_64,
        kernel: Kernel(6, 1),
    };

    fn allowed(seccomp: &LinuxSeccomp, name: &str) -> bool {
        seccomp.syscalls().as_ref().unwrap().iter().any(|rule| {
            rule.action() == LinuxSeccompAction::ScmpActAllow && rule.names().iter().any(|known| known == name)
        })
    }

    #[test]
    fn calls_come_with_the_capability_that_lets_use_them() {
        for (cap, names) in [
            (
                "CAP_SYS_ADMIN",
                ["mount", "unshare", "setns", "bpf", "clone3"].as_slice(),
            ),
            ("bpf", &["bpf"]),
            ("PERFMON", &["perf_event_open"]),
            ("SYS_MODULE", &["init_module", "finit_module"]),
            ("SYS_CHROOT", &["chroot"]),
            ("SYS_TIME", &["clock_settime"]),
            ("SYS_NICE", &["mbind"]),
            ("CAP_SYSLOG", &["syslog"]),
        ] {
            let without = resolve(Profile::standard(), &[], HOST);
            let with = resolve(Profile::standard(), &[cap.to_owned()], HOST);
            for name in names {
                assert!(!allowed(&without, name), "{name} without {cap}");
                assert!(allowed(&with, name), "{name} with {cap}");
            }
        }
    }

    #[test]
    fn some_calls_come_with_no_capability() {
        let all = ["CAP_SYS_ADMIN", "SYS_BOOT", "SYS_MODULE"].map(str::to_owned);
        let seccomp = resolve(Profile::standard(), &all, HOST);
        for name in [
            "keyctl",
            "add_key",
            "request_key",
            "io_uring_setup",
            "userfaultfd",
            "kexec_load",
            "pivot_root",
            "swapon",
        ] {
            assert!(!allowed(&seccomp, name), "{name}");
        }
    }

    #[test]
    fn old_kernels_and_other_architectures_have_their_own_rules() {
        let old = Host {
            kernel: Kernel(4, 7),
            ..HOST
        };
        let none = [];
        assert!(!allowed(&resolve(Profile::standard(), &none, old), "ptrace"));
        assert!(allowed(&resolve(Profile::standard(), &none, HOST), "ptrace"));
        let arm = Host {
            arch: Arch::ScmpArchAarch64,
            ..HOST
        };
        let resolved = resolve(Profile::standard(), &none, arm);
        assert!(!allowed(&resolved, "arch_prctl"));
        assert!(allowed(&resolved, "set_tls"));
        let architectures = resolved.architectures().as_ref().unwrap();
        assert_eq!(architectures, &[Arch::ScmpArchAarch64, Arch::ScmpArchArm]);
    }

    #[test]
    fn a_rule_that_says_the_default_stays_only_as_an_exception() {
        let json = r#"{"defaultAction": "SCMP_ACT_ERRNO", "syscalls": [
            {"names": ["mkdir", "rmdir"], "action": "SCMP_ACT_ALLOW"},
            {"names": ["mkdir", "chmod"], "action": "SCMP_ACT_ERRNO"}]}"#;
        let resolved = resolve(&Profile::parse(json).unwrap(), &[], HOST);
        let syscalls = resolved.syscalls().as_ref().unwrap();
        assert_eq!(syscalls.len(), 2);
        assert_eq!(syscalls[1].names(), &["mkdir"]);
    }

    #[test]
    fn a_kernel_release_is_its_first_two_numbers() {
        assert_eq!(Kernel::parse("6.1.0-13-amd64"), Some(Kernel(6, 1)));
        assert!(Kernel(5, 15) < Kernel(6, 1));
        assert_eq!(Kernel::parse("new"), None);
    }
}
