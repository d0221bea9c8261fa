use crate::devices::{DeviceKind, DeviceNode, check_access, default_rules, node, rule};
use crate::mounts::{mounts, root_propagation};
use crate::{BundleError, annotation, capabilities, defaults, resources, system};
use model::container::spec::{NamespaceMode, Rlimit};
use model::container::{HostIds, Spec};
use model::network::NetworkMode;
use oci_spec::runtime;
use serde_json::{Map, Value, json};
use std::path::PathBuf;

/// What a bundle needs besides the spec: where things lie on this host.
#[derive(Debug, Clone)]
pub struct Input {
    pub id: String,
    pub hostname: String,
    /// Holds `hostname`, `hosts` and `resolv.conf`.
    pub etc_dir: PathBuf,
    pub rootfs: PathBuf,
    /// Below every hierarchy's mount: `/gantry/<id>`.
    pub cgroup_path: String,
    /// Each volume of the spec and its directory.
    pub volume_dirs: Vec<(String, PathBuf)>,
    /// What the host has at each device's path, in the order of the spec's devices.
    pub devices: Vec<DeviceNode>,
    /// Every device of the host and its path, for a privileged container.
    pub host_devices: Vec<(String, DeviceNode)>,
    /// The ids of a user namespace of its own.
    pub users: Option<Users>,
    /// Whether devices are shown at their place rather than made: by root of a user
    /// namespace, who may make none.
    pub binds_devices: bool,
    /// Whether namespaces of clocks can be made.
    pub has_time_namespaces: bool,
    /// What this host has that is hidden besides [`defaults::MASKED_PATHS`], unless the
    /// spec says itself what is.
    pub masked_besides: Vec<String>,
    /// The filter as the engine resolved it; `None` filters nothing.
    pub seccomp: Option<Value>,
}

/// A user namespace that is the container's own.
#[derive(Debug, Clone, Copy)]
pub struct Users {
    pub ids: HostIds,
    /// Volumes and the engine's files are seen through these ids; else they belong to
    /// whom the disk says.
    pub mapped: bool,
}

/// The OCI configuration of a container.
pub fn from_spec(spec: &Spec, input: &Input) -> Result<runtime::Spec, BundleError> {
    let mut config = json!({
        "ociVersion": crate::config_file::OCI_VERSION,
        "root": { "path": input.rootfs, "readonly": spec.read_only_root },
        "process": process(spec, input)?,
        "mounts": mounts(spec, input)?,
        "linux": linux(spec, input)?,
        "annotations": annotations(spec),
    });
    if spec.security.uts == NamespaceMode::Private {
        config["hostname"] = input.hostname.clone().into();
        if let Some(domain) = &spec.domainname {
            config["domainname"] = domain.clone().into();
        }
    }
    Ok(serde_json::from_value(config)?)
}

fn process(spec: &Spec, input: &Input) -> Result<Value, BundleError> {
    let capabilities = capabilities(&spec.security)?;
    let mut process = json!({
        "terminal": spec.process.terminal,
        "user": { "uid": 0, "gid": 0 },
        "args": spec.process.arguments(),
        "env": env(spec, input),
        "cwd": spec.process.working_dir,
        // Inheritable and ambient stay empty: with them, programs started by other
        // users would keep what they should not have (CVE-2022-24769).
        "capabilities": {
            "bounding": capabilities,
            "effective": capabilities,
            "permitted": capabilities,
            "inheritable": [],
            "ambient": [],
        },
        "noNewPrivileges": spec.security.no_new_privileges,
    });
    if !spec.process.user.is_empty() {
        process["user"]["username"] = spec.process.user.clone().into();
    }
    // Said always: otherwise the shim's own, which is spared longest, would hold.
    process["oomScoreAdj"] = spec.oom_score_adj.unwrap_or(0).into();
    if !spec.rlimits.is_empty() {
        process["rlimits"] = spec.rlimits.iter().map(rlimit).collect::<Result<Vec<_>, _>>()?.into();
    }
    Ok(process)
}

/// `PATH` and the host's name first: what image and request say wins.
fn env(spec: &Spec, input: &Input) -> Vec<String> {
    let has = |name: &str| {
        spec.process
            .env
            .iter()
            .any(|entry| entry.split('=').next() == Some(name))
    };
    let mut env = Vec::new();
    if !has("PATH") {
        env.push(defaults::PATH.to_owned());
    }
    if !has("HOSTNAME") {
        env.push(format!("HOSTNAME={}", input.hostname));
    }
    if spec.process.terminal && !has("TERM") {
        env.push("TERM=xterm".to_owned());
    }
    if spec.system {
        env.extend(
            system::env(&input.id)
                .into_iter()
                .filter(|entry| entry.split_once('=').is_some_and(|(name, _)| !has(name))),
        );
    }
    env.extend(spec.process.env.iter().cloned());
    env
}

fn rlimit(limit: &Rlimit) -> Result<Value, BundleError> {
    const NAMES: [&str; 16] = [
        "as",
        "core",
        "cpu",
        "data",
        "fsize",
        "locks",
        "memlock",
        "msgqueue",
        "nice",
        "nofile",
        "nproc",
        "rss",
        "rtprio",
        "rttime",
        "sigpending",
        "stack",
    ];
    if !NAMES.contains(&limit.name.as_str()) {
        return Err(BundleError::Rlimit(limit.name.clone()));
    }
    let name = format!("RLIMIT_{}", limit.name.to_ascii_uppercase());
    Ok(json!({ "type": name, "soft": limit.soft, "hard": limit.hard }))
}

fn linux(spec: &Spec, input: &Input) -> Result<Value, BundleError> {
    let security = &spec.security;
    let mut rules = if security.privileged {
        vec![rule(true, DeviceKind::All, None, None, "rwm")]
    } else {
        default_rules()
    };
    let mut devices = Vec::new();
    for (wanted, found) in spec.devices.iter().zip(&input.devices) {
        check_access(&wanted.access)?;
        if !input.binds_devices {
            devices.push(node(&wanted.container_path, found));
        }
        rules.push(rule(
            true,
            found.kind,
            Some(found.major),
            Some(found.minor),
            &wanted.access,
        ));
    }
    if security.privileged {
        let given: Vec<&str> = spec
            .devices
            .iter()
            .map(|device| device.container_path.as_str())
            .collect();
        let rest = input
            .host_devices
            .iter()
            .filter(|(path, _)| !given.contains(&path.as_str()));
        devices.extend(rest.map(|(path, device)| node(path, device)));
    }
    let paths = |own: &Option<Vec<String>>, default: &[&str]| match own {
        _ if security.privileged => Vec::new(),
        Some(own) => own.clone(),
        None => default.iter().map(|path| (*path).to_owned()).collect(),
    };
    let mut masked = paths(&security.masked_paths, &defaults::MASKED_PATHS);
    if !security.privileged && security.masked_paths.is_none() {
        masked.extend(input.masked_besides.iter().cloned());
    }
    let sysctl: Map<String, Value> = spec
        .sysctls
        .iter()
        .map(|(name, value)| (name.clone(), Value::from(value.clone())))
        .collect();
    let mut linux = json!({
        "namespaces": namespaces(spec, input),
        "cgroupsPath": input.cgroup_path,
        "resources": resources::write(&spec.limits, rules),
        "devices": devices,
        "maskedPaths": masked,
        "readonlyPaths": paths(&security.readonly_paths, &defaults::READONLY_PATHS),
        "sysctl": sysctl,
    });
    if let Some(Users { ids, .. }) = input.users {
        let mapping = |first: u32| json!([{ "containerID": 0, "hostID": first, "size": ids.count }]);
        linux["uidMappings"] = mapping(ids.first_user);
        linux["gidMappings"] = mapping(ids.first_group);
    }
    if let Some(propagation) = root_propagation(spec) {
        linux["rootfsPropagation"] = propagation.into();
    }
    if let Some(seccomp) = &input.seccomp {
        linux["seccomp"] = seccomp.clone();
    }
    Ok(linux)
}

fn namespaces(spec: &Spec, input: &Input) -> Vec<Value> {
    let security = &spec.security;
    let private = |mode: NamespaceMode| mode == NamespaceMode::Private;
    let wanted = [
        ("mount", true),
        ("pid", private(security.pid)),
        ("ipc", private(security.ipc)),
        ("uts", private(security.uts)),
        ("cgroup", private(security.cgroup)),
        ("network", spec.network.mode != NetworkMode::Host),
        ("user", input.users.is_some()),
        ("time", input.has_time_namespaces),
    ];
    let made = wanted.into_iter().filter(|(_, wanted)| *wanted);
    made.map(|(kind, _)| json!({ "type": kind })).collect()
}

fn annotations(spec: &Spec) -> Map<String, Value> {
    let given = spec.annotations.iter().cloned();
    let mut annotations: Map<String, Value> = given.map(|(key, value)| (key, value.into())).collect();
    if spec.init {
        annotations.insert(annotation::INIT.to_owned(), "true".into());
    }
    if spec.system {
        annotations.insert(annotation::SYSTEM.to_owned(), "true".into());
    }
    if !spec.process.groups.is_empty() {
        annotations.insert(annotation::GROUPS.to_owned(), spec.process.groups.join(",").into());
    }
    annotations
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::container::spec::{ImageChoice, Network, Process, Security};
    use model::container::{ContainerName, Limits, RestartPolicy};
    use model::image::{Digest, Reference};
    use model::mount::Mount;

    fn spec() -> Spec {
        Spec {
            name: ContainerName::parse("web").unwrap(),
            image: ImageChoice {
                reference: Reference::parse("busybox").unwrap(),
                id: Digest::from_sha256([1; 32]),
            },
            process: Process {
                command: vec!["sh".to_owned()],
                working_dir: "/".to_owned(),
                ..Process::default()
            },
            hostname: None,
            domainname: None,
            labels: Vec::new(),
            network: Network {
                mode: NetworkMode::Bridge,
                ports: Vec::new(),
                exposed: Vec::new(),
                publish_all: false,
                dns: Vec::new(),
                dns_search: Vec::new(),
                dns_options: Vec::new(),
                extra_hosts: Vec::new(),
            },
            mounts: Vec::new(),
            limits: Limits::default(),
            security: Security::default(),
            restart: RestartPolicy::No,
            auto_remove: false,
            stop_signal: None,
            stop_timeout: None,
            init: false,
            system: false,
            read_only_root: false,
            shm_bytes: None,
            rlimits: Vec::new(),
            sysctls: Vec::new(),
            devices: Vec::new(),
            oom_score_adj: None,
            health: None,
            log: model::container::spec::LogOptions::default(),
            annotations: Vec::new(),
        }
    }

    fn input() -> Input {
        Input {
            id: "1".repeat(64),
            hostname: "web".to_owned(),
            etc_dir: "/data/etc".into(),
            rootfs: "/data/rootfs".into(),
            cgroup_path: "/gantry/1".to_owned(),
            volume_dirs: vec![("data".to_owned(), "/data/volumes/data".into())],
            devices: Vec::new(),
            host_devices: vec![("/dev/fuse".to_owned(), FUSE)],
            users: None,
            binds_devices: false,
            has_time_namespaces: true,
            masked_besides: vec!["/sys/devices/system/cpu/cpu7/thermal_throttle".to_owned()],
            seccomp: None,
        }
    }

    const FUSE: DeviceNode = DeviceNode {
        kind: DeviceKind::Character,
        major: 10,
        minor: 229,
        mode: 0o666,
        uid: 0,
        gid: 0,
    };

    fn written(change: impl FnOnce(&mut Spec)) -> Value {
        let mut spec = spec();
        change(&mut spec);
        serde_json::to_value(from_spec(&spec, &input()).unwrap()).unwrap()
    }

    fn options_of<'c>(config: &'c Value, target: &str) -> Vec<&'c str> {
        let mounts = config["mounts"].as_array().unwrap();
        let mount = mounts.iter().find(|mount| mount["destination"] == target).unwrap();
        mount["options"]
            .as_array()
            .unwrap()
            .iter()
            .filter_map(Value::as_str)
            .collect()
    }

    #[test]
    fn what_lies_below_a_read_only_bind_is_as_read_only() {
        use model::mount::{Recursion, Source};
        let bind = |recursion, read_only| {
            written(|spec| {
                spec.mounts = vec![Mount {
                    source: Source::Bind {
                        path: "/src".to_owned(),
                        propagation: None,
                        create: false,
                        recursion,
                    },
                    target: "/x".to_owned(),
                    read_only,
                }];
            })
        };
        for (recursion, read_only, options) in [
            (Recursion::Enabled, true, &["rbind", "ro", "rro", "rprivate"][..]),
            (Recursion::ReadOnly, true, &["rbind", "ro", "rro", "rprivate"]),
            (Recursion::Writable, true, &["rbind", "ro", "rprivate"]),
            (Recursion::Disabled, true, &["bind", "ro", "rprivate"]),
            (Recursion::Enabled, false, &["rbind", "rw", "rprivate"]),
            (Recursion::Disabled, false, &["bind", "rw", "rprivate"]),
        ] {
            assert_eq!(options_of(&bind(recursion, read_only), "/x"), options, "{recursion:?}");
        }
        let volume = written(|spec| spec.mounts = vec![Mount::parse("data:/x:ro").unwrap()]);
        assert_eq!(options_of(&volume, "/x"), ["rbind", "ro", "rro", "rprivate"]);
    }

    /// The image's file may be a link into what is mounted.
    #[test]
    fn the_engines_files_come_after_all_that_is_not_in_etc() {
        let config = written(|spec| {
            spec.mounts = ["/a:/run", "/b:/etc/x", "/c:/var/lib/deep/er", "/d:/etc"]
                .map(|text| Mount::parse(text).unwrap())
                .into();
        });
        let mounts = config["mounts"].as_array().unwrap();
        let place = |target: &str| mounts.iter().position(|mount| mount["destination"] == target).unwrap();
        for before in ["/run", "/var/lib/deep/er"] {
            assert!(place(before) < place("/etc/resolv.conf"), "{before}");
        }
        assert!(place("/etc/hosts") < place("/etc") && place("/etc") < place("/etc/x"));
    }

    #[test]
    fn a_default_container_keeps_its_privileges_small() {
        let config = written(|_| {});
        assert_eq!(
            config["process"]["capabilities"]["bounding"].as_array().unwrap().len(),
            14
        );
        assert!(
            config["process"]["capabilities"]["inheritable"]
                .as_array()
                .unwrap()
                .is_empty()
        );
        assert_eq!(config["linux"]["namespaces"].as_array().unwrap().len(), 7);
        assert_eq!(config["linux"]["maskedPaths"].as_array().unwrap().len(), 13);
        assert_eq!(config["linux"]["resources"]["devices"][0]["allow"], false);
        assert!(config["process"]["env"][0].as_str().unwrap().starts_with("PATH="));
    }

    #[test]
    fn a_privileged_one_masks_nothing_and_may_use_every_device() {
        let config = written(|spec| spec.security.privileged = true);
        assert_eq!(config["linux"]["maskedPaths"], json!([]));
        assert_eq!(
            config["linux"]["resources"]["devices"],
            json!([{ "allow": true, "type": "a", "access": "rwm" }])
        );
    }

    #[test]
    fn only_a_privileged_one_has_the_hosts_devices() {
        assert_eq!(written(|_| {})["linux"]["devices"], json!([]));
        let config = written(|spec| spec.security.privileged = true);
        assert_eq!(config["linux"]["devices"], json!([node("/dev/fuse", &FUSE)]));
    }

    #[test]
    fn mounts_inside_others_come_after_them() {
        let config = written(|spec| {
            spec.mounts = ["/x:/srv/a/b", "data:/srv:ro"]
                .map(|text| Mount::parse(text).unwrap())
                .to_vec();
        });
        let mounts = config["mounts"].as_array().unwrap();
        let own: Vec<&str> = mounts
            .iter()
            .filter_map(|mount| mount["destination"].as_str())
            .filter(|target| target.starts_with("/srv"))
            .collect();
        assert_eq!(own, ["/srv", "/srv/a/b"]);
        let volume = mounts.iter().find(|mount| mount["destination"] == "/srv").unwrap();
        assert_eq!(volume["source"], "/data/volumes/data");
    }

    #[test]
    fn a_mount_of_ones_own_takes_the_place_of_the_engines() {
        let config = written(|spec| spec.mounts = vec![Mount::parse("/x:/etc/hosts").unwrap()]);
        let hosts = config["mounts"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|m| m["destination"] == "/etc/hosts");
        assert_eq!(hosts.count(), 1);
    }

    #[test]
    fn a_system_may_divide_its_groups_and_has_empty_places_for_what_runs() {
        let config = written(|spec| spec.system = true);
        let mount = |target: &str| {
            let all = config["mounts"].as_array().unwrap().iter();
            let found: Vec<&Value> = all.filter(|mount| mount["destination"] == target).collect();
            assert_eq!(found.len(), 1, "{target}");
            found[0].clone()
        };
        let options = mount("/sys/fs/cgroup")["options"].clone();
        assert!(options.as_array().unwrap().contains(&"rw".into()), "{options}");
        assert_eq!(mount("/run")["type"], "tmpfs");
        assert_eq!(mount("/tmp")["type"], "tmpfs");
        let env = config["process"]["env"].as_array().unwrap();
        assert!(env.contains(&"container=gantry".into()), "{env:?}");
        assert!(env.contains(&"container_uuid=11111111-1111-1111-1111-111111111111".into()));
        assert_eq!(config["annotations"][annotation::SYSTEM], "true");
    }

    #[test]
    fn a_user_namespace_maps_ids_and_what_the_engine_mounts() {
        let mut spec = spec();
        spec.mounts = vec![Mount::parse("data:/data").unwrap(), Mount::parse("/srv:/srv").unwrap()];
        let ids = HostIds {
            first_user: 100_000,
            first_group: 200_000,
            count: 65_536,
            shared: false,
        };
        let users = Some(Users { ids, mapped: true });
        let config = serde_json::to_value(from_spec(&spec, &Input { users, ..input() }).unwrap()).unwrap();
        assert_eq!(config["linux"]["uidMappings"][0]["hostID"], 100_000);
        assert_eq!(config["linux"]["gidMappings"][0]["hostID"], 200_000);
        let mapped = |target: &str| {
            let all = config["mounts"].as_array().unwrap();
            let mount = all.iter().find(|mount| mount["destination"] == target).unwrap();
            mount["options"].as_array().unwrap().contains(&"idmap".into())
        };
        assert!(mapped("/data") && mapped("/etc/hosts"));
        // A path of the host keeps its owners: root inside is not to be root there.
        assert!(!mapped("/srv"));
    }

    #[test]
    fn a_named_user_travels_as_text() {
        let config = written(|spec| spec.process.user = "www-data:staff".to_owned());
        assert_eq!(config["process"]["user"]["username"], "www-data:staff");
    }
}
