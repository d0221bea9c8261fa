//! Starts that fail: who hears of it, and what is left.

use crate::bundle::Bundle;
use serde_json::json;
use std::fs;

fn group(bundle: &Bundle) -> cgroup::Group {
    let hierarchies = cgroup::Hierarchies::discover().unwrap();
    hierarchies.group(&format!("/gantry-test-bundles/{}", bundle.id))
}

/// runtime-spec, runtime.md, "Lifecycle": a hook that fails ends the container, which is
/// removed, and its poststop hooks run.
#[test]
fn a_failing_hook_at_any_time_removes_the_container_and_runs_what_is_for_its_end() {
    for name in [
        "prestart",
        "createRuntime",
        "createContainer",
        "startContainer",
        "poststart",
    ] {
        for run in [false, true] {
            let Some(bundle) = Bundle::new("exec sleep 600") else {
                return;
            };
            let log = bundle.beside("ended");
            let ended = format!("echo ended >> {}", log.display());
            bundle.edit(|config| {
                // One of the container's own programs where it runs inside.
                let failing = json!([{"path": "/bin/sh", "args": ["sh", "-c", "exit 3"]}]);
                config["hooks"] = json!({name: failing, "poststop": [
                    {"path": "/bin/busybox", "args": ["sh", "-c", ended]},
                ]});
            });
            let failed = if run {
                bundle
                    .command(&["run", "-b"])
                    .arg(bundle.path())
                    .arg(&bundle.id)
                    .output()
                    .unwrap()
            } else {
                let created = bundle.create();
                let is_early = !matches!(name, "startContainer" | "poststart");
                assert_eq!(created.status.success(), !is_early, "{name}");
                if is_early { created } else { bundle.on_it("start", &[]) }
            };
            assert!(!failed.status.success(), "{name}, run {run}: {failed:?}");
            let said = String::from_utf8_lossy(&failed.stderr).into_owned()
                + &fs::read_to_string(bundle.beside("output")).unwrap_or_default();
            assert!(said.contains(name), "{name}, run {run}: {said}");
            assert!(
                !bundle.on_it("state", &[]).status.success(),
                "{name}, run {run}: it is there"
            );
            assert!(!group(&bundle).exists(), "{name}, run {run}");
            assert_eq!(
                fs::read_to_string(&log).unwrap_or_default(),
                "ended\n",
                "{name}, run {run}"
            );
        }
    }
}

#[test]
fn a_start_that_fails_is_told_to_who_starts() {
    let Some(bundle) = Bundle::new("echo ran") else { return };
    bundle.edit(|config| config["process"]["args"] = json!(["/bin/program"]));
    let program = bundle.rootfs().join("bin/program");
    fs::copy("/bin/busybox", &program).unwrap();
    for (text, why) in [(None, "no such file"), (Some("no program"), "Exec format error")] {
        fs::copy("/bin/busybox", &program).unwrap();
        assert!(bundle.create().status.success());
        match text {
            Some(text) => fs::write(&program, text).unwrap(),
            None => fs::remove_file(&program).unwrap(),
        }
        let started = bundle.on_it("start", &[]);
        let said = String::from_utf8_lossy(&started.stderr);
        assert!(!started.status.success() && said.contains(why), "{said}");
        bundle.until("it ends", |bundle| bundle.status() == "stopped");
        assert_eq!(fs::read_to_string(bundle.beside("output")).unwrap(), "");
        assert!(bundle.on_it("delete", &[]).status.success());
    }
    // What can be known at the creation is told there.
    bundle.edit(|config| {
        config["process"]["args"] = json!(["/bin/sh", "-c", "echo ran"]);
        config["process"]["user"] = json!({"uid": 0, "gid": 0, "username": "nobody-has-this"});
    });
    assert!(!bundle.create().status.success());
    let said = fs::read_to_string(bundle.beside("output")).unwrap();
    assert!(said.contains("nobody-has-this"), "{said}");
    assert!(!bundle.on_it("state", &[]).status.success());
}
