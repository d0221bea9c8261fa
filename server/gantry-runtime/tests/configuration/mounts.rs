//! Mounts, their options, devices and what is hidden.

use crate::bundle::{Bundle, Ran};
use serde_json::json;
use std::fs;

/// The options of the mount at a place, as the container sees them.
fn options(bundle: &Bundle, place: &str) -> String {
    bundle.edit(|config| {
        let script = format!("awk '$5 == \"{place}\" {{print $6}}' /proc/self/mountinfo | tail -n 1");
        config["process"]["args"] = json!(["/bin/sh", "-c", script]);
    });
    let ran = bundle.run();
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    ran.out.trim().to_owned()
}

#[test]
fn each_option_sets_its_flag() {
    let Some(bundle) = Bundle::new("") else { return };
    let flags = [
        ("ro", "ro"),
        ("nosuid", "nosuid"),
        ("nodev", "nodev"),
        ("noexec", "noexec"),
        ("noatime", "noatime"),
        ("nodiratime", "nodiratime"),
        ("nosymfollow", "nosymfollow"),
    ];
    for (option, flag) in flags {
        for kind in ["tmpfs", "bind"] {
            let source = bundle.beside("data");
            fs::create_dir_all(&source).unwrap();
            let options_given = if kind == "bind" {
                vec!["rbind", option]
            } else {
                vec![option]
            };
            bundle.edit(|config| {
                let list = config["mounts"].as_array_mut().unwrap();
                list.retain(|mount| mount["destination"] != "/place");
                list.push(json!({"destination": "/place", "type": kind, "source": source, "options": options_given}));
            });
            let found = options(&bundle, "/place");
            assert!(found.split(',').any(|found| found == flag), "{kind} {option}: {found}");
        }
    }
}

#[test]
fn recursive_options_reach_what_is_mounted_below() {
    let Some(bundle) = Bundle::new("") else { return };
    // The host's /sys has others mounted in it.
    bundle.mount(json!({
        "destination": "/host-sys", "type": "bind", "source": "/sys", "options": ["rbind", "rro", "rnoexec"],
    }));
    bundle.edit(|config| {
        let script = "awk '$5 ~ /^\\/host-sys/ && ($6 !~ /(^|,)ro(,|$)/ || $6 !~ /noexec/)' /proc/self/mountinfo; \
                      awk '$5 ~ /^\\/host-sys\\//' /proc/self/mountinfo | head -n 1 | wc -l";
        config["process"]["args"] = json!(["/bin/sh", "-c", script]);
    });
    bundle.run().expect("1");
}

#[test]
fn a_tmpfs_can_begin_with_what_it_covers() {
    let Some(bundle) =
        Bundle::new("cat /etc/kept; stat -c %a /etc; touch /etc/new && df -P /etc | tail -n 1 | cut -d' ' -f1")
    else {
        return;
    };
    fs::create_dir(bundle.rootfs().join("etc")).unwrap();
    fs::write(bundle.rootfs().join("etc/kept"), "kept\n").unwrap();
    bundle.mount(json!({"destination": "/etc", "type": "tmpfs", "source": "tmpfs", "options": ["tmpcopyup"]}));
    bundle.run().expect("kept\n755\ntmpfs");
    assert!(!bundle.rootfs().join("etc/new").exists());
}

#[test]
fn a_relative_source_is_seen_from_the_bundle() {
    let Some(bundle) = Bundle::new("cat /here/file") else {
        return;
    };
    fs::create_dir(bundle.path().join("data")).unwrap();
    fs::write(bundle.path().join("data/file"), "found\n").unwrap();
    bundle.mount(json!({"destination": "/here", "type": "bind", "source": "data", "options": ["bind"]}));
    bundle.run().expect("found");
}

#[test]
fn propagation_is_as_asked() {
    let Some(bundle) = Bundle::new("") else { return };
    for (wanted, shown) in [("private", ""), ("rshared", "shared"), ("unbindable", "unbindable")] {
        bundle.edit(|config| {
            config["linux"]["rootfsPropagation"] = wanted.into();
            let script = "awk '$5 == \"/\" {print $7}' /proc/self/mountinfo | tail -n 1 | cut -d: -f1";
            config["process"]["args"] = json!(["/bin/sh", "-c", script]);
        });
        let ran = bundle.run();
        assert_eq!(ran.out.trim().trim_matches('-'), shown, "{wanted}: {}", ran.err);
    }
}

#[test]
fn a_readonly_root_and_writable_places_work_together() {
    let script = "touch /x 2>/dev/null && echo root; touch /dev/shm/x 2>/dev/null || touch /dev/x && echo dev; touch /data/x && echo data";
    let Some(bundle) = Bundle::new(script) else { return };
    bundle.edit(|config| config["root"]["readonly"] = true.into());
    bundle.mount(json!({"destination": "/data", "type": "tmpfs", "source": "tmpfs"}));
    bundle.run().expect("dev\ndata");
}

#[test]
fn devices_are_made_and_others_of_the_same_name_refused() {
    let Some(bundle) = Bundle::new("stat -c '%t:%T %a %u' /dev/mine; test -p /dev/pipe && echo pipe") else {
        return;
    };
    bundle.edit(|config| {
        config["linux"]["devices"] = json!([
            {"path": "/dev/mine", "type": "c", "major": 1, "minor": 3, "fileMode": 0o640, "uid": 5},
            {"path": "/dev/pipe", "type": "p"},
        ]);
    });
    // The specification lets a FIFO be without numbers; the parser used here does not.
    bundle.edit(|config| {
        config["linux"]["devices"][1]["major"] = 0.into();
        config["linux"]["devices"][1]["minor"] = 0.into();
    });
    bundle.run().expect("1:3 640 5\npipe");
    fs::create_dir_all(bundle.rootfs().join("srv")).unwrap();
    fs::write(bundle.rootfs().join("srv/mine"), "a file").unwrap();
    bundle.edit(|config| config["linux"]["devices"][0]["path"] = "/srv/mine".into());
    bundle.run().refused("something else than device 1:3");
}

#[test]
fn what_is_masked_is_empty_and_what_is_protected_cannot_be_written() {
    let script =
        "cat /secret/file 2>/dev/null; ls /secret | wc -l; cat /plain; touch /kept/x 2>/dev/null || echo protected";
    let Some(bundle) = Bundle::new(script) else { return };
    for dir in ["secret", "kept"] {
        fs::create_dir(bundle.rootfs().join(dir)).unwrap();
    }
    fs::write(bundle.rootfs().join("secret/file"), "secret\n").unwrap();
    fs::write(bundle.rootfs().join("plain"), "secret\n").unwrap();
    bundle.edit(|config| {
        config["linux"]["maskedPaths"] = json!(["/secret", "/plain", "/not/there"]);
        config["linux"]["readonlyPaths"] = json!(["/kept", "/not/there"]);
    });
    bundle.run().expect("0\nprotected");
}

#[test]
fn a_tmpfs_is_as_what_it_covers_and_for_everybody_where_that_is_nothing() {
    let Some(bundle) = Bundle::new("stat -c %a /covering /new /asked") else {
        return;
    };
    fs::create_dir(bundle.rootfs().join("covering")).unwrap();
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o750);
    fs::set_permissions(bundle.rootfs().join("covering"), mode).unwrap();
    for (place, options) in [
        ("/covering", json!([])),
        ("/new", json!([])),
        ("/asked", json!(["mode=700"])),
    ] {
        bundle.mount(json!({"destination": place, "type": "tmpfs", "source": "tmpfs", "options": options}));
    }
    bundle.run().expect("750\n1777\n700");
}

#[test]
fn the_hosts_ptmx_among_the_devices_leaves_the_containers_own() {
    let Some(bundle) = Bundle::new("readlink /dev/ptmx") else {
        return;
    };
    bundle.edit(|config| {
        config["linux"]["devices"] = json!([{"path": "/dev/ptmx", "type": "c", "major": 5, "minor": 2}]);
    });
    bundle.run().expect("pts/ptmx");
}

#[test]
fn without_a_pivot_the_root_is_covered() {
    let Some(bundle) = Bundle::new("ls / | grep -c rootfs; test -e /proc/self && cat /mark") else {
        return;
    };
    fs::write(bundle.rootfs().join("mark"), "here\n").unwrap();
    let ran = Ran::from(bundle.run_command().arg("--no-pivot").output().unwrap());
    ran.expect("0\nhere");
}

#[test]
fn every_option_that_is_listed_can_be_asked_for() {
    let Some(bundle) = Bundle::new("echo ran") else { return };
    let features = bundle.command(&["features"]).output().unwrap();
    let features: serde_json::Value = serde_json::from_slice(&features.stdout).unwrap();
    let source = bundle.beside("data");
    fs::create_dir_all(&source).unwrap();
    let options = features["mountOptions"].as_array().unwrap();
    // Mappings need some; a remount needs a mount. Of an unbindable tree none is attached.
    let alone = ["idmap", "ridmap", "remount", "tmpcopyup"];
    for option in options.iter().filter(|option| !alone.iter().any(|name| option == name)) {
        bundle.edit(|config| {
            let list = config["mounts"].as_array_mut().unwrap();
            list.retain(|mount| mount["destination"] != "/place");
            list.push(json!({
                "destination": "/place", "type": "bind", "source": source, "options": ["bind", option],
            }));
        });
        let ran = bundle.run();
        assert_eq!(ran.out, "ran\n", "{option}: {}", ran.err);
    }
}
