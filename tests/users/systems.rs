use crate::{exec, host, load, wait_for_log};
use harness::Image;
use reqwest::Method;
use serde_json::json;
use shared::create::{NewContainer, SystemChoice, UserNamespace};

/// Busybox is an init as well, and says on the console how far it came.
const INITTAB: &str = "::sysinit:/bin/sh -c 'echo booted; cat /proc/1/comm; env | sort; \
                       grep -E \" /(run|tmp|run/lock) \" /proc/mounts'\n\
                       ::respawn:/bin/sleep 1000\n\
                       ::shutdown:/bin/echo halting\n";

fn image() -> Image {
    let program = std::fs::read("/bin/busybox").expect("busybox-static is installed");
    Image::busybox()
        .with_files(&[
            ("etc/inittab", INITTAB.as_bytes()),
            ("sbin/init", &program),
            ("run/kept", b"from the image"),
        ])
        .command(&["/sbin/init"])
}

fn system(name: &str) -> NewContainer {
    NewContainer {
        image: "system".to_owned(),
        name: Some(name.to_owned()),
        // Else the kernel lets nobody halt.
        cap_add: vec!["SYS_BOOT".to_owned()],
        stop_signal: Some("SIGUSR1".to_owned()),
        start: true,
        ..NewContainer::default()
    }
}

#[tokio::test]
async fn an_init_finds_what_a_system_needs_and_halts_when_it_is_stopped() {
    let Some((host, api)) = host(&[]).await else { return };
    load(&api, "system:latest", &image()).await;
    for (name, user_namespace) in [("plain", UserNamespace::Host), ("mapped", UserNamespace::Own)] {
        let new = NewContainer {
            user_namespace,
            init: true,
            ..system(name)
        };
        let created = api.create(&new).await.expect("it is created");
        assert_eq!(created.warnings.len(), 1, "nothing is put in front of an init");
        assert!(api.inspect(name).await.spec.system);
        let log = wait_for_log(&api, name, "/run/lock tmpfs").await;
        for wanted in [
            "booted",
            "init\n",
            "container=gantry",
            "container_uuid=",
            "/run tmpfs",
            "/tmp tmpfs",
        ] {
            assert!(log.contains(wanted), "{wanted} is not in\n{log}");
        }
        let docker = host.docker();
        // Its own part of the groups, which it may divide; the limits stay the host's.
        let divide = "for root in /sys/fs/cgroup/systemd /sys/fs/cgroup; do [ -e $root/cgroup.procs ] && break; done; \
                      mkdir $root/part && cat /run/kept && echo $$ > $root/part/cgroup.procs";
        assert_eq!(exec(&docker, name, "", divide).await, 0, "{name}");
        let raise = "for file in /sys/fs/cgroup/memory/memory.limit_in_bytes /sys/fs/cgroup/pids/pids.max; do \
                     [ -e $file ] && echo 99999999 > $file && exit 1; done; exit 0";
        assert_eq!(exec(&docker, name, "", raise).await, 0, "{name} may change its limits");
        let stop = format!("/containers/{name}/stop?timeout=60");
        let before = std::time::Instant::now();
        api.act(Method::POST, &stop).await.expect("it stops");
        assert!(before.elapsed().as_secs() < 50, "it was killed");
        assert!(api.log(name).await.contains("halting"), "{}", api.log(name).await);
        assert_ne!(
            api.inspect(name).await.container.state.signal.as_deref(),
            Some("SIGKILL")
        );
        api.act(Method::POST, &format!("/containers/{name}/start"))
            .await
            .expect("it starts again");
        api.act(Method::DELETE, &format!("/containers/{name}?force=true"))
            .await
            .expect("it is removed");
    }
}

#[tokio::test]
async fn whether_it_is_a_system_can_be_said_by_both_doors() {
    let Some((host, api)) = host(&[]).await else { return };
    load(&api, "system:latest", &image()).await;
    let never = NewContainer {
        system: SystemChoice::Never,
        start: false,
        ..system("never")
    };
    api.create(&never).await.expect("it is created");
    assert!(!api.inspect("never").await.spec.system);
    let docker = host.docker();
    let asked = json!({
        "Image": "busybox",
        "Cmd": ["/bin/sh", "-c", "echo $container; sleep 1000"],
        "Labels": { "gantry.system": "always" },
    });
    docker.run("always", &asked).await;
    assert!(api.inspect("always").await.spec.system);
    assert_eq!(api.inspect("always").await.spec.stop_signal, "SIGUSR1", "of busybox");
    wait_for_log(&api, "always", "gantry").await;
    // By itself, and with the signal of the init that the image has.
    let (_, made) = docker
        .ask(
            Method::POST,
            "/containers/create?name=found",
            Some(&json!({ "Image": "system" })),
        )
        .await;
    assert!(made["Id"].is_string(), "{made}");
    assert_eq!(docker.inspect("found").await["Config"]["StopSignal"], "SIGPWR");
}
