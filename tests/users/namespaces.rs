use crate::{exec, host, load, started, status_field, wait_for_log};
use harness::{Api, Host, Image, Options, wait_until};
use reqwest::{Method, StatusCode};
use serde_json::json;
use shared::container::HostIds;
use shared::create::{Mount, MountKind, NewContainer, UserNamespace};
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::fs::MetadataExt as _;
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(20);

async fn ids(api: &Api, name: &str) -> HostIds {
    api.inspect(name).await.spec.host_ids.expect("ids of its own")
}

async fn pid(api: &Api, name: &str) -> i32 {
    api.inspect(name).await.container.state.pid.expect("it runs")
}

fn volume(name: &str, target: &str) -> Mount {
    Mount {
        kind: MountKind::Volume,
        source: name.to_owned(),
        target: target.to_owned(),
        ..Mount::default()
    }
}

fn meet(one: HostIds, other: HostIds) -> bool {
    one.first_user < other.first_user + other.count && other.first_user < one.first_user + one.count
}

#[tokio::test]
async fn root_inside_is_nobody_outside_and_no_two_containers_share_an_id() {
    let Some((host, api)) = host(&["--userns", "auto"]).await else {
        return;
    };
    let line = "cat /proc/self/uid_map /proc/self/gid_map; id -u; sleep 1000";
    for name in ["one", "two"] {
        api.create(&started(name, line)).await.expect("it is created");
    }
    let (one, two) = (ids(&api, "one").await, ids(&api, "two").await);
    assert!(!meet(one, two), "{one:?} and {two:?}");
    for (name, ids) in [("one", one), ("two", two)] {
        let log = wait_for_log(&api, name, "\n0\n").await;
        let words: Vec<&str> = log.split_whitespace().collect();
        let map = ["0", &ids.first_user.to_string(), &ids.count.to_string()].map(str::to_owned);
        assert_eq!(words[..3], map, "{log}");
        assert_eq!(words[3..6], map, "{log}");
        assert_eq!(status_field(pid(&api, name).await, "Uid"), ids.first_user.to_string());
    }
    // An exec is there as well, by number and by name.
    let docker = host.docker();
    assert_eq!(
        exec(&docker, "one", "", "test $(id -u) = 0 && test -w /etc/hosts").await,
        0
    );
    assert_eq!(exec(&docker, "one", "nobody", "test $(id -u) = 65534").await, 0);
    assert_eq!(exec(&docker, "one", "1000:1000", "test $(id -g) = 1000").await, 0);
    // Processes are shown with the users that the container knows.
    let (status, top) = docker.ask(Method::GET, "/containers/one/top", None).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(top["Processes"][0][0], "root", "{top}");

    for order in [
        "pause",
        "unpause",
        "restart?timeout=0",
        "stop?timeout=0",
        "start",
        "kill",
    ] {
        let path = format!("/containers/one/{order}");
        api.act(Method::POST, &path)
            .await
            .unwrap_or_else(|error| panic!("{order}: {error:?}"));
    }
    assert_eq!(ids(&api, "one").await, one, "a restart keeps the range");
}

#[tokio::test]
async fn ranges_are_kept_by_the_server_that_returns_and_given_back_by_removal() {
    let Some((mut host, api)) = host(&["--userns", "auto"]).await else {
        return;
    };
    api.create(&started("stays", "sleep 1000"))
        .await
        .expect("it is created");
    api.create(&started("goes", "sleep 1000")).await.expect("it is created");
    let (stays, goes) = (ids(&api, "stays").await, ids(&api, "goes").await);
    host.kill();
    host.start_again();
    let api = host.api();
    assert_eq!(ids(&api, "stays").await, stays);
    assert_eq!(
        status_field(pid(&api, "stays").await, "Uid"),
        stays.first_user.to_string()
    );
    api.act(Method::DELETE, "/containers/goes?force=true")
        .await
        .expect("it is removed");
    api.create(&started("comes", "sleep 1000"))
        .await
        .expect("it is created");
    assert_eq!(ids(&api, "comes").await, goes, "what was given back is given again");
}

#[tokio::test]
async fn what_a_volume_holds_belongs_to_the_ids_of_the_inside() {
    let Some((host, api)) = host(&["--userns", "auto"]).await else {
        return;
    };
    let line = "cd /data && touch root && touch other && chown 1000:1000 other && stat -c %u:%g root other";
    let write = NewContainer {
        mounts: vec![volume("data", "/data")],
        ..started("writes", line)
    };
    api.create(&write).await.expect("it is created");
    assert_eq!(api.wait("writes").await.exit_code, 0);
    assert_eq!(api.log("writes").await, "0:0\n1000:1000\n");
    let on_disk = |name: &str| {
        let found = std::fs::metadata(host.data_dir().join("volumes/data").join(name)).expect("it is there");
        (found.uid(), found.gid())
    };
    let mapped = api
        .get::<shared::system::System>("/system")
        .await
        .expect("answered")
        .mapped_mounts;
    if mapped {
        assert_eq!(on_disk("root"), (0, 0));
        assert_eq!(on_disk("other"), (1000, 1000));
    }
    // So another container, with other ids, has the same files.
    let read = NewContainer {
        mounts: vec![volume("data", "/data")],
        ..started("reads", "stat -c %u:%g /data/root /data/other && rm /data/other")
    };
    api.create(&read).await.expect("it is created");
    assert_eq!(api.wait("reads").await.exit_code, 0);
    assert_eq!(api.log("reads").await, "0:0\n1000:1000\n");

    // A path of the host is not: root inside is nobody there.
    let dir = host.dir().join("shared");
    std::fs::create_dir(&dir).expect("a directory");
    let bind = NewContainer {
        mounts: vec![Mount {
            kind: MountKind::Bind,
            source: dir.display().to_string(),
            ..volume("", "/shared")
        }],
        ..started("binds", "stat -c %u /shared; touch /shared/file")
    };
    api.create(&bind).await.expect("it is created");
    assert_ne!(api.wait("binds").await.exit_code, 0);
    assert!(api.log("binds").await.starts_with("65534\n"));
}

#[tokio::test]
async fn a_server_in_a_user_namespace_serves_on_a_low_port_and_owns_its_network() {
    let Some((_host, api)) = host(&["--userns", "auto"]).await else {
        return;
    };
    let line = "mkdir /www; echo hello > /www/index.html; ip link set lo mtu 1400 && exec httpd -f -p 80 -h /www";
    let new = NewContainer {
        ports: vec!["127.0.0.1:0:80".to_owned()],
        cap_add: vec!["NET_ADMIN".to_owned()],
        terminal: true,
        sysctls: [("net.ipv4.ip_default_ttl".to_owned(), "99".to_owned())].into(),
        ..started("web", line)
    };
    api.create(&new).await.expect("it is created");
    let port = api.inspect("web").await.container.ports[0].host_port;
    let page = wait_until(LIMIT, || {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
        stream.write_all(b"GET / HTTP/1.0\r\n\r\n").ok()?;
        let mut text = String::new();
        stream.read_to_string(&mut text).ok()?;
        text.contains("hello").then_some(text)
    });
    assert!(page.is_some(), "the published port answers: {}", api.log("web").await);
    // Without a network there is at least the loopback device, and it is up.
    let alone = NewContainer {
        network: shared::create::NetworkMode::None,
        ..started("alone", "ping -c 1 -W 5 127.0.0.1")
    };
    api.create(&alone).await.expect("it is created");
    assert_eq!(api.wait("alone").await.exit_code, 0, "{}", api.log("alone").await);
}

#[tokio::test]
async fn one_range_may_be_shared_by_all_and_any_container_may_choose() {
    let Some((host, api)) = host(&["--userns", "300000-365535"]).await else {
        return;
    };
    let shared = HostIds {
        first_user: 300_000,
        first_group: 300_000,
        count: 65_536,
        shared: true,
    };
    for name in ["one", "two"] {
        api.create(&started(name, "sleep 1000")).await.expect("it is created");
        assert_eq!(ids(&api, name).await, shared);
    }
    let choose = |name: &str, user_namespace| NewContainer {
        user_namespace,
        ..started(name, "sleep 1000")
    };
    api.create(&choose("own", UserNamespace::Own))
        .await
        .expect("it is created");
    assert!(!meet(ids(&api, "own").await, shared));
    api.create(&choose("host", UserNamespace::Host))
        .await
        .expect("it is created");
    assert_eq!(api.inspect("host").await.spec.host_ids, None);
    assert_eq!(status_field(pid(&api, "host").await, "Uid"), "0");
    // The same by Docker's words, and what it shows.
    let docker = host.docker();
    let asked = json!({ "Image": "busybox", "Cmd": ["sleep", "1000"], "HostConfig": { "UsernsMode": "host" } });
    docker.run("dockers", &asked).await;
    assert_eq!(docker.inspect("dockers").await["HostConfig"]["UsernsMode"], "host");
    assert_eq!(status_field(pid(&api, "dockers").await, "Uid"), "0");
    let (_, info) = docker.ask(Method::GET, "/info", None).await;
    assert!(info["SecurityOptions"].to_string().contains("name=userns"), "{info}");
}

#[tokio::test]
async fn what_cannot_be_in_a_user_namespace_is_refused_unless_the_hosts_is_asked_for() {
    let Some((host, api)) = host(&["--userns", "auto"]).await else {
        return;
    };
    let privileged = NewContainer {
        privileged: true,
        ..started("all", "true")
    };
    let refused = api.create(&privileged).await.expect_err("it is refused");
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(refused.problem.mistakes[0].field, "user_namespace", "{refused:?}");
    let docker = host.docker();
    let with =
        |host_config: serde_json::Value| json!({ "Image": "busybox", "Cmd": ["true"], "HostConfig": host_config });
    for host_config in [
        json!({ "Privileged": true }),
        json!({ "PidMode": "host" }),
        json!({ "NetworkMode": "host" }),
    ] {
        let (status, why) = docker
            .ask(Method::POST, "/containers/create", Some(&with(host_config)))
            .await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{why}");
        assert!(why["message"].to_string().contains("user namespace"), "{why}");
    }
    let (status, why) = docker
        .ask(
            Method::POST,
            "/containers/create",
            Some(&with(json!({ "UsernsMode": "web" }))),
        )
        .await;
    assert_eq!(status, StatusCode::BAD_REQUEST, "{why}");
    assert!(
        api.get::<shared::list::List<shared::container::Container>>("/containers")
            .await
            .expect("a list")
            .items
            .is_empty()
    );
    let allowed = json!({ "Privileged": true, "UsernsMode": "host" });
    docker.run("all", &with(allowed)).await;
    // Operators may not leave the user namespace that the server has for all.
    let operator = api.with_token(Some(&host.make_token("operator")));
    let out = NewContainer {
        user_namespace: UserNamespace::Host,
        ..started("out", "true")
    };
    assert_eq!(
        operator.create(&out).await.expect_err("refused").status,
        StatusCode::FORBIDDEN
    );
}

#[tokio::test]
async fn devices_and_memory_are_given_to_containers_in_user_namespaces() {
    let Some((host, api)) = host(&["--userns", "auto"]).await else {
        return;
    };
    let line = "echo x > /dev/null && head -c 4 /dev/zero | wc -c && test -c /dev/given && \
                echo y > /dev/given && echo z > /dev/shm/file && test -w /dev/stdout && echo done > /dev/stdout && \
                touch /written && stat -c %u /written /bin/busybox /etc/passwd";
    let asked = json!({
        "Image": "busybox",
        "Cmd": ["sh", "-c", line],
        "HostConfig": {
            "Devices": [{ "PathOnHost": "/dev/null", "PathInContainer": "/dev/given", "CgroupPermissions": "rw" }],
        },
    });
    host.docker().run("given", &asked).await;
    let ended = api.wait("given").await;
    assert_eq!(
        (ended.exit_code, api.log("given").await.as_str()),
        (0, "4\ndone\n0\n0\n0\n")
    );
}

#[tokio::test]
async fn where_the_file_system_maps_no_ids_each_container_gets_a_copy() {
    if !harness::can_run_containers() {
        return;
    }
    let disk = tempfile::tempdir().expect("a directory");
    // A file system in memory that knows neither mapped ids nor limits.
    let Some(_mounted) = Mounted::ramfs(disk.path()) else {
        println!("skipped: no ramfs can be mounted");
        return;
    };
    let options = Options {
        switches: vec!["--userns".to_owned(), "auto".to_owned()],
        data_dir: Some(disk.path().join("data")),
        ..Options::default()
    };
    let host = Host::start_with(env!("CARGO_BIN_EXE_gantry"), options);
    let api = host.api();
    load(&api, "busybox:latest", &Image::busybox()).await;
    let system = api.get::<shared::system::System>("/system").await.expect("answered");
    assert!(
        !system.mapped_mounts,
        "ramfs maps ids by now: the test needs another file system"
    );
    let line =
        "id -u; stat -c %u:%g /bin/busybox /etc/hosts /data; touch /data/file /etc/new && stat -c %u /etc/new; pwd";
    let new = NewContainer {
        mounts: vec![volume("data", "/data")],
        working_dir: Some("/srv/www".to_owned()),
        ..started("copied", line)
    };
    api.create(&new).await.expect("it is created");
    assert_eq!(api.wait("copied").await.exit_code, 0, "{}", api.log("copied").await);
    assert_eq!(api.log("copied").await, "0\n0:0\n0:0\n0:0\n0\n/srv/www\n");
    let ids = ids(&api, "copied").await;
    let file = std::fs::metadata(disk.path().join("data/volumes/data/file")).expect("it is there");
    assert_eq!(file.uid(), ids.first_user);
    api.act(Method::POST, "/containers/copied/start")
        .await
        .expect("it starts again");
    api.wait("copied").await;
}

/// A mount that goes with this.
struct Mounted(std::path::PathBuf);

impl Mounted {
    fn ramfs(dir: &std::path::Path) -> Option<Self> {
        let mut mount = std::process::Command::new("mount");
        let done = mount.args(["-t", "ramfs", "ramfs"]).arg(dir).status();
        done.is_ok_and(|status| status.success()).then(|| Self(dir.to_owned()))
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let _ = std::process::Command::new("umount").arg(&self.0).status();
    }
}
