//! User namespaces and mapped mounts.

use crate::bundle::Bundle;
use serde_json::{Value, json};
use std::fs;
use std::os::unix::fs::MetadataExt as _;

const FIRST: u32 = 700_000;

fn map(first: u32) -> Value {
    json!([{"containerID": 0, "hostID": first, "size": 65536}])
}

/// One whose root is `FIRST` outside.
fn bundle(script: &str) -> Option<Bundle> {
    let bundle = Bundle::new(script)?;
    bundle.edit(|config| {
        config["linux"]["namespaces"]
            .as_array_mut()
            .unwrap()
            .push(json!({"type": "user"}));
        config["linux"]["uidMappings"] = map(FIRST);
        config["linux"]["gidMappings"] = map(FIRST);
    });
    bundle.give_rootfs_to(FIRST);
    Some(bundle)
}

#[test]
fn root_inside_is_nobody_outside() {
    let Some(bundle) = bundle("id -u; cat /proc/self/uid_map; touch /made; echo done") else {
        return;
    };
    let ran = bundle.run();
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    let words: Vec<&str> = ran.out.split_whitespace().collect();
    assert_eq!(words, ["0", "0", "700000", "65536", "done"]);
    assert_eq!(fs::metadata(bundle.rootfs().join("made")).unwrap().uid(), FIRST);
}

#[test]
fn what_every_container_has_is_there_for_them_too() {
    let script = "echo x > /dev/null && head -c 4 /dev/urandom > /dev/shm/x; mount | grep -c ' /proc ' && \
                  ls /sys/kernel > /dev/null && test -c /dev/zero && test -w /dev/full && hostname && echo err > /dev/stderr";
    let Some(bundle) = bundle(script) else { return };
    let ran = bundle.run();
    assert_eq!(
        (ran.code, ran.out.as_str(), ran.err.as_str()),
        (Some(0), "1\ngantry\n", "err\n")
    );
}

#[test]
fn an_exec_is_one_of_the_containers_users() {
    let Some(bundle) = bundle("echo up; exec sleep 600") else {
        return;
    };
    bundle.run_detached();
    bundle.until("up", |bundle| bundle.output().contains("up"));
    bundle
        .exec("id -u; readlink /proc/self/ns/user > /tmp.ns; cmp -s /tmp.ns /tmp.ns && echo same")
        .expect("0\nsame");
    let pid = bundle.pid();
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    assert!(status.contains("Uid:\t700000\t700000"), "{status}");
}

#[test]
fn a_mapped_bind_shows_the_hosts_owners_as_ours() {
    let Some(bundle) = bundle("stat -c %u /data/file && echo new > /data/new && stat -c %u /data/new") else {
        return;
    };
    let data = bundle.beside("data");
    fs::create_dir(&data).unwrap();
    fs::write(data.join("file"), "x").unwrap();
    bundle.mount(json!({
        "destination": "/data", "type": "bind", "source": data, "options": ["rbind", "idmap"],
    }));
    bundle.run().expect("0\n0");
    // Root of the container writes as the owner that root of the host is.
    assert_eq!(fs::metadata(data.join("new")).unwrap().uid(), 0);
}

#[test]
fn a_bind_without_mapping_keeps_the_hosts_owners() {
    let Some(bundle) = bundle("stat -c %u /data/file; echo new > /data/new || echo refused") else {
        return;
    };
    let data = bundle.beside("data");
    fs::create_dir(&data).unwrap();
    fs::write(data.join("file"), "x").unwrap();
    bundle.mount(json!({"destination": "/data", "type": "bind", "source": data, "options": ["rbind"]}));
    let ran = bundle.run();
    assert_eq!(ran.out, "65534\nrefused\n", "{}", ran.err);
}

#[test]
fn a_mount_may_have_mappings_of_its_own() {
    let Some(bundle) = Bundle::new("stat -c %u:%g /data/file") else {
        return;
    };
    let data = bundle.beside("data");
    fs::create_dir(&data).unwrap();
    fs::write(data.join("file"), "x").unwrap();
    let mapping = json!([{"containerID": 0, "hostID": 42, "size": 1}]);
    bundle.mount(json!({
        "destination": "/data", "type": "bind", "source": data, "options": ["bind"],
        "uidMappings": mapping, "gidMappings": mapping,
    }));
    bundle.run().expect("42:42");
}

#[test]
fn mappings_reach_mounts_below_by_ridmap_alone() {
    let Some(bundle) = Bundle::new("stat -c %u /data/file /data/below/file") else {
        return;
    };
    let data = bundle.beside("data");
    let below = data.join("below");
    fs::create_dir_all(&below).unwrap();
    fs::write(data.join("file"), "x").unwrap();
    let mount = |arguments: &[&str]| {
        let mut command = std::process::Command::new("mount");
        assert!(command.args(arguments).arg(&below).status().unwrap().success());
    };
    // Of a file system that can be mapped where the temporary files lie.
    let source = bundle.beside("source");
    fs::create_dir(&source).unwrap();
    fs::write(source.join("file"), "x").unwrap();
    mount(&["--bind", source.to_str().unwrap()]);
    let mapping = json!([{"containerID": 0, "hostID": 42, "size": 1}]);
    let ran = [
        (json!(["rbind"]), "42\n0"),
        (json!(["rbind", "idmap"]), "42\n0"),
        (json!(["rbind", "ridmap"]), "42\n42"),
    ]
    .map(|(options, expected)| {
        bundle.edit(|config| {
            let mounts = config["mounts"].as_array_mut().unwrap();
            mounts.retain(|mount| mount["destination"] != "/data");
            mounts.push(json!({
                "destination": "/data", "type": "bind", "source": data, "options": options,
                "uidMappings": mapping, "gidMappings": mapping,
            }));
        });
        (bundle.run(), expected)
    });
    let unmounted = std::process::Command::new("umount").arg(&below).status();
    assert!(unmounted.unwrap().success());
    for (ran, expected) in ran {
        ran.expect(expected);
    }
}

#[test]
fn mistakes_are_told_before_anything_is_made() {
    let Some(bundle) = bundle("echo ran") else { return };
    bundle.edit(|config| config["linux"]["gidMappings"] = json!([]));
    bundle.run().refused("both or none");
    bundle.edit(|config| config["linux"]["uidMappings"] = json!([]));
    bundle.run().refused("needs uidMappings");
    bundle.edit(|config| {
        config["linux"]["uidMappings"] = map(FIRST);
        config["linux"]["gidMappings"] = map(FIRST);
        config["linux"]["namespaces"].as_array_mut().unwrap().pop();
    });
    bundle.run().refused("need a new user namespace");
    let Some(bundle) = Bundle::new("echo ran") else { return };
    bundle.mount(json!({"destination": "/data", "type": "bind", "source": "/tmp", "options": ["bind", "idmap"]}));
    bundle.run().refused("neither it nor the container has mappings");
}

#[test]
fn as_many_ranges_as_the_kernel_takes_are_mapped() {
    let Some(bundle) = Bundle::new("wc -l < /proc/self/uid_map; wc -l < /proc/self/gid_map") else {
        return;
    };
    // The kernel takes less than a page of text too: long numbers would not fit.
    let first = 5000;
    let ranges = |count: u32| -> Value {
        (0..count)
            .map(|place| json!({"containerID": place * 2, "hostID": first + place * 2, "size": 1}))
            .collect()
    };
    let ask = |count| {
        bundle.edit(|config| {
            let namespaces = config["linux"]["namespaces"].as_array_mut().unwrap();
            namespaces.retain(|namespace| namespace["type"] != "user");
            namespaces.push(json!({"type": "user"}));
            config["linux"]["uidMappings"] = ranges(count);
            config["linux"]["gidMappings"] = ranges(count);
        });
    };
    bundle.give_rootfs_to(first);
    ask(340);
    bundle.run().expect("340\n340");
    ask(341);
    bundle.run().refused("the kernel takes 340");
}
