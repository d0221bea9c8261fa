//! Addresses, names and ports.

use crate::host::{Host, sh};
use engine::{EngineError, NewContainer};
use model::network::{NetworkMode, PortMapping};
use std::time::Duration;
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;

#[tokio::test(flavor = "multi_thread")]
async fn a_published_port_leads_into_the_container() {
    let Some(host) = Host::open().await else { return };
    let mut new = sh("while :; do echo hello | nc -l -p 80; done");
    new.network.ports = PortMapping::parse("127.0.0.1:0:80").unwrap();
    let id = host.create(new).await;
    host.engine.start(&id).await.unwrap();
    let container = host.engine.inspect(&id).unwrap();
    let port = container.ports[0].host_port;
    assert_ne!(port, 0);
    let text = tokio::time::timeout(Duration::from_secs(60), async {
        loop {
            if let Ok(mut stream) = TcpStream::connect(("127.0.0.1", port)).await {
                let mut text = String::new();
                if stream.read_to_string(&mut text).await.is_ok() && !text.is_empty() {
                    return text;
                }
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await
    .unwrap();
    assert_eq!(text, "hello\n");
    host.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_port_that_is_taken_fails_the_start_and_leaves_nothing_behind() {
    let Some(host) = Host::open().await else { return };
    let holder = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = holder.local_addr().unwrap().port();
    let mut new = sh("echo ran");
    new.network.ports = PortMapping::parse(&format!("127.0.0.1:{port}:80")).unwrap();
    let id = host.create(new).await;
    let error = host.engine.start(&id).await.unwrap_err();
    assert!(matches!(error, EngineError::StartFailed { code: 128, .. }), "{error}");
    assert!(host.engine.logs(&id).unwrap().tail(1).await.unwrap().is_empty());
    drop(holder);
    host.engine.start(&id).await.unwrap();
    host.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_container_knows_its_name_and_address() {
    let Some(host) = Host::open().await else { return };
    let new = NewContainer {
        hostname: Some("web".to_owned()),
        ..sh("hostname; ip -4 -o addr show eth0 | grep -o '10[0-9.]*/'; grep web /etc/hosts; sleep 1")
    };
    let id = host.create(new).await;
    host.engine.start(&id).await.unwrap();
    let address = host
        .engine
        .inspect(&id)
        .unwrap()
        .endpoint
        .clone()
        .unwrap()
        .address
        .to_string();
    host.line(&id, "web").await;
    host.line(&id, &format!("{address}/")).await;
    host.line(&id, &format!("{address}\tweb")).await;
    host.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_network_there_is_loopback_alone() {
    let Some(host) = Host::open().await else { return };
    let mut new = sh("ls /sys/class/net");
    new.network.mode = NetworkMode::None;
    assert_eq!(host.run(new).await, ["lo"]);
    host.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn in_the_hosts_network_there_are_the_hosts_devices() {
    let Some(host) = Host::open().await else { return };
    let bridge = host.engine.host_info().bridge();
    let mut new = sh(&format!("ls -d /sys/class/net/{bridge}"));
    new.network.mode = NetworkMode::Host;
    assert_eq!(host.run(new).await, [format!("/sys/class/net/{bridge}")]);
    host.close().await;
}
