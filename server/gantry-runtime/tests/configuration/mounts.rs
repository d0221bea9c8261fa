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

/// Images name files that only exist on a running host, as Ubuntu's `/etc/resolv.conf` does.
#[test]
fn a_bind_onto_a_link_to_nothing_is_made_where_it_points() {
    use std::os::unix::fs::symlink;
    let Some(bundle) = Bundle::new("cat /etc/resolv.conf /run/deep/file /above /second; cat /var/dir/inside") else {
        return;
    };
    let root = bundle.rootfs();
    fs::create_dir_all(root.join("etc")).unwrap();
    fs::create_dir_all(root.join("var")).unwrap();
    symlink("../run/systemd/resolve/stub-resolv.conf", root.join("etc/resolv.conf")).unwrap();
    symlink("/run/deep/file", root.join("etc/absolute")).unwrap();
    symlink("../../../../../../above", root.join("etc/up")).unwrap();
    symlink("second", root.join("first")).unwrap();
    symlink("../made/dir", root.join("var/dir")).unwrap();
    symlink("round", root.join("round")).unwrap();
    let (file, dir) = (bundle.beside("file"), bundle.beside("dir"));
    fs::write(&file, "bound\n").unwrap();
    fs::create_dir(&dir).unwrap();
    fs::write(dir.join("inside"), "directory\n").unwrap();
    let bind = |source: &std::path::Path, place: &str| {
        bundle.mount(json!({"destination": place, "type": "bind", "source": source, "options": ["bind"]}));
    };
    for place in ["/etc/resolv.conf", "/etc/absolute", "/etc/up", "/first"] {
        bind(&file, place);
    }
    bind(&dir, "/var/dir");
    bundle.run().expect("bound\nbound\nbound\nbound\ndirectory");
    for made in [
        "run/systemd/resolve/stub-resolv.conf",
        "run/deep/file",
        "above",
        "second",
        "made/dir",
    ] {
        assert!(root.join(made).exists(), "{made}");
    }
    assert!(!bundle.beside("above").exists(), "it was made outside");
    bind(&file, "/round");
    bundle.run().refused("cannot make the mount point");
}

#[test]
fn a_relative_destination_begins_at_the_root() {
    let Some(bundle) = Bundle::new("test -d /data && test -f /deep/file && echo found; stat -f -c %T /dev") else {
        return;
    };
    let file = bundle.beside("file");
    fs::write(&file, "").unwrap();
    bundle.edit(|config| {
        for mount in config["mounts"].as_array_mut().unwrap() {
            let place = mount["destination"]
                .as_str()
                .unwrap()
                .trim_start_matches('/')
                .to_owned();
            mount["destination"] = place.into();
        }
        config["process"]["cwd"] = "/data".into();
    });
    bundle.mount(json!({"destination": "data", "type": "tmpfs", "source": "tmpfs"}));
    bundle.mount(json!({"destination": "./deep/../deep/file", "type": "bind", "source": file, "options": ["bind"]}));
    bundle.run().expect("found\ntmpfs");
    bundle.mount(json!({"destination": "proc/sys", "type": "tmpfs", "source": "tmpfs"}));
    bundle.run().refused("/proc");
}

#[test]
fn dev_may_be_read_only_once_its_devices_are_there() {
    let script = "touch /dev/x 2>/dev/null || echo kept; echo > /dev/null && test -d /dev/pts && touch /dev/shm/x && echo there; \
                  awk '$5 == \"/dev\" {print substr($6, 1, 2)}' /proc/self/mountinfo";
    let Some(bundle) = Bundle::new(script) else { return };
    let set = |option: &str| {
        bundle.edit(|config| {
            let mounts = config["mounts"].as_array_mut().unwrap();
            let dev = mounts.iter_mut().find(|mount| mount["destination"] == "/dev").unwrap();
            dev["options"] = json!(["nosuid", "mode=755", option]);
            config["linux"]["devices"] = json!([{"path": "/dev/mine", "type": "c", "major": 1, "minor": 3}]);
        });
    };
    for option in ["ro", "rro"] {
        set(option);
        bundle.run().expect("kept\nthere\nro");
    }
    set("rw");
    bundle.run().expect("there\nrw");
}

#[test]
fn a_missing_working_directory_is_made_in_a_read_only_root() {
    let Some(bundle) = Bundle::new("pwd; touch x 2>/dev/null || echo kept") else {
        return;
    };
    bundle.edit(|config| {
        config["root"]["readonly"] = true.into();
        config["process"]["cwd"] = "/srv/new/dir".into();
    });
    bundle.run().expect("/srv/new/dir\nkept");
}

/// `--no-pivot` leaves the host's `/proc` in the namespace, and the kernel lets users of a
/// new user namespace mount one only where such a one is in full view.
#[test]
fn without_a_pivot_no_unmasked_proc_or_sys_can_be_mounted() {
    let script = "unshare -mr echo can unshare
                  unshare -mrpf sh -c 'mount -t proc none /proc && echo mounted proc'
                  unshare -mrn sh -c 'mount -t sysfs none /sys && echo mounted sys'
                  test -e /proc/self/status && echo seen";
    let Some(bundle) = Bundle::new(script) else { return };
    bundle.edit(|config| {
        for set in ["bounding", "permitted", "effective"] {
            let list = config["process"]["capabilities"][set].as_array_mut().unwrap();
            list.push("CAP_SETFCAP".into());
        }
    });
    for no_pivot in [false, true] {
        let mut command = bundle.run_command();
        if no_pivot {
            command.arg("--no-pivot");
        }
        let ran = Ran::from(command.output().unwrap());
        assert_eq!(ran.out, "can unshare\nseen\n", "no pivot {no_pivot}: {}", ran.err);
    }
}

/// On v1 hosts every hierarchy is a mount of its own.
#[test]
fn without_a_cgroup_namespace_the_containers_own_groups_alone_are_seen() {
    let script = "cd /sys/fs/cgroup
        for name in *; do [ -L $name ] && continue
          [ -e $name/release_agent ] && echo AGENT $name
          grep -qx $$ $name/cgroup.procs || grep -qx $$ $name/tasks || echo OTHERS $name
          [ $name = unified ] || mkdir $name/made 2>/dev/null || echo REFUSED $name; done
        echo 0 > pids/tasks 2>/dev/null; ls -d memory pids unified 2>/dev/null; cut -d: -f3 /proc/self/cgroup | sort -u";
    let Some(bundle) = Bundle::new(script) else { return };
    if !std::path::Path::new("/sys/fs/cgroup/pids").exists() {
        println!("skipped: no cgroup v1 here");
        return;
    }
    bundle.edit(|config| {
        let linux = &mut config["linux"];
        linux["namespaces"]
            .as_array_mut()
            .unwrap()
            .retain(|it| !matches!(it["type"].as_str(), Some("cgroup" | "pid")));
        for set in ["bounding", "permitted", "effective"] {
            let list = config["process"]["capabilities"][set].as_array_mut().unwrap();
            list.push("CAP_DAC_OVERRIDE".into());
        }
        let mounts = config["mounts"].as_array_mut().unwrap();
        mounts.retain(|mount| mount["destination"] != "/sys/fs/cgroup");
        mounts.push(json!({"destination": "/sys/fs/cgroup", "type": "cgroup", "source": "cgroup", "options": ["rw"]}));
    });
    let ran = bundle.run();
    let group = format!("/gantry-test-bundles/{}", bundle.id);
    let seen: Vec<&str> = ran.out.lines().collect();
    assert!(
        !ran.out.contains("AGENT") && !ran.out.contains("OTHERS") && !ran.out.contains("REFUSED"),
        "{ran:?}"
    );
    assert!(seen.contains(&"memory") && seen.contains(&"pids"), "{ran:?}");
    // `0` was written to the group it is in.
    assert_eq!(seen.last(), Some(&group.as_str()), "{ran:?}");
    for hierarchy in fs::read_dir("/sys/fs/cgroup").unwrap().flatten() {
        assert!(
            !hierarchy.path().join("made").exists(),
            "made in the host's {hierarchy:?}"
        );
    }
    // Read-only where that is asked for.
    bundle.edit(|config| {
        let mounts = config["mounts"].as_array_mut().unwrap();
        mounts.last_mut().unwrap()["options"] = json!(["ro"]);
        let script = "mkdir /sys/fs/cgroup/pids/made /sys/fs/cgroup/made 2>/dev/null || echo kept";
        config["process"]["args"] = json!(["/bin/sh", "-c", script]);
    });
    bundle.run().expect("kept");
}

/// In a mount namespace of the test's own, where a directory of the host is shared.
#[test]
fn a_shared_bind_reaches_the_host_and_others_do_not() {
    let Some(bundle) = Bundle::new("mount -t tmpfs inside /data/sub; grep ' /data ' /proc/self/mountinfo") else {
        return;
    };
    let data = bundle.beside("data");
    fs::create_dir(&data).unwrap();
    bundle.edit(|config| {
        for set in ["bounding", "permitted", "effective"] {
            let list = config["process"]["capabilities"][set].as_array_mut().unwrap();
            list.push("CAP_SYS_ADMIN".into());
        }
        config["linux"].as_object_mut().unwrap().remove("seccomp");
    });
    for (option, shared, reaches) in [
        ("rshared", true, true),
        ("shared", true, true),
        ("rslave", false, false),
        ("rprivate", false, false),
    ] {
        bundle.edit(|config| {
            let mounts = config["mounts"].as_array_mut().unwrap();
            mounts.retain(|mount| mount["destination"] != "/data");
            mounts.push(json!({"destination": "/data", "type": "bind", "source": data, "options": ["rbind", option]}));
        });
        let run = bundle.run_command();
        let mut script = std::process::Command::new("unshare");
        script.args(["-m", "--propagation", "private", "/bin/sh", "-c"]);
        script.arg(
            "mount -t tmpfs host $0 && mount --make-shared $0 && mkdir $0/sub || exit 9
                    grep \" $0 \" /proc/self/mountinfo | sed 's/.*\\(shared:[0-9]*\\).*/host \\1/'
                    \"$@\" || exit 8; grep -q \" $0/sub \" /proc/self/mountinfo && echo reached; exit 0",
        );
        script.arg(&data).arg(run.get_program()).args(run.get_args());
        let ran = Ran::from(script.output().unwrap());
        assert_eq!(ran.code, Some(0), "{option}: {ran:?}");
        let group = ran.out.lines().find_map(|line| line.strip_prefix("host ")).unwrap();
        let inside = ran.out.lines().find(|line| line.contains(" /data ")).unwrap();
        let in_group = inside.split(' ').any(|field| field == group);
        assert_eq!(in_group && !inside.contains("master:"), shared, "{option}: {ran:?}");
        assert_eq!(ran.out.contains("reached"), reaches, "{option}: {ran:?}");
    }
}
