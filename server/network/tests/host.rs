//! The network as the kernel has it. Each test makes a network namespace that
//! plays the host, so that nothing of the real one is touched.
#![forbid(unsafe_code)]

use model::container::ContainerId;
use model::network::{PortMapping, Subnet};
use network::{Network, Options, PublishError};
use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::process::Command;
use std::time::Duration;

const SOON: Duration = Duration::from_secs(5);

/// Runs a test in a namespace of its own, if this user may make one.
fn on_a_host(test: impl FnOnce() + Send) {
    let made = sys::network_namespace::within_new(|| {
        run("ip", &["link", "set", "lo", "up"]);
        test();
    });
    match made {
        Ok(_) => {}
        Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => println!("skipped: needs root"),
        Err(error) => panic!("cannot make a network namespace: {error}"),
    }
}

fn run(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program)
        .args(arguments)
        .output()
        .expect("the program is installed");
    assert!(
        output.status.success(),
        "{program} {arguments:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn open() -> Network {
    open_another("a1b2c3", "10.88.0.0/16")
}

fn open_another(instance: &str, subnet: &str) -> Network {
    Network::open(Options {
        instance: instance.to_owned(),
        subnet: Subnet::parse(subnet).expect("valid"),
        namespace: None,
    })
    .expect("the network opens")
}

fn id(number: u8) -> ContainerId {
    ContainerId::from_random([number; 32])
}

fn address(last: u8) -> Ipv4Addr {
    Ipv4Addr::new(10, 88, 0, last)
}

fn ports(text: &str) -> Vec<PortMapping> {
    PortMapping::parse(text).expect("valid")
}

fn within<T: Send>(namespace: &OwnedFd, work: impl FnOnce() -> T + Send) -> T {
    sys::network_namespace::within(namespace.as_fd(), work).expect("the namespace can be entered")
}

/// A server in the namespace that tells each client the address it came from.
fn serve(namespace: &OwnedFd, port: u16) {
    let listener = within(namespace, || {
        TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)).expect("free in a new namespace")
    });
    std::thread::spawn(move || {
        while let Ok((mut client, from)) = listener.accept() {
            let _ = client.write_all(from.ip().to_string().as_bytes());
        }
    });
}

fn ask(server: impl Into<SocketAddr>) -> std::io::Result<String> {
    let mut stream = TcpStream::connect_timeout(&server.into(), SOON)?;
    stream.set_read_timeout(Some(SOON))?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}

/// Another machine, at 192.0.2.9, on the host's device `uplink`, at 192.0.2.2.
fn neighbour() -> OwnedFd {
    let (namespace, ()) = sys::network_namespace::within_new(|| {}).expect("root");
    let path = format!("/proc/{}/fd/{}", std::process::id(), namespace.as_raw_fd());
    run("ip", &["link", "add", "uplink", "type", "veth", "peer", "name", "far"]);
    run("ip", &["link", "set", "far", "netns", &path]);
    run("ip", &["address", "add", "192.0.2.2/24", "dev", "uplink"]);
    run("ip", &["link", "set", "uplink", "up"]);
    within(&namespace, || {
        run("ip", &["address", "add", "192.0.2.9/24", "dev", "far"]);
        run("ip", &["link", "set", "far", "up"]);
        run("ip", &["link", "set", "lo", "up"]);
        run("ip", &["route", "add", "default", "via", "192.0.2.2"]);
    });
    namespace
}

#[test]
fn containers_reach_each_other_and_the_outside() {
    on_a_host(|| {
        let outside = neighbour();
        serve(&outside, 80);
        let network = open();
        let one = network.attach(&id(1), address(2)).expect("attached");
        let two = network.attach(&id(2), address(3)).expect("attached");
        serve(&two.namespace, 80);
        assert_eq!(one.endpoint.gateway, address(1));
        let neighbour_sees = within(&one.namespace, || ask((address(3), 80)));
        assert_eq!(neighbour_sees.expect("reachable"), "10.88.0.2");
        let outside_sees = within(&one.namespace, || ask((Ipv4Addr::new(192, 0, 2, 9), 80)));
        assert_eq!(
            outside_sees.expect("reachable"),
            "192.0.2.2",
            "leaves with the host's address"
        );
        let traffic = network
            .traffic(&one.endpoint.host_device)
            .expect("readable")
            .expect("there");
        assert!(traffic.sent_bytes > 0 && traffic.received_bytes > 0, "{traffic:?}");
    });
}

#[test]
fn a_published_port_is_reached_from_everywhere() {
    on_a_host(|| {
        let outside = neighbour();
        let network = open();
        let web = network.attach(&id(1), address(2)).expect("attached");
        let other = network.attach(&id(2), address(3)).expect("attached");
        serve(&web.namespace, 80);
        let published = network
            .publish(&id(1), &web.endpoint, &ports("8080:80"))
            .expect("published");
        assert_eq!(published, ports("8080:80"));
        let host = Ipv4Addr::new(192, 0, 2, 2);
        assert_eq!(
            within(&outside, || ask((host, 8080))).expect("from outside"),
            "192.0.2.9"
        );
        assert_eq!(ask((host, 8080)).expect("from the host"), "192.0.2.2");
        assert_eq!(ask((Ipv4Addr::LOCALHOST, 8080)).expect("over loopback"), "10.88.0.1");
        for namespace in [&web.namespace, &other.namespace] {
            let answer = within(namespace, || ask((host, 8080))).expect("from a container");
            assert_eq!(answer, "10.88.0.1");
        }
        network.unpublish(&id(1)).expect("unpublished");
        assert!(ask((Ipv4Addr::LOCALHOST, 8080)).is_err());
        assert!(within(&outside, || ask((host, 8080))).is_err());
    });
}

#[test]
fn a_port_published_on_loopback_is_not_reached_from_outside() {
    on_a_host(|| {
        let outside = neighbour();
        let network = open();
        let web = network.attach(&id(1), address(2)).expect("attached");
        serve(&web.namespace, 80);
        network
            .publish(&id(1), &web.endpoint, &ports("127.0.0.1:8080:80"))
            .expect("published");
        assert_eq!(ask((Ipv4Addr::LOCALHOST, 8080)).expect("over loopback"), "10.88.0.1");
        let host = Ipv4Addr::new(192, 0, 2, 2);
        assert!(within(&outside, || ask((host, 8080))).is_err());
    });
}

#[test]
fn a_container_is_reached_from_outside_by_its_published_ports_alone() {
    on_a_host(|| {
        let outside = neighbour();
        let network = open();
        let web = network.attach(&id(1), address(2)).expect("attached");
        serve(&web.namespace, 80);
        let direct = within(&outside, || {
            TcpStream::connect_timeout(&(address(2), 80).into(), Duration::from_millis(300))
        });
        assert!(direct.is_err());
        assert!(ask((address(2), 80)).is_ok(), "the host itself may");
    });
}

/// Networks of two servers: neither routed packets nor what a container claims to be on
/// its cable leads from one into the other.
#[test]
fn a_container_reaches_nobody_in_another_network_whoever_it_claims_to_be() {
    on_a_host(|| {
        let ours = open();
        let theirs = open_another("d4e5f6", "10.99.0.0/16");
        let attacker = ours.attach(&id(1), address(2)).expect("attached");
        let there = |last: u8| Ipv4Addr::new(10, 99, 0, last);
        let victim = theirs.attach(&id(2), there(2)).expect("attached");
        let client = theirs.attach(&id(3), there(3)).expect("attached");
        serve(&victim.namespace, 80);
        let attempt = || TcpStream::connect_timeout(&(there(2), 80).into(), Duration::from_millis(300));
        assert!(within(&attacker.namespace, attempt).is_err(), "routed");
        // The host's own way in is no way for a container.
        theirs
            .publish(&id(2), &victim.endpoint, &ports("127.0.0.1:8080:80"))
            .expect("published");
        assert!(
            within(&attacker.namespace, attempt).is_err(),
            "routed to what is published on loopback"
        );
        // Now it has the victim's address and hardware address, tells everybody so, and
        // looks for the client on its own cable.
        let mac: Vec<String> = victim.endpoint.mac.iter().map(|byte| format!("{byte:02x}")).collect();
        let mac = mac.join(":");
        let neighbours = |namespace: &OwnedFd| within(namespace, || run("ip", &["neighbour", "show", "dev", "eth0"]));
        assert!(within(&client.namespace, || ask((there(2), 80))).is_ok());
        let before = neighbours(&client.namespace);
        assert!(before.contains(&mac), "{before}");
        serve(&attacker.namespace, 81);
        within(&attacker.namespace, || {
            run("ip", &["link", "set", "eth0", "address", "02:66:66:66:66:66"]);
            run("ip", &["address", "add", "10.99.0.2/16", "dev", "eth0"]);
            for mode in ["-U", "-A"] {
                // Nobody has to answer.
                let _ = Command::new("busybox")
                    .args(["arping", mode, "-c", "2", "-w", "1", "-I", "eth0", "10.99.0.2"])
                    .output();
            }
            run("ip", &["link", "set", "eth0", "address", &mac]);
            assert!(TcpStream::connect_timeout(&(there(3), 80).into(), Duration::from_millis(300)).is_err());
        });
        let after = neighbours(&client.namespace);
        assert!(after.contains(&mac) && !after.contains("02:66"), "{after}");
        assert!(
            within(&client.namespace, || ask((there(2), 80))).is_ok(),
            "the victim answers"
        );
        assert!(
            within(&client.namespace, || ask((there(2), 81))).is_err(),
            "the attacker answers"
        );
        // Packets that claim to come from there do not get there either.
        within(&attacker.namespace, || {
            run(
                "ip",
                &["route", "add", "10.99.0.3/32", "via", "10.88.0.1", "dev", "eth0"],
            );
            run("ip", &["neighbour", "flush", "dev", "eth0"]);
            assert!(TcpStream::connect_timeout(&(there(3), 80).into(), Duration::from_millis(300)).is_err());
        });
    });
}

#[test]
fn a_container_does_not_reach_what_the_host_serves_on_loopback() {
    on_a_host(|| {
        let network = open();
        let server = TcpListener::bind((Ipv4Addr::LOCALHOST, 9000)).expect("free");
        let one = network.attach(&id(1), address(2)).expect("attached");
        let reached = within(&one.namespace, || {
            run(
                "ip",
                &[
                    "route",
                    "add",
                    "127.0.0.1/32",
                    "via",
                    "10.88.0.1",
                    "dev",
                    "eth0",
                    "table",
                    "7",
                ],
            );
            run("ip", &["rule", "add", "pref", "0", "to", "127.0.0.1", "lookup", "7"]);
            std::fs::write("/proc/sys/net/ipv4/conf/eth0/route_localnet", "1").expect("root");
            TcpStream::connect_timeout(&(Ipv4Addr::LOCALHOST, 9000).into(), Duration::from_millis(300))
        });
        assert!(reached.is_err());
        drop(server);
    });
}

#[test]
fn datagrams_are_led_too() {
    on_a_host(|| {
        let network = open();
        let name_server = network.attach(&id(1), address(2)).expect("attached");
        let server = within(&name_server.namespace, || {
            UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 53)).expect("free")
        });
        network
            .publish(&id(1), &name_server.endpoint, &ports("5353:53/udp"))
            .expect("published");
        let client = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("free");
        client.connect((Ipv4Addr::LOCALHOST, 5353)).expect("an address");
        client.set_read_timeout(Some(SOON)).expect("a time");
        server.set_read_timeout(Some(SOON)).expect("a time");
        client.send(b"who?").expect("sent");
        let mut buffer = [0; 16];
        let (length, from) = server.recv_from(&mut buffer).expect("arrives");
        server.send_to(&buffer[..length], from).expect("sent");
        assert_eq!(client.recv(&mut buffer).expect("the answer returns"), 4);
    });
}

#[test]
fn a_flow_that_began_before_the_port_was_published_is_led_too() {
    on_a_host(|| {
        let outside = neighbour();
        let network = open();
        let syslog = network.attach(&id(1), address(2)).expect("attached");
        let server = within(&syslog.namespace, || {
            UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 514)).expect("free")
        });
        server.set_read_timeout(Some(SOON)).expect("a time");
        let client = within(&outside, || {
            let client = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).expect("free");
            client.connect((Ipv4Addr::new(192, 0, 2, 2), 514)).expect("an address");
            client
        });
        // On the host a listener gets the first datagram: now the kernel knows the flow.
        let before = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 514)).expect("free");
        before.set_read_timeout(Some(SOON)).expect("a time");
        client.send(b"one").expect("sent");
        let mut buffer = [0; 16];
        before.recv(&mut buffer).expect("arrives");
        drop(before);
        network
            .publish(&id(1), &syslog.endpoint, &ports("514:514/udp"))
            .expect("published");
        client.send(b"two").expect("sent");
        let (length, _) = server.recv_from(&mut buffer).expect("led to the container");
        assert_eq!(&buffer[..length], b"two");
    });
}

#[test]
fn a_port_in_use_names_its_owner() {
    on_a_host(|| {
        let network = open();
        let one = network.attach(&id(1), address(2)).expect("attached");
        let two = network.attach(&id(2), address(3)).expect("attached");
        network
            .publish(&id(1), &one.endpoint, &ports("8080:80"))
            .expect("published");
        let refused = network
            .publish(&id(2), &two.endpoint, &ports("8080:80"))
            .expect_err("in use");
        assert!(refused.to_string().contains(id(1).short()), "{refused}");
        let foreign = TcpListener::bind((Ipv4Addr::LOCALHOST, 8081)).expect("free");
        let refused = network
            .publish(&id(2), &two.endpoint, &ports("8081:80"))
            .expect_err("in use");
        assert!(matches!(refused, PublishError::InUseByProgram { .. }), "{refused}");
        assert!(
            refused.to_string().contains(&std::process::id().to_string()),
            "{refused}"
        );
        drop(foreign);
        assert!(TcpListener::bind((Ipv4Addr::UNSPECIFIED, 8080)).is_err(), "held");
        let refused = network
            .publish(&id(2), &two.endpoint, &ports("203.0.113.1:9090:80"))
            .expect_err("not ours");
        assert!(matches!(refused, PublishError::NotOurs(_)), "{refused}");
        let refused = network
            .publish(&id(2), &two.endpoint, &ports("[::1]:9090:80"))
            .expect_err("not yet");
        assert!(matches!(refused, PublishError::Ipv6(IpAddr::V6(_))), "{refused}");
    });
}

#[test]
fn port_zero_becomes_a_free_port() {
    on_a_host(|| {
        let network = open();
        let web = network.attach(&id(1), address(2)).expect("attached");
        serve(&web.namespace, 80);
        let found = network.publish(&id(1), &web.endpoint, &ports("80")).expect("published");
        assert_ne!(found[0].host_port, 0);
        assert!(ask((Ipv4Addr::LOCALHOST, found[0].host_port)).is_ok());
        let again = network.publish(&id(1), &web.endpoint, &ports("80")).expect("published");
        assert_eq!(again, found, "asked again, nothing changes");
    });
}

#[test]
fn a_thousand_ports_are_published_at_once() {
    // As the server does: each port is held by a socket.
    sys::descriptors::raise_limit().expect("up to the hard limit");
    on_a_host(|| {
        let network = open();
        let one = network.attach(&id(1), address(2)).expect("attached");
        let many = ports("20000-20999:1000-1999");
        let found = network.publish(&id(1), &one.endpoint, &many).expect("published");
        assert_eq!(found.len(), 1000);
        serve(&one.namespace, 1777);
        assert!(ask((Ipv4Addr::LOCALHOST, 20777)).is_ok());
    });
}

#[test]
fn a_new_server_finds_what_the_former_left() {
    on_a_host(|| {
        let network = open();
        let web = network.attach(&id(1), address(2)).expect("attached");
        let gone = network.attach(&id(2), address(3)).expect("attached");
        serve(&web.namespace, 80);
        network
            .publish(&id(1), &web.endpoint, &ports("8080:80"))
            .expect("published");
        network
            .publish(&id(2), &gone.endpoint, &ports("8081:80"))
            .expect("published");
        drop(network);
        assert!(ask((Ipv4Addr::LOCALHOST, 8080)).is_ok(), "reachable without a server");

        let network = open();
        assert!(ask((Ipv4Addr::LOCALHOST, 8080)).is_ok(), "reachable all the time");
        let swept = network.sweep(&[id(1)]).expect("swept");
        assert_eq!((swept.devices, swept.ports), (vec![gone.endpoint.host_device], 1));
        let again = network
            .publish(&id(1), &web.endpoint, &ports("8080:80"))
            .expect("published again");
        assert_eq!(again, ports("8080:80"));
        assert!(ask((Ipv4Addr::LOCALHOST, 8080)).is_ok());
        assert_eq!(network.sweep(&[id(1)]).expect("swept"), network::Swept::default());
    });
}

#[test]
fn a_removed_bridge_and_a_flushed_ruleset_are_mended() {
    on_a_host(|| {
        let network = open();
        let web = network.attach(&id(1), address(2)).expect("attached");
        serve(&web.namespace, 80);
        network
            .publish(&id(1), &web.endpoint, &ports("8080:80"))
            .expect("published");
        run("nft", &["flush", "ruleset"]);
        let two = network.attach(&id(2), address(3)).expect("attached");
        network
            .publish(&id(2), &two.endpoint, &ports("8081:80"))
            .expect("published");
        assert!(ask((Ipv4Addr::LOCALHOST, 8080)).is_ok(), "the first is led again too");
        drop(network);
        run("ip", &["link", "delete", "gantry-a1b2c3"]);
        let network = open();
        assert!(ask((Ipv4Addr::LOCALHOST, 8080)).is_ok());
        drop(network);
    });
}

#[test]
fn attaching_again_replaces_the_cable_and_detaching_twice_is_fine() {
    on_a_host(|| {
        let network = open();
        let first = network.attach(&id(1), address(2)).expect("attached");
        let second = network.attach(&id(1), address(2)).expect("attached");
        assert_eq!(first.endpoint, second.endpoint);
        network.detach(&second.endpoint).expect("detached");
        network.detach(&second.endpoint).expect("detached");
        assert_eq!(network.traffic(&second.endpoint.host_device).expect("readable"), None);
        assert!(network.attach(&id(1), address(1)).is_err(), "the gateway's address");
    });
}

#[test]
fn closing_leaves_nothing_and_touches_no_other_table() {
    on_a_host(|| {
        run("nft", &["add", "table", "ip", "foreign"]);
        let before = run("ip", &["-br", "link"]);
        let network = open();
        let one = network.attach(&id(1), address(2)).expect("attached");
        network.publish(&id(1), &one.endpoint, &ports("80")).expect("published");
        network.close().expect("closed");
        assert_eq!(run("ip", &["-br", "link"]), before);
        assert_eq!(run("nft", &["list", "tables"]).trim(), "table ip foreign");
    });
}

#[test]
fn a_subnet_that_the_host_knows_is_passed_over() {
    on_a_host(|| {
        run("ip", &["link", "add", "vpn", "type", "bridge"]);
        run("ip", &["address", "add", "10.88.3.4/24", "dev", "vpn"]);
        run("ip", &["link", "set", "vpn", "up"]);
        run("ip", &["route", "add", "10.89.0.0/17", "dev", "vpn"]);
        let free = network::free_subnet(None).expect("readable").expect("one is free");
        assert_eq!(free.to_string(), "10.90.0.0/16");
    });
}

#[test]
fn an_empty_namespace_has_loopback_alone() {
    on_a_host(|| {
        let namespace = network::empty_namespace().expect("made");
        let devices = within(&namespace, || run("ip", &["-br", "link"]));
        assert!(devices.starts_with("lo"), "{devices}");
        serve(&namespace, 80);
        assert!(within(&namespace, || ask((Ipv4Addr::LOCALHOST, 80))).is_ok());
    });
}
