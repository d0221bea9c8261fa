//! Network devices that are moved into a container. runtime-spec, config-linux.md,
//! "Network Devices". Each test has a network namespace of its own for a host.

use crate::bundle::{Bundle, Ran};
use serde_json::{Value, json};
use std::process::Command;

/// Runs `test` where `lan0` is one end of a cable, up, with addresses of each kind, and
/// `lan1` the other.
fn beside_a_cable(script: &str, test: impl FnOnce(&Bundle) + Send) {
    let Some(bundle) = Bundle::new(script) else { return };
    let host = sys::network_namespace::within_new(|| {
        for line in [
            "link add lan0 mtu 1280 type veth peer name lan1",
            "link set lan0 alias cable",
            "link set lan1 up",
            "addr add 10.9.0.2/24 brd + dev lan0 label lan0:one",
            "addr add 10.9.0.3/24 dev lan0",
            "addr add 10.9.1.2/24 scope link dev lan0",
            "addr add 10.9.2.2/24 dev lan0 valid_lft 600 preferred_lft 600",
            "addr add fd09::2/64 dev lan0 nodad",
            "link set lan0 up",
        ] {
            ip(line);
        }
        test(&bundle);
    });
    host.unwrap();
}

fn ip(line: &str) -> String {
    let output = Command::new("ip").args(line.split(' ')).output().unwrap();
    assert!(output.status.success(), "ip {line}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// What an outsider sees of it: names, state, addresses with scopes and labels.
fn here() -> String {
    let addresses = ip("-o addr show dev lan0");
    let lines = addresses.lines().filter(|line| !line.contains("fe80"));
    let shown: Vec<&str> = lines
        .map(|line| line.split_once(": ").unwrap().1.split('\\').next().unwrap())
        .collect();
    format!(
        "{} {}",
        shown.join("\n"),
        ip("-br link show dev lan0").split('<').nth(1).unwrap()
    )
}

fn give(bundle: &Bundle, devices: Value) {
    bundle.edit(|config| config["linux"]["netDevices"] = devices);
}

#[test]
fn a_device_comes_with_its_addresses_under_another_name_and_is_up() {
    let script = "ip addr show dev wan | grep -o -e ',UP' -e 'inet6* [0-9a-f].*global.*' | tr -s ' '; \
                  cat /sys/class/net/wan/mtu /sys/class/net/wan/ifalias; ls /sys/class/net | tr '\\n' ' '";
    beside_a_cable(script, |bundle| {
        bundle.mount(json!({"destination": "/sys", "type": "sysfs", "source": "sysfs", "options": ["ro"]}));
        give(bundle, json!({"lan0": {"name": "wan"}}));
        bundle.run().expect(
            ",UP\ninet 10.9.0.2/24 brd 10.9.0.255 scope global wan\n\
             inet 10.9.0.3/24 scope global secondary wan\ninet6 fd09::2/64 scope global flags 02 \n1280\ncable\nlo wan",
        );
        // Its network namespace ended, and a cable with it.
        bundle.until("the other end is gone", |_| {
            let shown = Command::new("ip")
                .args(["link", "show", "dev", "lan1"])
                .output()
                .unwrap();
            !shown.status.success()
        });
    });
}

#[test]
fn a_template_is_completed_where_names_are_taken() {
    let script = "ls /sys/class/net | tr '\\n' ' '";
    beside_a_cable(script, |bundle| {
        bundle.mount(json!({"destination": "/sys", "type": "sysfs", "source": "sysfs", "options": ["ro"]}));
        give(bundle, json!({"lan0": {"name": "eth%d"}, "lan1": {"name": "eth%d"}}));
        bundle.run().expect("eth0 eth1 lo");
    });
}

#[test]
fn the_namespace_of_another_can_be_joined_with_a_device() {
    beside_a_cable("ls /sys/class/net | tr '\\n' ' '", |bundle| {
        let (other, ()) = sys::network_namespace::within_new(|| ()).unwrap();
        let path = format!(
            "/proc/{}/fd/{}",
            std::process::id(),
            std::os::fd::AsRawFd::as_raw_fd(&other)
        );
        bundle.mount(json!({"destination": "/sys", "type": "sysfs", "source": "sysfs", "options": ["ro"]}));
        bundle.edit(|config| {
            for namespace in config["linux"]["namespaces"].as_array_mut().unwrap() {
                if namespace["type"] == "network" {
                    namespace["path"] = path.clone().into();
                }
            }
        });
        give(bundle, json!({"lan0": {}}));
        bundle.run().expect("lan0 lo");
        // The namespace lives on, and nobody moves the device back.
        bundle.run().refused("there is no such device");
        give(bundle, json!({"lan1": {"name": "lan0"}}));
        bundle.run().refused("has a device of that name");
        assert!(ip("-br link show dev lan1").starts_with("lan1@"));
    });
}

#[test]
fn a_device_that_cannot_be_had_leaves_everything_as_it_was() {
    beside_a_cable("echo ran", |bundle| {
        let before = here();
        assert!(before.contains("lan0:one") && before.contains("UP"), "{before}");
        let refused = |devices: Value, why: &str| {
            give(bundle, devices);
            bundle.run().refused(why);
            assert_eq!(here(), before, "{why}");
            let state = Ran::from(bundle.on_it("state", &[]));
            assert_ne!(state.code, Some(0), "it is there: {}", state.out);
        };
        refused(json!({"lan0": {}, "lan7": {}}), "there is no such device");
        refused(json!({"lan0": {"name": "lo"}}), "has a device of that name");
        // The second is refused by the kernel, when the first is there already.
        refused(
            json!({"lan0": {"name": "a"}, "lo": {"name": "b"}}),
            "cannot move the network device `lo`",
        );
        refused(json!({"lan0": {"name": "a/b"}}), "no device's name");
        // What fails later takes it back, too.
        bundle.mount(json!({"destination": "/mnt", "type": "no-such", "source": "none"}));
        refused(json!({"lan0": {"name": "wan"}}), "no-such");
    });
}

#[test]
fn a_container_in_the_hosts_network_gets_no_device() {
    beside_a_cable("echo ran", |bundle| {
        let network = |path: Option<&str>| {
            bundle.edit(|config| {
                let all = config["linux"]["namespaces"].as_array_mut().unwrap();
                all.retain(|it| it["type"] != "network");
                all.extend(path.map(|path| json!({"type": "network", "path": path})));
            });
        };
        give(bundle, json!({"lan0": {}}));
        network(None);
        bundle.run().refused("needs a network namespace");
        network(Some("/proc/self/ns/net"));
        bundle.run().refused("needs a network namespace");
        assert!(here().contains("10.9.0.2"));
    });
}
