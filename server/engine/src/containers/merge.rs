//! A request and its image become a complete spec, or every mistake at once.

use crate::containers::new::NewContainer;
use crate::error::Mistake;
use model::container::health::Probe;
use model::container::limits::HostSize;
use model::container::spec::{ImageChoice, LogMode, NamespaceMode, Network, Process};
use model::container::{ContainerName, Spec};
use model::image::ImageConfig;
use model::mount::{Mount, Source};
use model::network::NetworkMode;
use model::{Signal, mount};
use std::collections::{HashMap, HashSet};
use std::net::IpAddr;

/// What the image brings to the spec.
#[derive(Debug, Clone)]
pub(crate) struct FromImage {
    pub(crate) choice: ImageChoice,
    pub(crate) config: ImageConfig,
}

/// Puts request and image together. `anonymous` makes the name of a volume that has none.
pub(crate) fn merge(
    new: NewContainer,
    name: ContainerName,
    image: FromImage,
    mut anonymous: impl FnMut() -> String,
) -> Spec {
    let FromImage { choice, config } = image;
    // An entrypoint of one's own drops the image's command, which was meant for its own entrypoint.
    let command = new.command.unwrap_or_else(|| match &new.entrypoint {
        Some(_) => Vec::new(),
        None => config.command.clone(),
    });
    let targets: HashSet<String> = new.mounts.iter().map(|mount| clean(&mount.target)).collect();
    let wanted = config.volumes.iter().chain(&new.anonymous_volumes);
    let mut seen = HashSet::new();
    let without_name: Vec<String> = wanted
        .map(|target| clean(target))
        .filter(|target| target != "/" && !targets.contains(target) && seen.insert(target.clone()))
        .collect();
    let mut mounts = new.mounts;
    for mount in &mut mounts {
        if let Source::Volume { name, .. } = &mut mount.source
            && name.is_empty()
        {
            *name = anonymous();
        }
    }
    mounts.extend(without_name.into_iter().map(|target| Mount {
        source: Source::Volume {
            name: anonymous(),
            no_copy: false,
        },
        target,
        read_only: false,
    }));
    // However they were asked for, a mount comes before those below it.
    mounts.sort_by(|one, other| one.target.cmp(&other.target));
    let mut exposed = config.exposed_ports;
    let mut known: HashSet<String> = exposed.iter().cloned().collect();
    let mut own_exposed = new.network.exposed;
    own_exposed.sort();
    for port in own_exposed {
        if known.insert(port.clone()) {
            exposed.push(port);
        }
    }
    let health = match (new.health, config.health) {
        (Some(own), _) if matches!(own.test, Probe::None) => None,
        (Some(own), _) => Some(own),
        (None, image) => image.filter(|check| !matches!(check.test, Probe::None)),
    };
    let entrypoint = new.entrypoint.unwrap_or(config.entrypoint);
    let arguments: Vec<String> = entrypoint.iter().chain(&command).cloned().collect();
    let system = new.system.decide(&arguments);
    Spec {
        name,
        image: choice,
        process: Process {
            entrypoint,
            command,
            env: merge_env(&config.env, &new.env),
            working_dir: non_empty(new.working_dir)
                .or_else(|| non_empty(Some(config.working_dir)))
                .unwrap_or_else(|| "/".to_owned()),
            user: non_empty(new.user).unwrap_or(config.user),
            groups: new.groups,
            terminal: new.terminal,
            stdin_open: new.stdin_open,
            stdin_once: new.stdin_once,
            console_size: new.console_size.filter(|_| new.terminal),
        },
        hostname: non_empty(new.hostname),
        domainname: non_empty(new.domainname),
        labels: merge_labels(config.labels, new.labels),
        network: Network { exposed, ..new.network },
        mounts,
        limits: new.limits,
        security: new.security,
        restart: new.restart,
        auto_remove: new.auto_remove,
        stop_signal: new
            .stop_signal
            .or_else(|| config.stop_signal.and_then(|text| Signal::parse(&text).ok())),
        stop_timeout: new.stop_timeout,
        init: new.init && !system,
        system,
        read_only_root: new.read_only_root,
        shm_bytes: new.shm_bytes,
        rlimits: new.rlimits,
        sysctls: new.sysctls,
        devices: new.devices,
        oom_score_adj: new.oom_score_adj,
        health,
        log: new.log,
        annotations: new.annotations,
    }
}

/// Everything that is wrong with a complete spec, whatever the state of the host.
pub(crate) fn mistakes(spec: &Spec, host: HostSize) -> Vec<Mistake> {
    let mut found = Vec::new();
    let mut wrong = |field: &'static str, message: String| found.push(Mistake { field, message });
    if spec.process.arguments().first().is_none_or(String::is_empty) {
        wrong("command", "neither request nor image names a command to run".to_owned());
    }
    for mistake in super::text::mistakes(spec) {
        wrong(mistake.field, mistake.message);
    }
    if !spec.process.working_dir.starts_with('/') {
        wrong(
            "working_dir",
            format!("`{}` is not an absolute path", spec.process.working_dir),
        );
    }
    for entry in &spec.process.env {
        if entry.starts_with('=') || !entry.contains('=') || entry.contains('\0') {
            wrong("env", format!("`{entry}` is not of the form `NAME=value`"));
        }
    }
    for limit in spec.limits.mistakes(host) {
        wrong("limits", limit.to_string());
    }
    let mut targets = HashSet::new();
    for mount in &spec.mounts {
        if let Err(error) = mount.check() {
            wrong("mounts", error.to_string());
        }
        if !targets.insert(clean(&mount.target)) {
            wrong(
                "mounts",
                mount::InvalidMount::TargetTwice(mount.target.clone()).to_string(),
            );
        }
    }
    if spec.network.mode != NetworkMode::Bridge && !spec.network.ports.is_empty() {
        wrong(
            "ports",
            "ports can be published on the default network only; leave them out or use that network".to_owned(),
        );
    }
    let mut host_ports = HashSet::new();
    for port in &spec.network.ports {
        let place = (port.host_address, port.host_port, port.protocol);
        if port.host_port != 0 && !host_ports.insert(place) {
            wrong("ports", format!("host port {} is given twice", port.host_port));
        }
        if port.container_port == 0 {
            wrong(
                "ports",
                "container port 0 is none; ports are from 1 to 65535".to_owned(),
            );
        }
    }
    for server in &spec.network.dns {
        if server.parse::<IpAddr>().is_err() {
            wrong("dns", format!("`{server}` is not an IP address"));
        }
    }
    for entry in &spec.network.extra_hosts {
        let valid = entry.split_once(':').is_some_and(|(name, address)| {
            !name.is_empty() && (address == "host-gateway" || address.parse::<IpAddr>().is_ok())
        });
        if !valid {
            wrong("extra_hosts", format!("`{entry}` is not of the form `name:address`"));
        }
    }
    if let Some(hostname) = &spec.hostname {
        let part = |p: &str| !p.is_empty() && p.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'));
        if hostname.len() > 63 || !hostname.split('.').all(part) {
            wrong(
                "hostname",
                format!("`{hostname}` is not a host name of at most 63 letters, digits, `-` and `.`"),
            );
        }
        if spec.security.uts == NamespaceMode::Host {
            wrong(
                "hostname",
                "a container in the host's UTS namespace has the host's name".to_owned(),
            );
        }
    }
    for rlimit in &spec.rlimits {
        if rlimit.soft > rlimit.hard {
            wrong(
                "rlimits",
                format!("the soft limit of `{}` is above its hard limit", rlimit.name),
            );
        }
    }
    for device in &spec.devices {
        if !device.host_path.starts_with('/') || !device.container_path.starts_with('/') {
            wrong("devices", format!("`{}` is not an absolute path", device.host_path));
        }
    }
    if spec
        .oom_score_adj
        .is_some_and(|adjust| !(-1000..=1000).contains(&adjust))
    {
        wrong("oom_score_adj", "it is between -1000 and 1000".to_owned());
    }
    for (key, _) in &spec.annotations {
        // Those of the bundle's own say what the runtime is to do.
        if key.is_empty() || key.starts_with("gantry.") {
            wrong("annotations", format!("`{key}` cannot be an annotation's key"));
        }
    }
    if spec.log.segment_bytes < 4096 || spec.log.segments == 0 {
        wrong("log", "a log has at least one segment of at least 4 KiB".to_owned());
    }
    if spec.log.compress && spec.log.segments < 2 {
        wrong(
            "log",
            "only segments that are not written to any more are compressed; keep at least two of them".to_owned(),
        );
    }
    if let LogMode::NonBlocking { buffer_bytes } = spec.log.mode
        && buffer_bytes == 0
    {
        wrong("log", "the buffer of a non-blocking log cannot be empty".to_owned());
    }
    if spec.auto_remove && spec.restart != model::container::RestartPolicy::No {
        wrong(
            "auto_remove",
            "a container that is removed when it ends cannot be restarted; choose one of the two".to_owned(),
        );
    }
    found
}

/// The image's, then the request's; of one name the last. `NAME` alone takes it away.
pub(super) fn merge_env(image: &[String], own: &[String]) -> Vec<String> {
    let mut merged: Vec<Option<&String>> = Vec::with_capacity(image.len() + own.len());
    let mut places: HashMap<&str, usize> = HashMap::new();
    for entry in image.iter().chain(own) {
        match entry.split_once('=') {
            Some((name, _)) => {
                let place = *places.entry(name).or_insert(merged.len());
                if place == merged.len() {
                    merged.push(None);
                }
                merged[place] = Some(entry);
            }
            None => {
                if let Some(place) = places.remove(entry.as_str()) {
                    merged[place] = None;
                }
            }
        }
    }
    merged.into_iter().flatten().cloned().collect()
}

fn merge_labels(image: Vec<(String, String)>, own: Vec<(String, String)>) -> Vec<(String, String)> {
    let mut merged: Vec<(String, String)> = Vec::with_capacity(image.len() + own.len());
    let mut places: HashMap<String, usize> = HashMap::new();
    for (name, value) in image.into_iter().chain(own) {
        match places.get(&name) {
            Some(place) => merged[*place].1 = value,
            None => {
                places.insert(name.clone(), merged.len());
                merged.push((name, value));
            }
        }
    }
    merged
}

/// Without doubled, trailing and single-dot parts: `/data/` is `/data`.
pub(crate) fn clean(path: &str) -> String {
    let parts: Vec<&str> = path
        .split('/')
        .filter(|part| !part.is_empty() && *part != ".")
        .collect();
    format!("/{}", parts.join("/"))
}

fn non_empty(text: Option<String>) -> Option<String> {
    text.filter(|text| !text.is_empty())
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use model::image::{Digest, Reference};
    use model::network::PortMapping;

    fn image() -> FromImage {
        FromImage {
            choice: ImageChoice {
                reference: Reference::parse("busybox").unwrap(),
                id: Digest::from_sha256([1; 32]),
            },
            config: ImageConfig {
                command: vec!["sh".to_owned()],
                env: vec!["PATH=/bin".to_owned(), "A=1".to_owned()],
                volumes: vec!["/data".to_owned()],
                exposed_ports: vec!["80/tcp".to_owned()],
                labels: vec![("a".to_owned(), "image".to_owned())],
                stop_signal: Some("SIGQUIT".to_owned()),
                ..ImageConfig::default()
            },
        }
    }

    fn merged(change: impl FnOnce(&mut NewContainer)) -> Spec {
        let mut new = NewContainer::of_image("busybox");
        change(&mut new);
        merge(new, ContainerName::parse("web").unwrap(), image(), || "v".repeat(64))
    }

    /// A spec with nothing particular in it.
    pub(crate) fn any_spec() -> Spec {
        merged(|_| {})
    }

    fn host() -> HostSize {
        HostSize {
            memory_bytes: 1 << 34,
            cpus: 4,
        }
    }

    #[test]
    fn what_the_request_leaves_open_is_the_images() {
        let spec = any_spec();
        assert_eq!(spec.process.arguments(), ["sh"]);
        assert_eq!(spec.process.working_dir, "/");
        assert_eq!(spec.stop_signal, Some(Signal::QUIT));
        assert_eq!(spec.network.exposed, ["80/tcp"]);
        assert_eq!(spec.mounts[0].target, "/data");
        assert_eq!(mistakes(&spec, host()), []);
    }

    #[test]
    fn an_entrypoint_of_ones_own_drops_the_images_command() {
        let spec = merged(|new| new.entrypoint = Some(vec!["/init".to_owned()]));
        assert_eq!(spec.process.arguments(), ["/init"]);
    }

    #[test]
    fn nothing_is_put_in_front_of_an_init() {
        let spec = merged(|new| {
            new.command = Some(vec!["/sbin/init".to_owned()]);
            new.init = true;
        });
        assert!(spec.system && !spec.init);
        assert!(merged(|new| new.init = true).init);
    }

    #[test]
    fn environment_is_overridden_by_name_and_taken_away_by_the_bare_name() {
        let spec = merged(|new| new.env = vec!["A=2".to_owned(), "B=3".to_owned(), "PATH".to_owned()]);
        assert_eq!(spec.process.env, ["A=2", "B=3"]);
    }

    #[test]
    fn twenty_thousand_variables_labels_and_ports_are_merged_in_linear_time() {
        let count = 20_000;
        let begun = std::time::Instant::now();
        let spec = merged(|new| {
            new.env = (0..count).map(|number| format!("V{number}={number}")).collect();
            new.labels = (0..count).map(|number| (format!("l{number}"), String::new())).collect();
            new.network.exposed = (0..count).map(|number| format!("{number}/tcp")).collect();
        });
        // A quadratic merge takes several seconds even on an idle machine.
        assert!(
            begun.elapsed() < std::time::Duration::from_secs(2),
            "{:?}",
            begun.elapsed()
        );
        assert_eq!(spec.process.env.len(), count + 2);
        let fields: Vec<&str> = mistakes(&spec, host()).iter().map(|mistake| mistake.field).collect();
        assert_eq!(fields, ["env", "labels", "ports"]);
    }

    #[test]
    fn text_that_would_end_a_line_or_an_argument_is_refused() {
        let refused = |change: &dyn Fn(&mut NewContainer)| {
            let found = mistakes(&merged(change), host());
            found.into_iter().map(|mistake| mistake.field).collect::<Vec<_>>()
        };
        assert_eq!(refused(&|new| new.command = Some(vec!["a\0b".to_owned()])), ["command"]);
        assert_eq!(
            refused(&|new| new.entrypoint = Some(vec!["\0".to_owned()])),
            ["command"]
        );
        assert_eq!(
            refused(&|new| new.working_dir = Some("/a\0".to_owned())),
            ["working_dir"]
        );
        assert_eq!(refused(&|new| new.user = Some("a\n".to_owned())), ["user"]);
        assert_eq!(refused(&|new| new.domainname = Some("a\nb".to_owned())), ["domainname"]);
        assert_eq!(
            refused(&|new| new.network.dns_search = vec!["a\nnameserver 1".to_owned()]),
            ["dns_search"]
        );
        assert_eq!(
            refused(&|new| new.network.dns_options = vec!["ndots:1\n".to_owned()]),
            ["dns_options"]
        );
        assert_eq!(
            refused(&|new| new.network.extra_hosts = vec!["a\n1.2.3.4 b:10.0.0.1".to_owned()]),
            ["extra_hosts"]
        );
        assert_eq!(
            refused(&|new| new.labels = vec![("a".to_owned(), "b\nc".to_owned())]),
            [""; 0]
        );
        assert_eq!(
            refused(&|new| new.network.dns_search = vec![".".to_owned(), "a.example".to_owned()]),
            [""; 0]
        );
    }

    #[test]
    fn a_kernel_parameter_belongs_to_a_namespace_of_the_containers_own() {
        let refused = |name: &str, change: &dyn Fn(&mut NewContainer)| {
            let spec = merged(|new| {
                new.sysctls = vec![(name.to_owned(), "1".to_owned())];
                change(new);
            });
            !mistakes(&spec, host()).is_empty()
        };
        let nothing = |_: &mut NewContainer| {};
        for name in [
            "net.ipv4.ip_forward",
            "net/ipv4/ip_forward",
            "kernel.shmmax",
            "fs.mqueue.msg_max",
        ] {
            assert!(!refused(name, &nothing), "{name}");
        }
        for name in [
            "vm.swappiness",
            "kernel.core_pattern",
            "kernel.hostname",
            "net..x",
            "",
            "net/../vm/x",
        ] {
            assert!(refused(name, &nothing), "{name}");
        }
        assert!(refused("net.core.somaxconn", &|new| new.network.mode = NetworkMode::Host));
        assert!(refused("kernel.sem", &|new| new.security.ipc = NamespaceMode::Host));
    }

    #[test]
    fn an_image_volume_gives_way_to_a_mount_at_the_same_place() {
        let spec = merged(|new| new.mounts = vec![Mount::parse("/srv:/data/").unwrap()]);
        assert_eq!(spec.mounts.len(), 1);
    }

    #[test]
    fn every_mistake_is_told_at_once() {
        let spec = merged(|new| {
            new.command = Some(Vec::new());
            new.working_dir = Some("work".to_owned());
            new.network.mode = NetworkMode::None;
            new.network.ports = PortMapping::parse("80:80").unwrap();
            new.network.dns = vec!["nowhere".to_owned()];
        });
        let fields: Vec<&str> = mistakes(&spec, host()).iter().map(|mistake| mistake.field).collect();
        assert_eq!(fields, ["command", "working_dir", "ports", "dns"]);
    }
}
