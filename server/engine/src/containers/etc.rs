//! The files the engine makes for a container: hostname, hosts, resolv.conf.

use crate::error::{Doing, EngineError};
use model::container::{ContainerId, Spec};
use model::network::{Endpoint, NetworkMode};
use std::fmt::Write as _;
use std::fs;
use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;

/// Asked where the host names no server a container could reach.
const FALLBACK_NAMESERVERS: [&str; 2] = ["8.8.8.8", "8.8.4.4"];

/// What [`write`] writes.
pub(crate) const FILES: [&str; 3] = ["hostname", "hosts", "resolv.conf"];

/// Writes the three files into `dir`. In place, not by renaming: a running
/// container has them mounted.
pub(crate) fn write(dir: &Path, id: &ContainerId, spec: &Spec, endpoint: Option<&Endpoint>) -> Result<(), EngineError> {
    let hostname = hostname(id, spec);
    let host_resolv = read_host_resolv_conf(&spec.network.mode);
    let host_hosts = match spec.network.mode {
        NetworkMode::Host => fs::read_to_string("/etc/hosts").ok(),
        NetworkMode::Bridge | NetworkMode::None => None,
    };
    for (name, text) in [
        ("hostname", format!("{hostname}\n")),
        ("hosts", hosts(spec, &hostname, endpoint, host_hosts.as_deref())),
        ("resolv.conf", resolv_conf(spec, &host_resolv)),
    ] {
        let path = dir.join(name);
        fs::write(&path, text).doing(|| format!("write `{}`", path.display()))?;
    }
    Ok(())
}

/// The container's own, else the host's in the host's network, else its short id.
pub(crate) fn hostname(id: &ContainerId, spec: &Spec) -> String {
    match &spec.hostname {
        Some(name) => name.clone(),
        None if spec.network.mode == NetworkMode::Host => sys::host::name().node,
        None => id.short().to_owned(),
    }
}

fn hosts(spec: &Spec, hostname: &str, endpoint: Option<&Endpoint>, of_host: Option<&str>) -> String {
    let mut text = match of_host {
        Some(text) => text.trim_end().to_owned() + "\n",
        None => "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n\
                 fe00::\tip6-localnet\nff00::\tip6-mcastprefix\nff02::1\tip6-allnodes\nff02::2\tip6-allrouters\n"
            .to_owned(),
    };
    for entry in &spec.network.extra_hosts {
        let Some((name, address)) = entry.split_once(':') else {
            continue;
        };
        let address = match (address, endpoint) {
            ("host-gateway", Some(endpoint)) => endpoint.gateway.to_string(),
            ("host-gateway", None) => Ipv4Addr::LOCALHOST.to_string(),
            (address, _) => address.to_owned(),
        };
        let _ = writeln!(text, "{address}\t{name}");
    }
    if let Some(endpoint) = endpoint {
        let _ = write!(text, "{}\t", endpoint.address);
        if let Some(domain) = &spec.domainname {
            let _ = write!(text, "{hostname}.{domain} ");
        }
        let _ = writeln!(text, "{hostname}");
    }
    text
}

/// On hosts with a resolver of their own on loopback, the file that names the real servers.
fn read_host_resolv_conf(mode: &NetworkMode) -> String {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let plain = read("/etc/resolv.conf");
    let only_stub = plain.lines().filter_map(nameserver).all(is_loopback);
    match mode {
        NetworkMode::Bridge if only_stub => {
            let real = read("/run/systemd/resolve/resolv.conf");
            if real.is_empty() { plain } else { real }
        }
        NetworkMode::Bridge | NetworkMode::None | NetworkMode::Host => plain,
    }
}

fn resolv_conf(spec: &Spec, of_host: &str) -> String {
    let network = &spec.network;
    let reachable = |server: &str| network.mode == NetworkMode::Host || !is_loopback(server);
    let servers: Vec<&str> = if network.dns.is_empty() {
        of_host
            .lines()
            .filter_map(nameserver)
            .filter(|server| reachable(server))
            .collect()
    } else {
        network.dns.iter().map(String::as_str).collect()
    };
    let servers = if servers.is_empty() && network.mode == NetworkMode::Bridge {
        FALLBACK_NAMESERVERS.to_vec()
    } else {
        servers
    };
    let of_host_line = |word: &str| {
        of_host
            .lines()
            .filter_map(|line| line.trim().strip_prefix(word))
            .map(str::trim)
            .next_back()
            .unwrap_or_default()
            .to_owned()
    };
    let or_host = |own: &[String], word: &str| match own {
        [] => of_host_line(word),
        // A lone dot asks for no search at all, as on the Docker command line.
        [dot] if dot == "." => String::new(),
        own => own.join(" "),
    };
    let mut text = String::new();
    for server in servers {
        let _ = writeln!(text, "nameserver {server}");
    }
    for (word, value) in [
        ("search", or_host(&network.dns_search, "search")),
        ("options", or_host(&network.dns_options, "options")),
    ] {
        if !value.is_empty() {
            let _ = writeln!(text, "{word} {value}");
        }
    }
    text
}

fn nameserver(line: &str) -> Option<&str> {
    let mut words = line.split_whitespace();
    (words.next() == Some("nameserver")).then(|| words.next())?
}

fn is_loopback(server: &str) -> bool {
    server.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::containers::merge::tests::any_spec;

    #[test]
    fn a_resolver_on_the_hosts_loopback_is_not_given_to_a_container() {
        let spec = any_spec();
        let text = resolv_conf(
            &spec,
            "nameserver 127.0.0.53\nnameserver 10.0.0.2\nsearch example.org\n",
        );
        assert_eq!(text, "nameserver 10.0.0.2\nsearch example.org\n");
        assert_eq!(resolv_conf(&spec, ""), "nameserver 8.8.8.8\nnameserver 8.8.4.4\n");
    }

    #[test]
    fn what_the_container_names_goes_before_the_hosts() {
        let mut spec = any_spec();
        spec.network.dns = vec!["10.1.1.1".to_owned()];
        spec.network.dns_search = vec![".".to_owned()];
        spec.network.dns_options = vec!["ndots:2".to_owned()];
        let text = resolv_conf(&spec, "nameserver 10.0.0.2\nsearch example.org\n");
        assert_eq!(text, "nameserver 10.1.1.1\noptions ndots:2\n");
    }

    #[test]
    fn a_container_finds_itself_and_its_host_in_hosts() {
        let mut spec = any_spec();
        spec.domainname = Some("example.org".to_owned());
        spec.network.extra_hosts = vec!["host:host-gateway".to_owned(), "db:10.9.9.9".to_owned()];
        let endpoint = Endpoint {
            address: Ipv4Addr::new(10, 88, 0, 2),
            prefix: 16,
            gateway: Ipv4Addr::new(10, 88, 0, 1),
            mac: [2, 0, 0, 0, 0, 2],
            host_device: "g1".to_owned(),
        };
        let text = hosts(&spec, "web", Some(&endpoint), None);
        assert!(
            text.ends_with("10.88.0.1\thost\n10.9.9.9\tdb\n10.88.0.2\tweb.example.org web\n"),
            "{text}"
        );
    }
}
