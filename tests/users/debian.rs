//! A whole Debian with systemd and sshd, as `cargo xtask test-system-containers` makes it.

use crate::{exec, host, wait_for_log};
use harness::wait_until;
use reqwest::Method;
use shared::create::{NewContainer, UserNamespace};
use shared::task::TaskState;
use std::io::Read as _;
use std::net::TcpStream;
use std::time::Duration;

/// Where the root file system lies, as a tar.
const ROOT: &str = "GANTRY_DEBIAN_ROOT";

#[tokio::test]
async fn a_debian_boots_serves_ssh_and_halts_within_its_time() {
    let Some(root) = std::env::var_os(ROOT) else {
        println!("skipped: `cargo xtask test-system-containers` makes the Debian it needs");
        return;
    };
    let Some((host, api)) = host(&[]).await else { return };
    let tar = std::fs::read(root).expect("the root file system is there");
    let task = api
        .upload("/images/import?reference=debian-systemd:latest", tar)
        .await
        .expect("the archive is taken");
    assert_eq!(task.state, TaskState::Done, "{task:?}");
    let docker = host.docker();
    for (name, user_namespace) in [("plain", UserNamespace::Host), ("mapped", UserNamespace::Own)] {
        let new = NewContainer {
            image: "debian-systemd".to_owned(),
            name: Some(name.to_owned()),
            command: Some(vec!["/sbin/init".to_owned()]),
            ports: vec!["127.0.0.1:0:22".to_owned()],
            terminal: true,
            user_namespace,
            start: true,
            ..NewContainer::default()
        };
        api.create(&new).await.expect("it is created");
        let details = api.inspect(name).await;
        assert!(details.spec.system);
        assert_eq!(details.spec.stop_signal, "SIGRTMIN+3");
        // Asked before it listens, systemd is not there at all.
        let up = "until [ -S /run/systemd/private ] && [ -S /run/dbus/system_bus_socket ]; do sleep 0.1; done; \
                  systemctl is-system-running --wait > /state; systemctl --failed >> /state; cat /state > /dev/console";
        let code = exec(&docker, name, "", &format!("{up}; grep -q ^running /state")).await;
        let log = wait_for_log(&api, name, "loaded units listed").await;
        assert_eq!(code, 0, "{name} did not come up whole:\n{log}");
        assert_eq!(
            exec(&docker, name, "", "journalctl -b -u ssh | grep -q listening").await,
            0
        );
        assert_eq!(
            exec(&docker, name, "", "grep -Eq '^[0-9a-f]{32}$' /etc/machine-id").await,
            0
        );
        let port = details.container.ports[0].host_port;
        let banner = wait_until(Duration::from_secs(30), || {
            let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
            stream.set_read_timeout(Some(Duration::from_secs(5))).ok()?;
            let mut bytes = [0; 7];
            stream.read_exact(&mut bytes).ok()?;
            Some(bytes)
        });
        assert_eq!(banner.as_ref().map(|bytes| &bytes[..]), Some(&b"SSH-2.0"[..]), "{name}");
        let stop = format!("/containers/{name}/stop?timeout=90");
        api.act(Method::POST, &stop).await.expect("it stops");
        let state = api.inspect(name).await.container.state;
        // By itself, and not by SIGKILL when the time was over.
        assert_eq!(
            (state.exit_code, state.signal),
            (Some(0), None),
            "{name}: {}",
            api.log(name).await
        );
        api.act(Method::POST, &format!("/containers/{name}/start"))
            .await
            .expect("it boots again");
        let again = "until [ -S /run/systemd/private ] && [ -S /run/dbus/system_bus_socket ]; do sleep 0.1; done; \
                     systemctl is-system-running --wait | grep -q ^running";
        assert_eq!(exec(&docker, name, "", again).await, 0, "{name} did not come up again");
        api.act(Method::DELETE, &format!("/containers/{name}?force=true"))
            .await
            .expect("it is removed");
    }
}
