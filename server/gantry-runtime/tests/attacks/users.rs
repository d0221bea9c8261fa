//! Who a process becomes.

use crate::hostile::hostile;
use std::fs;

/// CVE-2026-30892: crun read `-u 1` as root with group 1. Words that are no plain
/// numbers, and numbers that an image has made names of root, must not give root.
#[test]
fn odd_users_of_an_exec_never_give_more_rights() {
    let Some(bundle) = hostile("echo up; exec sleep 600") else {
        return;
    };
    fs::create_dir_all(bundle.rootfs().join("etc")).unwrap();
    let passwd = "1000:x:0:0::/:/bin/sh\n+0:x:0:0::/:/bin/sh\nroot:x:0:0::/:/bin/sh\n";
    fs::write(bundle.rootfs().join("etc/passwd"), passwd).unwrap();
    bundle.run_detached();
    bundle.until("up", |bundle| bundle.output().contains("up"));
    let who = |user: &str| {
        let script = "echo $(id -u):$(id -g) $(grep CapEff /proc/self/status)";
        let output = bundle
            .command(&["exec", "--user", user, &bundle.id, "/bin/sh", "-c", script])
            .output()
            .unwrap();
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    };
    for (user, expected) in [
        ("1", "1:0"),
        ("1000", "1000:0"),
        ("1000:1000", "1000:1000"),
        ("7:0", "7:0"),
    ] {
        assert_eq!(who(user), format!("{expected} CapEff: 0000000000000000"), "{user}");
    }
    for user in [
        "+0",
        "-0",
        "-1",
        " 0",
        "0 ",
        "0x0",
        "1000:",
        ":0",
        ":",
        "",
        "4294967295",
        "4294967296",
        "18446744073709551616",
        "1000:+0",
        "1000:4294967295",
        "0:-1",
        "root",
        "1000\n",
        "1e0",
    ] {
        assert_eq!(who(user), "", "`{user}` became somebody");
    }
}

/// A set-uid program of root on a volume makes a user root, unless no_new_privs holds.
#[test]
fn a_setuid_program_of_a_volume_gives_nothing_under_no_new_privs() {
    use std::os::unix::fs::PermissionsExt as _;
    let Some(bundle) = hostile("/data/setuid who") else {
        return;
    };
    let data = bundle.beside("data");
    fs::create_dir(&data).unwrap();
    fs::copy(crate::hostile::attacker(), data.join("setuid")).unwrap();
    fs::set_permissions(data.join("setuid"), fs::Permissions::from_mode(0o4755)).unwrap();
    bundle.mount(crate::hostile::bind(&data, "/data"));
    bundle.edit(|config| {
        config["process"]["user"] = serde_json::json!({"uid": 1000, "gid": 1000});
        config["process"]["noNewPrivileges"] = true.into();
    });
    bundle.run().expect("1000 1000");
    // The attack is one: without the switch it works.
    bundle.edit(|config| config["process"]["noNewPrivileges"] = false.into());
    bundle.run().expect("1000 0");
}
