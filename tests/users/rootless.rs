//! A server that an ordinary user runs. The user is made for the test: it is there only in
//! the server's own mount namespace.

use crate::{exec, load, started, status_field, wait_for_log};
use harness::{Api, Host, Image, Options, wait_until};
use reqwest::{Method, StatusCode};
use shared::create::{Mount, MountKind, NetworkMode, NewContainer};
use shared::limits::Limits;
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::Path;
use std::time::Duration;

const UID: u32 = 64_321;
/// The first of the 65,536 that it may have besides.
const FIRST: u32 = 1_900_000_000;
const LIMIT: Duration = Duration::from_secs(20);

/// Puts the user's files in place for the server alone, and becomes the user. Its device
/// of tunnels is everybody's, as on every host but this one perhaps.
const BECOME: &str = r#"
set -e
for file in passwd subuid subgid; do mount --bind "$0/$file" "/etc/$file"; done
[ ! -e /dev/net/tun ] || mount --bind "$0/tun" /dev/net/tun
exec setpriv --reuid 64321 --regid 64321 --clear-groups \
    env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME="$0/home" XDG_RUNTIME_DIR="$0/xdg" "$@"
"#;

/// `None` where there are no programs for it.
async fn host() -> Option<(tempfile::TempDir, Host, Api)> {
    if !harness::can_run_containers() {
        return None;
    }
    for program in ["newuidmap", "setpriv", "unshare", "pasta"] {
        let there = ["/usr/bin", "/bin"]
            .iter()
            .any(|dir| Path::new(dir).join(program).exists());
        if !there {
            println!("skipped: `{program}` is not here; it is of the package uidmap, util-linux or passt");
            return None;
        }
    }
    let dir = tempfile::tempdir().expect("a temporary directory");
    open(dir.path());
    let path = |name: &str| dir.path().join(name);
    let passwd = fs::read_to_string("/etc/passwd").expect("there are users");
    let write = |name: &str, text: String| fs::write(path(name), text).expect("a writable directory");
    write("passwd", format!("{passwd}rootless-test:x:{UID}:{UID}::/:/bin/sh\n"));
    for file in ["subuid", "subgid"] {
        write(file, format!("rootless-test:{FIRST}:65536\n"));
    }
    let made = std::process::Command::new("mknod")
        .args([path("tun").to_str().expect("UTF-8"), "c", "10", "200"])
        .status();
    assert!(made.is_ok_and(|status| status.success()), "a device can be made");
    fs::set_permissions(path("tun"), fs::Permissions::from_mode(0o666)).expect("it is ours");
    for name in ["home", "xdg", "data"] {
        fs::create_dir(path(name)).expect("a writable directory");
        chown(path(name), Some(UID), Some(UID)).expect("it is ours");
    }
    let words = ["unshare", "--mount", "--propagation", "private", "sh", "-c", BECOME];
    let options = Options {
        data_dir: Some(path("data/gantry")),
        through: words
            .iter()
            .map(|word| (*word).to_owned())
            .chain([dir.path().display().to_string()])
            .collect(),
        ..Options::default()
    };
    let host = Host::start_with(env!("CARGO_BIN_EXE_gantry"), options);
    let api = host.api();
    load(
        &api,
        "busybox:latest",
        &Image::busybox().with_files(&[("bin/.wh.vi", b"")]),
    )
    .await;
    Some((dir, host, api))
}

fn open(dir: &Path) {
    fs::set_permissions(dir, fs::Permissions::from_mode(0o755)).expect("it is ours");
}

fn record(host: &Host) -> serde_json::Value {
    let text = fs::read(host.dir().join("run/rootless.json")).expect("there is a keeper");
    serde_json::from_slice(&text).expect("JSON")
}

fn answers(port: u16) -> bool {
    let page = wait_until(LIMIT, || {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
        stream.write_all(b"GET / HTTP/1.0\r\n\r\n").ok()?;
        let mut text = String::new();
        stream.read_to_string(&mut text).ok()?;
        text.contains("hello").then_some(())
    });
    page.is_some()
}

#[tokio::test]
async fn an_ordinary_user_runs_containers_and_leaves_nothing() {
    let Some((_dir, mut host, api)) = host().await else {
        return;
    };
    let system: shared::system::System = api.get("/system").await.expect("answered");
    assert!(system.rootless);
    assert_eq!(status_field(host.pid().cast_signed(), "Uid"), UID.to_string());

    let line = "cat /proc/self/uid_map; mkdir /www; echo hello > /www/index.html; ls /bin/vi; \
                su nobody -s /bin/sh -c 'touch /tmp/his'; stat -c %u /tmp/his /etc/passwd; \
                echo x > /dev/null; exec httpd -f -p 80 -h /www";
    let new = NewContainer {
        ports: vec!["127.0.0.1:0:80".to_owned()],
        mounts: vec![Mount {
            kind: MountKind::Volume,
            source: "data".to_owned(),
            target: "/data".to_owned(),
            ..Mount::default()
        }],
        limits: Limits {
            memory_bytes: Some(Some(64 << 20)),
            ..Limits::default()
        },
        ..started("web", line)
    };
    let created = api.create(&new).await.expect("it is created");
    if system.cgroups == "none" {
        assert!(created.warnings[0].contains("no limits"), "{:?}", created.warnings);
    }
    let log = wait_for_log(&api, "web", "65534\n0\n").await;
    assert!(log.contains(&FIRST.to_string()), "{log}");
    assert!(log.contains("/bin/vi: No such file"), "a whiteout hides: {log}");
    let details = api.inspect("web").await.container;
    assert_eq!(
        status_field(details.state.pid.expect("it runs"), "Uid"),
        UID.to_string()
    );
    let port = details.ports[0].host_port;
    assert!(answers(port), "{}", host.log());

    let docker = host.docker();
    assert_eq!(
        exec(&docker, "web", "", "test $(id -u) = 0 && touch /data/file").await,
        0
    );
    assert_eq!(exec(&docker, "web", "nobody", "test $(id -u) = 65534").await, 0);
    // Processes and an end can be told without control groups.
    let (status, top) = docker.ask(Method::GET, "/containers/web/top", None).await;
    assert_eq!(status, StatusCode::OK, "{top}");
    assert!(top["Processes"].to_string().contains("httpd"), "{top}");

    // Another server finds everything again, in the same namespaces.
    let before = record(&host);
    host.kill();
    host.start_again();
    assert_eq!(record(&host), before);
    let api = host.api();
    assert_eq!(api.inspect("web").await.container.state.pid, details.state.pid);
    assert!(answers(port), "the port is served again: {}", host.log());
    let alone = NewContainer {
        network: NetworkMode::Host,
        ..started("alone", "exit 3")
    };
    api.create(&alone).await.expect("it is created");
    assert_eq!(api.wait("alone").await.exit_code, 3);
    api.act(Method::POST, "/containers/web/restart?timeout=0")
        .await
        .expect("it restarts");
    api.act(Method::DELETE, "/containers/web?force=true&volumes=true")
        .await
        .expect("it is removed");
    api.act(Method::DELETE, "/containers/alone")
        .await
        .expect("it is removed");
    host.stop();
    // No container is left, so the namespaces go as well.
    for who in ["keeper", "uplink"] {
        let pid = before[who]["pid"].as_i64().expect("there was one");
        let gone = wait_until(LIMIT, || {
            let running = fs::read_to_string(format!("/proc/{pid}/stat"));
            running.map_or(true, |stat| stat.contains(") Z ")).then_some(())
        });
        assert!(gone.is_some(), "the {who} is left");
    }
}
