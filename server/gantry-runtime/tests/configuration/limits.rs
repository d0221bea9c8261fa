//! Limits that the groups above the container's must have room for.

use crate::bundle::{Bundle, Ran};
use serde_json::json;
use std::path::Path;

#[test]
fn real_time_in_a_short_period_fits_into_longer_ones_above() {
    if !Path::new("/sys/fs/cgroup/cpu/cpu.rt_runtime_us").exists() {
        println!("skipped: this kernel has no real-time group scheduling on v1");
        return;
    }
    let Some(bundle) = Bundle::new("echo ran") else { return };
    for (runtime, period) in [(5_000, 100_000), (1_000, 10_000), (9_000, 1_000_000)] {
        bundle.edit(|config| {
            config["linux"]["resources"]["cpu"] = json!({"realtimeRuntime": runtime, "realtimePeriod": period});
        });
        bundle.run().expect("ran");
    }
}

/// Paths of the process that `cat /proc/self/cgroup` shows, by controllers.
fn path_of<'a>(shown: &'a str, controller: &str) -> &'a str {
    let line = shown.lines().find(|line| {
        let controllers = line.split(':').nth(1).unwrap_or_default();
        controllers.split(',').any(|name| name == controller)
    });
    line.and_then(|line| line.splitn(3, ':').nth(2)).unwrap_or_default()
}

#[test]
fn an_exec_can_join_groups_that_the_container_made() {
    if !Path::new("/sys/fs/cgroup/memory/tasks").exists() {
        println!("skipped: this host has no v1 hierarchies");
        return;
    }
    let Some(bundle) = Bundle::new("exec sleep 600") else {
        return;
    };
    // A cgroup namespace would show paths from the container's own group on.
    bundle.edit(|config| {
        let namespaces = config["linux"]["namespaces"].as_array_mut().unwrap();
        namespaces.retain(|namespace| namespace["type"] != "cgroup");
    });
    bundle.run_detached();
    let exec = |groups: &[&str]| {
        let mut command = bundle.command(&["exec"]);
        for group in groups {
            command.args(["--cgroup", group]);
        }
        Ran::from(command.args([&bundle.id, "cat", "/proc/self/cgroup"]).output().unwrap())
    };
    let own = path_of(&exec(&[]).out, "memory").to_owned();
    assert!(own.ends_with(&bundle.id), "{own}");
    for hierarchy in ["memory", "pids"] {
        std::fs::create_dir(format!("/sys/fs/cgroup/{hierarchy}{own}/part")).unwrap();
    }
    let named = exec(&["memory:part"]).out;
    assert_eq!(path_of(&named, "memory"), format!("{own}/part"));
    assert_eq!(path_of(&named, "pids"), own);
    let everywhere = exec(&["part"]).out;
    for hierarchy in ["memory", "pids"] {
        assert_eq!(path_of(&everywhere, hierarchy), format!("{own}/part"));
    }
    assert_eq!(path_of(&everywhere, "cpu"), own);
    assert_eq!(path_of(&exec(&["/"]).out, "memory"), own);
    exec(&["cpu:part"]).refused("part/cgroup.procs: no such file");
    exec(&["nowhere"]).refused("nowhere/cgroup.procs: no such file");
    exec(&["flying:part"]).refused("unknown controller `flying`");
    exec(&[".."]).refused(".. is not a sub cgroup path");
}
