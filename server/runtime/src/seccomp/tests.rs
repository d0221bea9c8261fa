use super::Filter;
use super::compile::{SeccompError, compile};
use super::interpreter::{Call, run};
use super::table::{self, X32_BIT};
use bundle::seccomp::{Host, Kernel, Profile, resolve};
use oci_spec::runtime::{Arch, LinuxSeccomp};
use std::time::{Duration, Instant};
use sys::seccomp::action;

const EPERM: u32 = action::ERRNO | 1;
const ENOSYS: u32 = action::ERRNO + 38;

const HOST: Host = Host {
    arch: Arch::ScmpArchX86_64,
    kernel: Kernel(6, 1),
};

/// CLONE_NEWNS, CLONE_NEWCGROUP, CLONE_NEWUTS, CLONE_NEWIPC, CLONE_NEWUSER, CLONE_NEWPID, CLONE_NEWNET
const NEW_NAMESPACES: [u64; 7] = [
    0x0002_0000,
    0x0200_0000,
    0x0400_0000,
    0x0800_0000,
    0x1000_0000,
    0x2000_0000,
    0x4000_0000,
];

const DOORS: [Arch; 3] = [Arch::ScmpArchX86_64, Arch::ScmpArchX86, Arch::ScmpArchX32];

fn standard(caps: &[&str]) -> Filter {
    let caps: Vec<String> = caps.iter().map(|cap| (*cap).to_owned()).collect();
    compile(&resolve(Profile::standard(), &caps, HOST)).unwrap()
}

fn of(json: &str) -> Filter {
    compile(&serde_json::from_str(json).unwrap()).unwrap()
}

fn ask(filter: &Filter, door: Arch, name: &str, args: &[u64]) -> u32 {
    let numbers = table::numbers(door).unwrap();
    let (_, number) = *numbers.list.iter().find(|(known, _)| *known == name).unwrap();
    let mut all = [0; 6];
    all[..args.len()].copy_from_slice(args);
    let call = Call {
        audit: numbers.audit,
        number,
        args: all,
    };
    run(&filter.program, &call).0
}

fn has(door: Arch, name: &str) -> bool {
    table::numbers(door)
        .unwrap()
        .list
        .iter()
        .any(|(known, _)| *known == name)
}

#[test]
fn ordinary_calls_pass_by_every_door() {
    let filter = standard(&[]);
    for door in DOORS {
        for name in [
            "read",
            "write",
            "openat",
            "execve",
            "fork",
            "exit_group",
            "ioctl",
            "futex",
            "seccomp",
        ] {
            assert_eq!(ask(&filter, door, name, &[]), action::ALLOW, "{name} by {door}");
        }
    }
}

#[test]
fn no_door_leads_to_new_namespaces() {
    let filter = standard(&[]);
    for door in DOORS {
        // Threads and forks as C libraries make them.
        assert_eq!(ask(&filter, door, "clone", &[0x003d_0f00]), action::ALLOW);
        assert_eq!(ask(&filter, door, "clone", &[17]), action::ALLOW);
        for flag in NEW_NAMESPACES {
            assert_eq!(ask(&filter, door, "clone", &[flag + 17]), EPERM, "{flag:#x} by {door}");
        }
        assert_eq!(ask(&filter, door, "clone3", &[0, 88]), ENOSYS);
        assert_eq!(ask(&filter, door, "unshare", &[0x1000_0000]), EPERM);
        assert_eq!(ask(&filter, door, "setns", &[3, 0]), EPERM);
    }
}

#[test]
fn with_the_right_to_administer_namespaces_are_open() {
    let filter = standard(&["SYS_ADMIN"]);
    for door in DOORS {
        for name in ["clone", "clone3", "unshare", "setns", "mount", "bpf", "perf_event_open"] {
            assert_eq!(
                ask(&filter, door, name, &[0x7e02_0000]),
                action::ALLOW,
                "{name} by {door}"
            );
        }
    }
}

#[test]
fn what_reaches_deep_into_the_kernel_is_denied_by_every_door() {
    let filter = standard(&[]);
    let names = [
        "keyctl",
        "add_key",
        "request_key",
        "bpf",
        "perf_event_open",
        "io_uring_setup",
        "io_uring_enter",
        "io_uring_register",
        "mount",
        "move_mount",
        "open_tree",
        "fsopen",
        "umount2",
        "pivot_root",
        "userfaultfd",
        "kexec_load",
        "kexec_file_load",
        "init_module",
        "swapon",
        "reboot",
        "open_by_handle_at",
        "move_pages",
        "nfsservctl",
        "vm86",
        "settimeofday",
    ];
    for door in DOORS {
        for name in names.into_iter().filter(|name| has(door, name)) {
            assert_eq!(ask(&filter, door, name, &[]), EPERM, "{name} by {door}");
        }
    }
}

#[test]
fn what_no_capability_opens_stays_shut() {
    let filter = standard(&["SYS_ADMIN", "SYS_MODULE", "SYS_BOOT", "BPF", "PERFMON", "SYS_PTRACE"]);
    for door in DOORS {
        for name in [
            "keyctl",
            "add_key",
            "io_uring_setup",
            "userfaultfd",
            "kexec_load",
            "pivot_root",
        ] {
            assert_eq!(ask(&filter, door, name, &[]), EPERM, "{name} by {door}");
        }
    }
}

#[test]
fn sockets_of_two_families_cannot_be_made() {
    let filter = standard(&["SYS_ADMIN"]);
    for door in DOORS {
        for family in [1, 2, 10, 16, 17, 37, 39, 41] {
            assert_eq!(ask(&filter, door, "socket", &[family]), action::ALLOW, "{family}");
        }
        for family in [38, 40] {
            assert_eq!(ask(&filter, door, "socket", &[family]), EPERM, "{family} by {door}");
            // The kernel takes a number of 32 bits and does not look at the others.
            assert_eq!(ask(&filter, door, "socket", &[family | (7 << 32)]), EPERM);
        }
    }
    let x86 = Arch::ScmpArchX86;
    assert_eq!(ask(&filter, x86, "socketcall", &[1]), ENOSYS);
    assert_eq!(ask(&filter, x86, "socketcall", &[3]), action::ALLOW);
}

#[test]
fn a_process_changes_its_personality_within_limits() {
    let filter = standard(&[]);
    for allowed in [0, 8, 0x20000, 0x20008, 0xffff_ffff] {
        assert_eq!(
            ask(&filter, Arch::ScmpArchX86_64, "personality", &[allowed]),
            action::ALLOW
        );
    }
    // ADDR_NO_RANDOMIZE
    assert_eq!(ask(&filter, Arch::ScmpArchX86_64, "personality", &[0x40000]), EPERM);
}

#[test]
fn an_unknown_architecture_is_killed() {
    let call = |audit, number| Call {
        audit,
        number,
        args: [0; 6],
    };
    let filter = standard(&[]);
    assert_eq!(run(&filter.program, &call(0x8000_0016, 4)).0, action::KILL_PROCESS);
    let native_alone = of(r#"{"defaultAction": "SCMP_ACT_ALLOW", "architectures": ["SCMP_ARCH_X86_64"]}"#);
    let x86_64 = 0xc000_003e;
    assert_eq!(run(&native_alone.program, &call(x86_64, 0)).0, action::ALLOW);
    assert_eq!(run(&native_alone.program, &call(x86_64, 9999)).0, action::ALLOW);
    assert_eq!(
        run(&native_alone.program, &call(x86_64, X32_BIT)).0,
        action::KILL_PROCESS
    );
    assert_eq!(
        run(&native_alone.program, &call(0x4000_0003, 0)).0,
        action::KILL_PROCESS
    );
}

#[test]
fn calls_that_nobody_knows_get_the_default() {
    let filter = standard(&[]);
    for (audit, number, answer) in [
        (0xc000_003e, 335 + 64, EPERM),
        // Newer than the profile.
        (0xc000_003e, X32_BIT + 5000, ENOSYS),
        (0x4000_0003, 9999, ENOSYS),
    ] {
        let call = Call {
            audit,
            number,
            args: [0; 6],
        };
        assert_eq!(run(&filter.program, &call).0, answer, "{number:#x}");
    }
}

#[test]
fn common_calls_take_few_steps_and_compiling_is_quick() {
    let resolved = resolve(Profile::standard(), &[], HOST);
    let quickest = (0..20)
        .map(|_| {
            let began = Instant::now();
            compile(&resolved).unwrap();
            began.elapsed()
        })
        .min()
        .unwrap();
    // Wide: without optimisation on a machine that is emulated it takes 50 ms.
    assert!(quickest < Duration::from_millis(500), "{quickest:?}");
    let filter = standard(&[]);
    assert!(filter.program.len() < 600, "{}", filter.program.len());
    let steps = (0..450)
        .map(|number| {
            let call = Call {
                audit: 0xc000_003e,
                number,
                args: [0; 6],
            };
            run(&filter.program, &call).1
        })
        .max()
        .unwrap();
    println!(
        "{} instructions, at most {steps} steps, {quickest:?}",
        filter.program.len()
    );
    assert!(steps <= 24, "{steps}");
}

#[test]
fn every_comparison_is_of_all_64_bits() {
    let value: u64 = 0x1_0000_0005;
    let others = [0, 4, 5, 6, value - 1, value, value + 1, 0x2_0000_0000, u64::MAX];
    type Meaning = fn(u64, u64) -> bool;
    let operators: [(&str, Meaning); 6] = [
        ("SCMP_CMP_EQ", |a, b| a == b),
        ("SCMP_CMP_NE", |a, b| a != b),
        ("SCMP_CMP_LT", |a, b| a < b),
        ("SCMP_CMP_LE", |a, b| a <= b),
        ("SCMP_CMP_GT", |a, b| a > b),
        ("SCMP_CMP_GE", |a, b| a >= b),
    ];
    for (operator, meaning) in operators {
        let filter = of(&format!(
            r#"{{"defaultAction": "SCMP_ACT_ERRNO", "syscalls": [{{"names": ["read"], "action": "SCMP_ACT_ALLOW",
                "args": [{{"index": 2, "value": {value}, "op": "{operator}"}}]}}]}}"#
        ));
        for other in others {
            let expected = if meaning(other, value) { action::ALLOW } else { EPERM };
            let got = ask(&filter, Arch::ScmpArchX86_64, "read", &[0, 0, other]);
            assert_eq!(got, expected, "{other:#x} {operator} {value:#x}");
        }
    }
}

#[test]
fn all_arguments_of_a_rule_must_fit_but_any_value_of_one() {
    let arg = |index, value| format!(r#"{{"index": {index}, "value": {value}, "op": "SCMP_CMP_EQ"}}"#);
    let with = |first: String, second: String| {
        of(&format!(
            r#"{{"defaultAction": "SCMP_ACT_ERRNO", "syscalls": [{{"names": ["read"], "action": "SCMP_ACT_ALLOW", "args": [{first}, {second}]}}]}}"#
        ))
    };
    let both = with(arg(0, 1), arg(1, 2));
    let either = with(arg(0, 1), arg(0, 2));
    let read = |filter: &Filter, args: &[u64]| ask(filter, Arch::ScmpArchX86_64, "read", args) == action::ALLOW;
    assert!(read(&both, &[1, 2]) && !read(&both, &[1, 3]) && !read(&both, &[0, 2]));
    assert!(read(&either, &[1]) && read(&either, &[2]) && !read(&either, &[3]));
}

#[test]
fn a_denial_holds_against_a_broader_permission() {
    let filter = of(r#"{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [
            {"names": ["mkdir", "rmdir"], "action": "SCMP_ACT_ALLOW"},
            {"names": ["mkdir", "no_such_call"], "action": "SCMP_ACT_ERRNO", "errnoRet": 30},
            {"names": ["kill"], "action": "SCMP_ACT_KILL_PROCESS"}, {"names": ["kill"], "action": "SCMP_ACT_LOG"}]}"#);
    let door = Arch::ScmpArchX86_64;
    assert_eq!(ask(&filter, door, "mkdir", &[]), action::ERRNO + 30);
    assert_eq!(ask(&filter, door, "rmdir", &[]), action::ALLOW);
    assert_eq!(ask(&filter, door, "kill", &[]), action::KILL_PROCESS);
}

#[test]
fn calls_newer_than_the_profile_do_not_exist_for_it() {
    let with_default = |default: &str| {
        of(&format!(
            r#"{{"defaultAction": "{default}", "architectures": ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"],
                "syscalls": [{{"names": ["read", "openat2"], "action": "SCMP_ACT_ALLOW"}}]}}"#
        ))
    };
    // openat2 is 437 by every door; the C library falls back from ENOSYS only.
    for door in DOORS {
        for denies in ["SCMP_ACT_ERRNO", "SCMP_ACT_KILL_PROCESS", "SCMP_ACT_TRAP"] {
            let filter = with_default(denies);
            assert_eq!(ask(&filter, door, "openat2", &[]), action::ALLOW);
            assert_eq!(ask(&filter, door, "faccessat2", &[]), ENOSYS, "{denies} by {door}");
            assert_ne!(ask(&filter, door, "mkdirat", &[]), ENOSYS, "{denies} by {door}");
        }
        for allows in ["SCMP_ACT_ALLOW", "SCMP_ACT_LOG"] {
            assert_ne!(
                ask(&with_default(allows), door, "faccessat2", &[]),
                ENOSYS,
                "{allows} by {door}"
            );
        }
    }
    // Without a listed call there is nothing to be newer than.
    let bare = of(r#"{"defaultAction": "SCMP_ACT_ERRNO"}"#);
    assert_eq!(ask(&bare, Arch::ScmpArchX86_64, "faccessat2", &[]), EPERM);
    // A way that is not listed stays closed.
    let native =
        of(r#"{"defaultAction": "SCMP_ACT_ERRNO", "syscalls": [{"names": ["read"], "action": "SCMP_ACT_ALLOW"}]}"#);
    assert_eq!(ask(&native, Arch::ScmpArchX86_64, "write", &[]), ENOSYS);
    assert_eq!(ask(&native, Arch::ScmpArchX32, "write", &[]), action::KILL_PROCESS);
}

#[test]
fn a_listener_is_asked_for_where_calls_are_announced() {
    let filter = of(
        r#"{"defaultAction": "SCMP_ACT_ALLOW", "flags": ["SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV", "SECCOMP_FILTER_FLAG_LOG"],
            "syscalls": [{"names": ["mkdir"], "action": "SCMP_ACT_NOTIFY"}]}"#,
    );
    assert!(filter.flags.new_listener && filter.flags.wait_killable_recv && filter.flags.log);
    assert_eq!(ask(&filter, Arch::ScmpArchX86_64, "mkdir", &[]), action::USER_NOTIF);
    let all: LinuxSeccomp = serde_json::from_str(r#"{"defaultAction": "SCMP_ACT_NOTIFY"}"#).unwrap();
    assert_eq!(compile(&all), Err(SeccompError::NotifyAll));
}

/// On a thread, which alone bears the filter and ends with it.
#[test]
fn the_kernel_takes_the_filter_and_obeys_it() {
    if !sys::user::is_root() {
        println!("skipped: needs root");
        return;
    }
    let mut filter = of(r#"{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [
        {"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO", "errnoRet": 30}]}"#);
    filter.flags.log = false;
    let dir = tempfile::tempdir().unwrap();
    let inside = dir.path().join("inside");
    let outcome = std::thread::spawn(move || {
        sys::seccomp::load(&filter.program, filter.flags).unwrap();
        std::fs::create_dir(inside).unwrap_err().raw_os_error()
    })
    .join()
    .unwrap();
    assert_eq!(outcome, Some(30));
}

/// Real programs, each with the C library of this host.
#[test]
fn ordinary_programs_run_under_our_own_filter() {
    if !sys::user::is_root() {
        println!("skipped: needs root");
        return;
    }
    let standard = standard(&[]);
    let code = move |script: &'static str| {
        let standard = standard.clone();
        let run = move || {
            standard.load(None).unwrap();
            let mut shell = std::process::Command::new("/bin/sh");
            shell.args(["-c", script]).stderr(std::process::Stdio::null());
            shell.status().unwrap().code()
        };
        std::thread::spawn(run).join().unwrap()
    };
    assert_eq!(code("ls -l / | sort | grep -q bin && (sleep 0 & wait)"), Some(0));
    assert_ne!(code("unshare --user true"), Some(0));
    assert_ne!(code("chroot / true"), Some(0));
}
