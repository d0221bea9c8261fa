//! Namespaces: new, joined, inherited.

use crate::bundle::Bundle;
use serde_json::{Value, json};
use std::fs;

fn set(bundle: &Bundle, kind: &str, path: &str) {
    bundle.edit(|config| {
        let list = config["linux"]["namespaces"].as_array_mut().unwrap();
        list.retain(|namespace| namespace["type"] != kind);
        list.push(json!({"type": kind, "path": path}));
    });
}

#[test]
fn any_namespace_can_be_joined() {
    let Some(host) = Bundle::new("echo up; exec sleep 600") else {
        return;
    };
    host.run_detached();
    host.until("up", |bundle| bundle.output().contains("up"));
    let pid = host.pid();
    for (kind, file) in [
        ("pid", "pid"),
        ("network", "net"),
        ("ipc", "ipc"),
        ("uts", "uts"),
        ("cgroup", "cgroup"),
    ] {
        let Some(guest) = Bundle::new(&format!("readlink /proc/self/ns/{file}")) else {
            return;
        };
        set(&guest, kind, &format!("/proc/{pid}/ns/{file}"));
        guest.edit(|config| {
            if kind == "uts" {
                config.as_object_mut().unwrap().remove("hostname");
            }
        });
        let there = fs::read_link(format!("/proc/{pid}/ns/{file}")).unwrap();
        guest.run().expect(there.to_str().unwrap());
    }
}

#[test]
fn a_shared_pid_namespace_shows_both_and_survives_the_guest() {
    let Some(host) = Bundle::new("echo up; exec sleep 4711") else {
        return;
    };
    host.run_detached();
    host.until("up", |bundle| bundle.output().contains("up"));
    let Some(guest) = Bundle::new("ps -o args | grep -c '[s]leep 4711'") else {
        return;
    };
    set(&guest, "pid", &format!("/proc/{}/ns/pid", host.pid()));
    guest.run().expect("1");
    host.exec("echo still here").expect("still here");
}

#[test]
fn users_of_another_container_can_be_joined() {
    let Some(host) = Bundle::new("echo up; exec sleep 600") else {
        return;
    };
    let map = json!([{"containerID": 0, "hostID": 700_000, "size": 65536}]);
    host.edit(|config| {
        config["linux"]["namespaces"]
            .as_array_mut()
            .unwrap()
            .push(json!({"type": "user"}));
        config["linux"]["uidMappings"] = map.clone();
        config["linux"]["gidMappings"] = map;
    });
    host.give_rootfs_to(700_000);
    host.run_detached();
    host.until("up", |bundle| bundle.output().contains("up"));
    let Some(guest) = Bundle::new("cat /proc/self/uid_map; readlink /proc/self/ns/user") else {
        return;
    };
    guest.give_rootfs_to(700_000);
    let path = format!("/proc/{}/ns/user", host.pid());
    set(&guest, "user", &path);
    let ran = guest.run();
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    assert!(ran.out.contains("700000"), "{}", ran.out);
    assert!(
        ran.out.contains(fs::read_link(path).unwrap().to_str().unwrap()),
        "{}",
        ran.out
    );
}

#[test]
fn the_loopback_device_of_a_new_network_namespace_is_up() {
    let script = "ping -c 1 -W 5 127.0.0.1 > /dev/null && echo answered";
    let Some(bundle) = Bundle::new(script) else { return };
    bundle.edit(|config| {
        let raw = json!(["CAP_NET_RAW"]);
        config["process"]["capabilities"] = json!({"bounding": raw, "permitted": raw, "effective": raw});
    });
    bundle.run().expect("answered");
    let Some(mapped) = Bundle::new("cat /sys/class/net/lo/flags") else {
        return;
    };
    mapped.edit(|config| {
        let list = config["linux"]["namespaces"].as_array_mut().unwrap();
        list.push(json!({"type": "user"}));
        let map = json!([{"containerID": 0, "hostID": 700_000, "size": 65536}]);
        config["linux"]["uidMappings"] = map.clone();
        config["linux"]["gidMappings"] = map;
    });
    mapped.give_rootfs_to(700_000);
    // IFF_UP and IFF_LOOPBACK
    mapped.run().expect("0x9");
}

#[test]
fn a_path_to_another_kind_of_namespace_is_refused() {
    let Some(bundle) = Bundle::new("echo ran") else { return };
    set(&bundle, "ipc", "/proc/self/ns/uts");
    bundle.run().refused("is no ipc namespace");
    set(&bundle, "ipc", "/etc/hostname");
    bundle.run().refused("is no ipc namespace");
    set(&bundle, "ipc", "/nowhere");
    bundle.run().refused("cannot be opened");
}

#[test]
fn clocks_of_a_time_namespace_are_set_off() {
    if !std::path::Path::new("/proc/self/ns/time_for_children").exists() {
        println!("skipped: this kernel has no time namespaces");
        return;
    }
    let Some(bundle) = Bundle::new("cut -d. -f1 /proc/uptime") else {
        return;
    };
    bundle.edit(|config| {
        config["linux"]["namespaces"]
            .as_array_mut()
            .unwrap()
            .push(json!({"type": "time"}));
        config["linux"]["timeOffsets"] = json!({"boottime": {"secs": 1_000_000_000}, "monotonic": {"secs": 5}});
    });
    let ran = bundle.run();
    let shown: u64 = ran.out.trim().parse().unwrap_or_else(|_| panic!("{ran:?}"));
    assert!(shown > 1_000_000_000, "{shown}");
    bundle.edit(|config| {
        config["linux"]["namespaces"].as_array_mut().unwrap().pop();
    });
    bundle.run().refused("need a new time namespace");
}

#[test]
fn kernel_parameters_of_own_namespaces_are_set_and_others_refused() {
    let Some(bundle) =
        Bundle::new("cat /proc/sys/net/ipv4/ip_forward /proc/sys/kernel/shmmni /proc/sys/fs/mqueue/msg_max")
    else {
        return;
    };
    let sysctl = |values: Value| bundle.edit(|config| config["linux"]["sysctl"] = values);
    sysctl(json!({"net.ipv4.ip_forward": "1", "kernel/shmmni": "77", "fs.mqueue.msg_max": "8"}));
    bundle.run().expect("1\n77\n8");
    let before = fs::read_to_string("/proc/sys/vm/swappiness").unwrap();
    sysctl(json!({"vm.swappiness": "1"}));
    bundle.run().refused("belongs to no namespace");
    assert_eq!(fs::read_to_string("/proc/sys/vm/swappiness").unwrap(), before);
    sysctl(json!({"net.ipv4.ip_forward": "1"}));
    bundle.edit(|config| {
        config["linux"]["namespaces"]
            .as_array_mut()
            .unwrap()
            .retain(|it| it["type"] != "network");
    });
    bundle.run().refused("no network namespace of its own");
}

/// What is not listed is inherited, the mount namespace too. runtime-spec,
/// config-linux.md, "Namespaces"
#[test]
fn a_container_may_have_no_namespace_of_its_own() {
    let script = "for name in mnt pid net ipc uts; do readlink /proc/self/ns/$name; done
                  test -e /bin/busybox && test ! -e /usr && echo own root; echo up; exec sleep 600";
    let Some(bundle) = Bundle::new(script) else { return };
    bundle.edit(|config| {
        config["linux"]["namespaces"] = json!([]);
        config.as_object_mut().unwrap().remove("hostname");
        // It would be one more on the host, for all who look for one.
        let mounts = config["mounts"].as_array_mut().unwrap();
        mounts.retain(|mount| mount["type"] != "cgroup");
    });
    let before = fs::read_to_string("/proc/self/mountinfo").unwrap();
    let ours = ["mnt", "pid", "net", "ipc", "uts"].map(|name| {
        let own = fs::read_link(format!("/proc/self/ns/{name}")).unwrap();
        own.to_str().unwrap().to_owned()
    });
    bundle.run_detached();
    bundle.until("up", |bundle| bundle.output().contains("up"));
    assert_eq!(bundle.output().trim(), format!("{}\nown root\nup", ours.join("\n")));
    // An exec has the container's root directory, not the namespace's.
    bundle
        .exec("test -e /bin/busybox && test ! -e /usr && ls -d /proc/self && echo inside")
        .expect("/proc/self\ninside");
    assert!(bundle.on_it("delete", &["--force"]).status.success());
    let rootfs = bundle.rootfs();
    let of_it = |table: &str| {
        let place = rootfs.to_str().unwrap().to_owned();
        table.lines().filter(|line| line.contains(&place)).count()
    };
    let after = fs::read_to_string("/proc/self/mountinfo").unwrap();
    assert_eq!((of_it(&before), of_it(&after)), (0, 0), "{after}");
    // Nor does one that fails leave a mount.
    for hook in ["createRuntime", "createContainer", "startContainer"] {
        bundle.edit(|config| config["hooks"] = json!({hook: [{"path": "/bin/false"}]}));
        assert_ne!(bundle.run().code, Some(0), "{hook}");
        let after = fs::read_to_string("/proc/self/mountinfo").unwrap();
        assert_eq!(of_it(&after), 0, "{hook}: {after}");
    }
}

#[test]
fn a_mount_namespace_can_be_joined() {
    let Some(bundle) =
        Bundle::new("readlink /proc/self/ns/mnt; test ! -e /usr && echo own root; echo up; exec sleep 600")
    else {
        return;
    };
    let mut holder = std::process::Command::new("unshare")
        .args([
            "-m",
            "--propagation",
            "private",
            "/bin/sh",
            "-c",
            "echo held; exec sleep 600",
        ])
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut held = [0; 5];
    std::io::Read::read_exact(holder.stdout.as_mut().unwrap(), &mut held).unwrap();
    let path = format!("/proc/{}/ns/mnt", holder.id());
    set(&bundle, "mount", &path);
    let file = bundle.beside("file");
    fs::write(&file, "").unwrap();
    bundle.mount(json!({"destination": "/bound", "type": "bind", "source": file, "options": ["bind"]}));
    bundle.run_detached();
    bundle.until("up", |bundle| bundle.output().contains("up"));
    let there = fs::read_link(&path).unwrap();
    assert_eq!(bundle.output().trim(), format!("{}\nown root\nup", there.display()));
    bundle
        .exec("test -f /bound && test ! -e /usr && echo inside")
        .expect("inside");
    let table = || fs::read_to_string(format!("/proc/{}/mountinfo", holder.id())).unwrap();
    let rootfs = bundle.rootfs();
    let has = |table: String| table.contains(rootfs.to_str().unwrap());
    assert!(has(table()));
    assert!(!has(fs::read_to_string("/proc/self/mountinfo").unwrap()));
    assert!(bundle.on_it("delete", &["--force"]).status.success());
    assert!(!has(table()), "{}", table());
    holder.kill().unwrap();
    holder.wait().unwrap();
}

#[test]
fn a_new_user_namespace_needs_a_new_mount_namespace() {
    let Some(bundle) = Bundle::new("echo ran") else { return };
    let map = json!([{"containerID": 0, "hostID": 700_000, "size": 65536}]);
    bundle.edit(|config| {
        config["linux"]["namespaces"] = json!([{"type": "user"}]);
        config.as_object_mut().unwrap().remove("hostname");
        config["linux"]["uidMappings"] = map.clone();
        config["linux"]["gidMappings"] = map;
    });
    bundle.run().refused("needs a new mount namespace");
}

#[test]
fn the_nis_domain_name_is_set_by_its_parameter_or_its_field() {
    let Some(bundle) = Bundle::new("cat /proc/sys/kernel/domainname") else {
        return;
    };
    bundle.edit(|config| config["linux"]["sysctl"] = json!({"kernel.domainname": "example"}));
    bundle.run().expect("example");
    bundle.edit(|config| config["domainname"] = "example".into());
    bundle.run().refused("give one of them");
    bundle.edit(|config| {
        config.as_object_mut().unwrap().remove("domainname");
        config.as_object_mut().unwrap().remove("hostname");
        config["linux"]["namespaces"]
            .as_array_mut()
            .unwrap()
            .retain(|it| it["type"] != "uts");
    });
    bundle.run().refused("no uts namespace of its own");
}
