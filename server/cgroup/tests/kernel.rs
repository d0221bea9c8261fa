//! The same claims against the running kernel, whichever interfaces it has.

#![forbid(unsafe_code)]

use cgroup::{Controller, DeviceKind, DeviceRule, Group, Hierarchies, Version};
use model::container::Limits;
use model::container::limits::{Ceiling, Cpu, Special};
use std::io::Write as _;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A group of its own for each test, gone at its end with all that is in it.
struct Fixture {
    hierarchies: Hierarchies,
    parent: Group,
    group: Group,
}

impl Fixture {
    fn new(name: &str) -> Option<Self> {
        if !sys::user::is_root() {
            println!("skipped: needs root");
            return None;
        }
        let hierarchies = Hierarchies::discover().unwrap();
        let parent = format!("/gantry-test-cgroup-{name}-{}", std::process::id());
        let group = hierarchies.group(&format!("{parent}/own"));
        group.create_unused().unwrap();
        let parent = hierarchies.group(&parent);
        Some(Self {
            hierarchies,
            parent,
            group,
        })
    }

    /// Runs a shell command inside the group.
    fn spawn(&self, script: &str) -> Child {
        // Standing in for the child that joins by itself: the shell waits for a line.
        let mut child = Command::new("/bin/sh")
            .args(["-c", &format!("read go; {script}")])
            .stdin(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let layout = self.hierarchies.layout();
        for mount in layout.v1_mounts.iter().chain(layout.v2_mount.iter()) {
            let procs = format!("{}{}/cgroup.procs", mount.display(), self.group.path());
            std::fs::write(procs, child.id().to_string()).unwrap();
        }
        child.stdin.take().unwrap().write_all(b"\n").unwrap();
        child
    }
}

impl Drop for Fixture {
    fn drop(&mut self) {
        self.group.kill_all().unwrap();
        self.parent.remove().unwrap();
    }
}

fn wait_until(what: &str, mut met: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !met() {
        assert!(Instant::now() < deadline, "never: {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

#[test]
fn groups_below_a_parent_of_many_have_processors_from_the_first_moment() {
    let Some(fixture) = Fixture::new("many") else { return };
    fixture.parent.create_for_many().unwrap();
    for mount in fixture.hierarchies.layout().v1_mounts {
        let parent = format!("{}{}", mount.display(), fixture.parent.path());
        let Ok(cpus) = std::fs::read_to_string(format!("{parent}/cpuset.cpus")) else {
            continue;
        };
        std::fs::create_dir(format!("{parent}/bare")).unwrap();
        let of_bare = std::fs::read_to_string(format!("{parent}/bare/cpuset.cpus")).unwrap();
        std::fs::remove_dir(format!("{parent}/bare")).unwrap();
        assert_eq!(of_bare, cpus);
    }
}

#[test]
fn a_group_that_cannot_be_made_everywhere_is_nowhere() {
    let Some(fixture) = Fixture::new("nowhere") else { return };
    let Some(mount) = fixture.hierarchies.layout().v2_mount else {
        println!("skipped: needs a v2 hierarchy, which can refuse a group");
        return;
    };
    let most = format!("{}{}/cgroup.max.descendants", mount.display(), fixture.parent.path());
    std::fs::write(&most, "1").unwrap();
    let another = fixture.hierarchies.group(&format!("{}/another", fixture.parent.path()));
    another.create_unused().unwrap_err();
    assert!(!another.exists());
    assert_eq!(fixture.parent.list_children().unwrap(), ["own"]);
}

#[test]
fn a_group_is_made_twice_and_removed_twice_without_a_word() {
    let Some(fixture) = Fixture::new("twice") else { return };
    fixture.group.create().unwrap();
    assert!(fixture.group.exists());
    let inside = fixture.hierarchies.group(&format!("{}/a/b", fixture.group.path()));
    inside.create().unwrap();
    assert_eq!(fixture.group.list_children().unwrap(), ["a"]);
    fixture.group.remove().unwrap();
    assert!(!fixture.group.exists());
    fixture.group.remove().unwrap();
}

#[test]
fn limits_are_held_as_they_were_asked_and_can_be_taken_back() {
    let Some(fixture) = Fixture::new("limits") else { return };
    let mut limits = Limits {
        cpu: Cpu::from_nano_cpus(500_000_000),
        pids: Some(Ceiling::At(50)),
        ..Limits::default()
    };
    limits.cpu.shares = Some(512);
    limits.cpu.cpus = Some("0".into());
    limits.memory.limit = Some(Ceiling::At(64 << 20));
    limits.memory.memory_and_swap = Some(Ceiling::At(128 << 20));
    limits.memory.reservation_bytes = Some(32 << 20);
    fixture.group.apply(&limits, &Special::default(), None).unwrap();
    let held = fixture.group.read_limits().unwrap();
    assert_eq!(held.memory.limit, limits.memory.limit);
    assert_eq!(held.memory.reservation_bytes, limits.memory.reservation_bytes);
    assert_eq!(held.cpu.nano_cpus(), Some(500_000_000));
    assert_eq!(held.cpu.shares, Some(512));
    assert_eq!(held.cpu.cpus.as_deref(), Some("0"));
    assert_eq!(held.pids, limits.pids);

    // Up beyond the old limit with swap, down again, and away.
    for bytes in [512 << 20, 32 << 20] {
        let mut more = Limits::default();
        more.memory.limit = Some(Ceiling::At(bytes));
        more.memory.memory_and_swap = Some(Ceiling::At(2 * bytes));
        let held = fixture.group.update(&more).unwrap();
        assert_eq!(held.memory.limit, Some(Ceiling::At(bytes)));
        assert_eq!(held.pids, limits.pids);
    }
    let mut none = Limits {
        pids: Some(Ceiling::Unlimited),
        ..Limits::default()
    };
    none.memory.limit = Some(Ceiling::Unlimited);
    none.cpu.quota = Some(Ceiling::Unlimited);
    let held = fixture.group.update(&none).unwrap();
    assert_eq!(held.memory.limit, Some(Ceiling::Unlimited));
    assert_ne!(held.memory.memory_and_swap, Some(Ceiling::At(64 << 20)));
    assert_eq!(held.cpu.quota, Some(Ceiling::Unlimited));
    assert_eq!(held.pids, Some(Ceiling::Unlimited));
}

#[test]
fn a_refused_limit_puts_the_others_back() {
    let Some(fixture) = Fixture::new("refused") else { return };
    let mut first = Limits::default();
    first.memory.limit = Some(Ceiling::At(64 << 20));
    first.pids = Some(Ceiling::At(10));
    fixture.group.apply(&first, &Special::default(), None).unwrap();
    let before = fixture.group.read_limits().unwrap();
    let mut wrong = Limits::default();
    wrong.memory.limit = Some(Ceiling::At(32 << 20));
    wrong.pids = Some(Ceiling::At(u64::MAX));
    fixture.group.update(&wrong).unwrap_err();
    assert_eq!(fixture.group.read_limits().unwrap(), before);
}

#[test]
fn killing_a_group_ends_its_children_and_theirs() {
    let Some(fixture) = Fixture::new("kill") else { return };
    let mut child = fixture.spawn("sleep 60 & sleep 61 & wait");
    wait_until("three processes", || fixture.group.processes().unwrap().len() == 3);
    fixture.group.kill_all().unwrap();
    assert!(!child.wait().unwrap().success());
    wait_until("an empty group", || fixture.group.processes().unwrap().is_empty());
    fixture.group.remove().unwrap();
}

#[test]
fn a_frozen_group_stands_still_and_can_still_be_killed() {
    let Some(fixture) = Fixture::new("freeze") else { return };
    let mut child = fixture.spawn("while :; do :; done");
    wait_until("use of the processor", || {
        fixture.group.usage().unwrap().cpu_total_ns > 0
    });
    fixture.group.freeze().unwrap();
    assert!(fixture.group.is_frozen().unwrap());
    let before = fixture.group.usage().unwrap().cpu_total_ns;
    let again = fixture.hierarchies.group(&fixture.group.path());
    assert!(again.create_unused().is_err(), "a frozen group is in use");
    assert_eq!(fixture.group.usage().unwrap().cpu_total_ns, before);
    fixture.group.thaw().unwrap();
    assert!(!fixture.group.is_frozen().unwrap());
    fixture.group.freeze().unwrap();
    fixture.group.kill_all().unwrap();
    child.wait().unwrap();
}

#[test]
fn a_sample_tells_what_was_used() {
    let Some(fixture) = Fixture::new("usage") else { return };
    let mut limits = Limits::default();
    limits.memory.limit = Some(Ceiling::At(256 << 20));
    limits.pids = Some(Ceiling::At(33));
    fixture.group.apply(&limits, &Special::default(), None).unwrap();
    let mut sampler = fixture.group.sampler().unwrap();
    let child = fixture.spawn("x=$(head -c 8000000 /dev/zero | tr '\\0' x); while :; do :; done");
    wait_until("8 MB in use", || {
        let usage = sampler.sample().unwrap();
        usage.memory_bytes > 8_000_000 && usage.cpu_total_ns > 0
    });
    let usage = sampler.sample().unwrap();
    assert_eq!(usage.memory_limit_bytes, Some(256 << 20));
    assert_eq!(usage.pids_limit, Some(33));
    assert!(usage.pids >= 1);
    assert!(usage.memory_peak_bytes >= usage.memory_raw_bytes);
    assert!(usage.memory_raw_bytes >= usage.memory_bytes);
    fixture.group.kill_all().unwrap();
    drop(child);
}

#[test]
fn a_process_that_takes_too_much_memory_is_counted() {
    let Some(fixture) = Fixture::new("oom") else { return };
    if fixture.hierarchies.layout().version_of(Controller::Memory).is_none() {
        println!("skipped: needs the memory controller");
        return;
    }
    let mut limits = Limits::default();
    limits.memory.limit = Some(Ceiling::At(8 << 20));
    limits.memory.memory_and_swap = Some(Ceiling::At(8 << 20));
    fixture.group.apply(&limits, &Special::default(), None).unwrap();
    let mut child = fixture.spawn("tail /dev/zero");
    assert_eq!(child.wait().unwrap().code(), Some(137));
    assert_eq!(fixture.group.oom_kills().unwrap(), 1);
}

#[test]
fn only_the_listed_devices_can_be_opened() {
    let Some(fixture) = Fixture::new("devices") else { return };
    let everything = DeviceRule {
        allow: false,
        kind: DeviceKind::All,
        major: None,
        minor: None,
        read: true,
        write: true,
        mknod: true,
    };
    let null = DeviceRule {
        allow: true,
        kind: DeviceKind::Char,
        major: Some(1),
        minor: Some(3),
        ..everything
    };
    fixture.group.set_devices(&[everything, null]).unwrap();
    let code = |script: &str| fixture.spawn(script).wait().unwrap().code();
    assert_eq!(code("exec 3</dev/null"), Some(0));
    assert_ne!(code("exec 3</dev/zero"), Some(0));
    let all = DeviceRule {
        allow: true,
        ..everything
    };
    fixture.group.set_devices(&[all]).unwrap();
    assert_eq!(code("exec 3</dev/zero"), Some(0));
}

/// What the test below runs in a group of its own, as the service it stands for.
#[test]
fn a_service_makes_a_group_inside_its_own() {
    let Ok(own) = std::env::var("GANTRY_TEST_SERVICE") else {
        return;
    };
    let hierarchies = Hierarchies::discover().unwrap();
    let group = hierarchies.group(&format!("{own}/containers/one"));
    let mut limits = Limits {
        pids: Some(Ceiling::At(20)),
        ..Limits::default()
    };
    limits.memory.limit = Some(Ceiling::At(64 << 20));
    group.create_unused().unwrap();
    // A second server start finds all as it is.
    group.create().unwrap();
    group.apply(&limits, &Special::default(), None).unwrap();
    assert_eq!(group.read_limits().unwrap().memory.limit, Some(Ceiling::At(64 << 20)));
    let inside = std::fs::read_to_string("/proc/self/cgroup").unwrap();
    assert!(inside.contains(&format!("{own}/leaf")), "{inside}");
}

#[test]
fn a_service_steps_aside_for_the_groups_inside_its_own() {
    let Some(fixture) = Fixture::new("service") else { return };
    let layout = fixture.hierarchies.layout();
    if layout.version_of(Controller::Memory) != Some(Version::V2) {
        println!("skipped: needs the memory controller on v2");
        return;
    }
    let service = format!(
        "exec env GANTRY_TEST_SERVICE={} {} --exact a_service_makes_a_group_inside_its_own",
        fixture.group.path(),
        std::env::current_exe().unwrap().display()
    );
    assert_eq!(fixture.spawn(&service).wait().unwrap().code(), Some(0));
}

/// The v2 program, on the v2 tree that hybrid hosts have as well.
#[test]
fn the_kernel_takes_our_device_program() {
    let Some(fixture) = Fixture::new("bpf") else { return };
    let layout = fixture.hierarchies.layout();
    if layout.v2_mount.is_none() || layout.version_of(Controller::Devices) == Some(Version::V2) {
        println!("skipped: needs a hybrid host; elsewhere the test before this one says it");
        return;
    }
    let dir = format!("{}{}", layout.v2_mount.unwrap().display(), fixture.group.path());
    let group = std::fs::File::open(dir).unwrap();
    // `r0 = 0; exit`: nothing is allowed.
    let program = match sys::cgroup_device::load(&[u64::from_ne_bytes([0xb7, 0, 0, 0, 0, 0, 0, 0]), 0x95]) {
        Ok(program) => program,
        Err(error) => {
            println!("skipped: the kernel loads no programs: {error}");
            return;
        }
    };
    sys::cgroup_device::attach(&group, &program).unwrap();
    assert_eq!(sys::cgroup_device::attached(&group).unwrap().len(), 1);
    assert_ne!(fixture.spawn("exec 3</dev/zero").wait().unwrap().code(), Some(0));
    sys::cgroup_device::detach(&group, &program).unwrap();
    assert_eq!(fixture.spawn("exec 3</dev/zero").wait().unwrap().code(), Some(0));
}

#[test]
fn the_doors_of_a_group_lead_into_every_hierarchy() {
    let Some(fixture) = Fixture::new("entry") else { return };
    let entry = fixture.group.entry().unwrap();
    let layout = fixture.hierarchies.layout();
    assert_eq!(entry.v2.is_some(), layout.v2_mount.is_some());
    assert_eq!(entry.v1_tasks.len(), layout.v1_mounts.len());
}
