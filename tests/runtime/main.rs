//! What a process finds inside a container, what holds it, and what is left of many.

use harness::{Api, Host, Image};
use reqwest::Method;
use shared::container::{Container, Status};
use shared::create::NewContainer;
use shared::limits::Limits;
use shared::list::List;
use std::time::{Duration, Instant};

async fn host() -> Option<(Host, Api)> {
    if !harness::can_run_containers() {
        return None;
    }
    let host = Host::start(env!("CARGO_BIN_EXE_gantry"));
    let api = host.api();
    let archive = Image::busybox().archive("busybox:latest");
    api.upload("/images/load", archive).await.expect("the archive is taken");
    Some((host, api))
}

fn started(name: &str, line: &str) -> NewContainer {
    NewContainer {
        image: "busybox".to_owned(),
        name: Some(name.to_owned()),
        command: Some(["sh", "-c", line].map(str::to_owned).to_vec()),
        start: true,
        ..NewContainer::default()
    }
}

/// Runs to the end, and gives what was printed.
async fn printed(api: &Api, new: &NewContainer) -> String {
    let created = api.create(new).await.unwrap_or_else(|error| panic!("{error:?}"));
    api.wait(&created.id).await;
    api.log(&created.id).await
}

fn field<'a>(status: &'a str, name: &str) -> &'a str {
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    line.unwrap_or_else(|| panic!("no {name} in {status}")).trim()
}

#[tokio::test]
async fn a_process_has_the_default_rights_and_no_more() {
    let Some((_host, api)) = host().await else { return };
    let status = printed(&api, &started("plain", "cat /proc/self/status")).await;
    // The fourteen of the default set: capabilities(7).
    for set in ["CapEff", "CapPrm", "CapBnd"] {
        assert_eq!(field(&status, set), "00000000a80425fb", "{set}");
    }
    assert_eq!(field(&status, "CapAmb"), "0000000000000000");
    assert_eq!(field(&status, "Seccomp"), "2");
    assert_eq!(field(&status, "NoNewPrivs"), "0");
    let strict = NewContainer {
        no_new_privileges: true,
        ..started("strict", "cat /proc/self/status")
    };
    assert_eq!(field(&printed(&api, &strict).await, "NoNewPrivs"), "1");
}

#[tokio::test]
async fn what_tells_of_the_host_is_masked_or_read_only() {
    let Some((_host, api)) = host().await else { return };
    let line = "for f in kcore keys timer_list sched_debug latency_stats; do
                  [ -e /proc/$f ] && printf '%s:%s\\n' $f \"$(head -c 16 /proc/$f 2>/dev/null | wc -c)\"; done
                for d in /proc/acpi /proc/scsi /sys/firmware; do
                  [ -d $d ] && printf '%s:%s\\n' $d \"$(ls $d | wc -l)\"; done
                for f in /proc/sys/kernel/hostname /proc/sysrq-trigger /sys/kernel/uevent_seqnum; do
                  (echo x > $f) 2>/dev/null && echo written $f; done
                mount -t tmpfs none /mnt 2>/dev/null && echo mounted
                hostname other 2>/dev/null && echo renamed
                true";
    let seen = printed(&api, &started("mask", line)).await;
    for masked in seen.lines() {
        assert!(masked.ends_with(":0"), "readable or writable: {masked} in\n{seen}");
    }
    // Not every kernel has every one of them.
    assert!(seen.contains("keys:0") && seen.contains("/sys/firmware:0"), "{seen}");
}

#[tokio::test]
async fn a_fork_bomb_stops_at_the_limit() {
    let Some((host, api)) = host().await else { return };
    let bomb = NewContainer {
        limits: Limits {
            pids: Some(Some(40)),
            ..Limits::default()
        },
        ..started("bomb", "f() { f | f & }; f; sleep 1000")
    };
    let created = api.create(&bomb).await.expect("it runs");
    let reached = harness::wait_until(Duration::from_secs(15), || {
        let count: u64 = host.cgroup_file(&created.id, &["pids.current"])?.parse().ok()?;
        assert!(count <= 40, "{count} processes");
        let events = host.cgroup_file(&created.id, &["pids.events"])?;
        events
            .split_whitespace()
            .nth(1)?
            .parse::<u64>()
            .ok()
            .filter(|refused| *refused > 0)
    });
    assert!(reached.is_some(), "forks were refused");
    api.act(Method::DELETE, "/containers/bomb?force=true")
        .await
        .expect("it is removed");
}

#[tokio::test]
async fn a_memory_hog_is_killed_and_that_is_told() {
    let Some((_host, api)) = host().await else { return };
    let hog = NewContainer {
        limits: Limits {
            memory_bytes: Some(Some(16 << 20)),
            memory_and_swap_bytes: Some(Some(16 << 20)),
            ..Limits::default()
        },
        ..started("hog", "x=aaaaaaaaaaaaaaaa; while true; do x=$x$x; done")
    };
    api.create(&hog).await.expect("it runs");
    let end = api.wait("hog").await;
    assert_eq!((end.exit_code, end.oom_killed), (137, true));
    assert!(api.inspect("hog").await.container.state.oom_killed);
}

/// A figure of a control file that has a name and a number on each line.
fn stat(host: &Host, id: &str, name: &str) -> u64 {
    let text = host.cgroup_file(id, &["cpu.stat"]).unwrap_or_default();
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix(name)?.trim().parse().ok());
    line.unwrap_or_else(|| panic!("no {name} in {text}"))
}

#[tokio::test]
async fn a_cpu_hog_gets_what_it_is_allowed_and_is_held_back() {
    let Some((host, api)) = host().await else { return };
    let hog = NewContainer {
        limits: Limits {
            nano_cpus: Some(Some(500_000_000)),
            ..Limits::default()
        },
        ..started("hog", "while true; do :; done & while true; do :; done")
    };
    let created = api.create(&hog).await.expect("it runs");
    let used_us = || {
        let v1 = host
            .cgroup_file(&created.id, &["cpuacct.usage"])
            .and_then(|text| text.parse::<u64>().ok());
        v1.map_or_else(|| stat(&host, &created.id, "usage_usec"), |nanos| nanos / 1000)
    };
    let (begun, used, throttled) = (Instant::now(), used_us(), stat(&host, &created.id, "nr_throttled"));
    tokio::time::sleep(Duration::from_secs(5)).await;
    let share = (used_us() - used) as f64 / begun.elapsed().as_micros() as f64;
    assert!(share <= 0.55, "it used {share:.3} of a processor");
    assert!(stat(&host, &created.id, "nr_throttled") > throttled, "it was held back");
    api.act(Method::DELETE, "/containers/hog?force=true")
        .await
        .expect("it is removed");
}

#[tokio::test]
async fn two_hundred_containers_leave_nothing() {
    const COUNT: usize = 200;
    let Some((host, api)) = host().await else { return };
    // One first, so that what is made once and stays is there before.
    let first = api.create(&started("first", "true")).await.expect("it runs");
    api.wait(&first.id).await;
    api.act(Method::DELETE, "/containers/first")
        .await
        .expect("it is removed");
    let before = host.leftovers();
    let mut work = Vec::new();
    for worker in 0..4 {
        let api = api.clone();
        work.push(tokio::spawn(async move {
            for number in 0..COUNT / 4 {
                let port = 21_000 + worker * 100 + number;
                let new = NewContainer {
                    ports: vec![format!("127.0.0.1:{port}:80")],
                    ..started(&format!("many-{worker}-{number}"), "exec sleep 1000")
                };
                api.create(&new).await.unwrap_or_else(|error| panic!("{error:?}"));
            }
        }));
    }
    for worker in work {
        worker.await.expect("no error");
    }
    let list: List<Container> = api.get("/containers").await.expect("a list");
    assert_eq!(list.items.len(), COUNT);
    assert!(
        list.items
            .iter()
            .all(|container| container.state.status == Status::Running)
    );
    let mut work = Vec::new();
    for part in list.items.chunks(COUNT / 4) {
        let (api, ids) = (
            api.clone(),
            part.iter().map(|container| container.id.clone()).collect::<Vec<_>>(),
        );
        work.push(tokio::spawn(async move {
            for id in ids {
                let path = format!("/containers/{id}?force=true");
                api.act(Method::DELETE, &path)
                    .await
                    .unwrap_or_else(|error| panic!("{error:?}"));
            }
        }));
    }
    for worker in work {
        worker.await.expect("no error");
    }
    // A process that was killed may still be seen for a moment.
    let same = harness::wait_until(Duration::from_secs(5), || (host.leftovers() == before).then_some(()));
    assert!(same.is_some(), "before: {before:#?}\nafter: {:#?}", host.leftovers());
}
