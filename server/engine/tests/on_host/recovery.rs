//! What a returning server finds.

use crate::host::{Host, by, sh};
use engine::{Kind, NewContainer};
use model::Signal;
use model::container::spec::StopTimeout;
use model::container::{InitProcess, Loss, RestartPolicy, State};
use std::time::Duration;

#[tokio::test(flavor = "multi_thread")]
async fn a_container_outlives_its_server_and_is_found_again() {
    let Some(host) = Host::open().await else { return };
    let running = host.create(sh("echo up; while :; do sleep 0.1; done")).await;
    let ending = host.create(sh("echo up; sleep 0.3; exit 7")).await;
    let resting = host.create(sh("true")).await;
    for id in [&running, &ending] {
        host.engine.start(id).await.unwrap();
        host.line(id, "up").await;
    }
    let before = host.engine.inspect(&running).unwrap().state.init().unwrap();
    let crashed = host.crash().await;
    crashed.exit_record(&ending).await;
    let host = crashed.open().await;
    assert_eq!(host.engine.inspect(&running).unwrap().state.init(), Some(before));
    host.until(&ending, |container| !container.is_running()).await;
    assert_eq!(
        host.engine.inspect(&ending).unwrap().last_exit.as_ref().unwrap().code,
        7
    );
    assert_eq!(host.engine.inspect(&resting).unwrap().state, State::Created);
    host.engine.kill(&running, Signal::KILL, by()).await.unwrap();
    host.until(&running, |container| !container.is_running()).await;
    host.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn policies_decide_what_a_returning_server_starts() {
    let Some(host) = Host::open().await else { return };
    let with = |restart| NewContainer {
        restart,
        ..sh("echo up; exec sleep 600")
    };
    let always = host.create(with(RestartPolicy::Always)).await;
    let unless = host.create(with(RestartPolicy::UnlessStopped)).await;
    let never_started = host.create(with(RestartPolicy::Always)).await;
    let now = Some(StopTimeout::After(Duration::ZERO));
    for id in [&always, &unless] {
        host.engine.start(id).await.unwrap();
        host.engine.stop(id, now, None, by()).await.unwrap();
    }
    let host = host.crash().await.open().await;
    host.until(&always, |container| container.is_running()).await;
    assert!(!host.engine.inspect(&unless).unwrap().is_running());
    assert_eq!(host.engine.inspect(&never_started).unwrap().state, State::Created);
    host.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_shim_is_told_as_lost_and_leaves_no_process() {
    let Some(host) = Host::open().await else { return };
    let id = host.create(sh("exec sleep 600")).await;
    host.engine.start(&id).await.unwrap();
    let init = host.engine.inspect(&id).unwrap().state.init().unwrap();
    host.kill_shim(&id);
    host.until(&id, |container| !container.is_running()).await;
    let state = host.engine.inspect(&id).unwrap().state.clone();
    assert!(
        matches!(
            state,
            State::Lost {
                why: Loss::ShimKilled,
                ..
            }
        ),
        "{state:?}"
    );
    assert!(!lives(init));
    host.engine.start(&id).await.unwrap();
    assert!(host.engine.inspect(&id).unwrap().is_running());
    host.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shim_killed_while_no_server_ran_is_told_too() {
    let Some(host) = Host::open().await else { return };
    let id = host.create(sh("exec sleep 600")).await;
    host.engine.start(&id).await.unwrap();
    let shim = host.shim(&id);
    let crashed = host.crash().await;
    sys::pidfd::send_signal(&shim, Signal::KILL.number()).unwrap();
    let host = crashed.open().await;
    let state = host.engine.inspect(&id).unwrap().state.clone();
    assert!(
        matches!(
            state,
            State::Lost {
                why: Loss::ShimKilled,
                ..
            }
        ),
        "{state:?}"
    );
    host.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_began_and_ended_while_the_server_died_is_known() {
    let Some(host) = Host::open().await else { return };
    let over = host.create(sh("echo done; sleep 0.3; exit 6")).await;
    let runs = host.create(sh("exec sleep 600")).await;
    for id in [&over, &runs] {
        host.engine.start(id).await.unwrap();
    }
    let init = host.engine.inspect(&runs).unwrap().state.init().unwrap();
    let crashed = host.crash().await;
    crashed.exit_record(&over).await;
    for id in [&over, &runs] {
        crashed.forget_start(id).await;
    }
    let host = crashed.open().await;
    let seen = host.engine.inspect(&over).unwrap();
    assert!(
        matches!(&seen.state, State::Exited { status, .. } if status.code() == 6),
        "{:?}",
        seen.state
    );
    // Nothing of it was told to anybody: it is ended, and said to have failed.
    let cut_off = host.engine.inspect(&runs).unwrap();
    assert!(
        matches!(cut_off.state, State::Failed { code: 128, .. }),
        "{:?}",
        cut_off.state
    );
    assert!(!lives(init));
    // The next server has nothing to add.
    let host = host.crash().await.open().await;
    assert_eq!(host.engine.inspect(&over).unwrap().state, seen.state);
    assert_eq!(host.engine.inspect(&runs).unwrap().state, cut_off.state);
    host.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_paused_container_is_found_paused() {
    let Some(host) = Host::open().await else { return };
    let id = host.create(sh("exec sleep 600")).await;
    host.engine.start(&id).await.unwrap();
    host.engine.pause(&id).await.unwrap();
    let host = host.crash().await.open().await;
    assert!(matches!(host.engine.inspect(&id).unwrap().state, State::Paused { .. }));
    host.engine.unpause(&id).await.unwrap();
    host.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_server_on_the_same_directories_is_refused() {
    let Some(host) = Host::open().await else { return };
    let error = host.open_second().await.unwrap_err();
    assert_eq!(error.kind(), Kind::Conflict, "{error}");
    host.close().await;
}

/// Whether the process still does anything: one that nobody has waited for yet does not.
fn lives(process: InitProcess) -> bool {
    let same = sys::pidfd::start_ticks(process.pid).is_ok_and(|ticks| ticks == process.start_ticks);
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", process.pid)).unwrap_or_default();
    same && !stat.contains(") Z ")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_takes_its_containers_along_brings_them_back() {
    let Some(host) = Host::open().await else { return };
    let id = host
        .create(NewContainer {
            restart: RestartPolicy::UnlessStopped,
            ..sh("trap 'exit 0' TERM; while :; do sleep 0.05; done")
        })
        .await;
    host.engine.start(&id).await.unwrap();
    let init = host.engine.inspect(&id).unwrap().state.init().unwrap();
    let ended = host.end(true).await;
    assert!(!lives(init));
    let host = ended.open().await;
    host.until(&id, |container| container.is_running()).await;
    host.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wait_for_the_next_try_is_not_forgotten() {
    let Some(host) = Host::open().await else { return };
    let id = host
        .create(NewContainer {
            restart: RestartPolicy::OnFailure { max_retries: None },
            ..sh("[ -e /tmp/again ] && exec sleep 600; echo > /tmp/again; exit 1")
        })
        .await;
    host.engine.start(&id).await.unwrap();
    host.until(&id, |container| container.last_exit.is_some()).await;
    let host = host.crash().await.open().await;
    host.until(&id, |container| container.is_running()).await;
    host.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_the_host_lost_is_not_listed_and_can_be_brought_again() {
    let Some(host) = Host::open().await else { return };
    let id = host.create(sh("exit 3")).await;
    let crashed = host.crash().await;
    crashed.boot_another(false).await;
    let host = crashed.open().await;
    assert_eq!(host.engine.images().await.unwrap().items.len(), 1);
    let crashed = host.crash().await;
    crashed.boot_another(true).await;
    let host = crashed.open().await;
    assert!(host.engine.images().await.unwrap().items.is_empty());
    let error = host.engine.start(&id).await.unwrap_err();
    assert!(error.to_string().contains("is not on this host"), "{error}");
    host.import_busybox().await;
    assert_eq!(host.run(sh("echo back")).await, ["back"]);
    host.close().await;
}
