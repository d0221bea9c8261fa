//! Lives of containers: start, stop, restart, removal.

use crate::host::{Host, by, sh, text_of};
use engine::{EngineError, Kind, NewContainer, RemoveOptions, WaitCondition};
use model::container::limits::{Ceiling, Limits, Memory};
use model::container::spec::StopTimeout;
use model::container::{ContainerName, ExitStatus, RestartPolicy, State};
use model::event::Action;
use model::mount::Mount;
use std::time::Duration;

#[tokio::test(flavor = "multi_thread")]
async fn a_command_runs_and_leaves_its_output_and_exit_code() {
    let Some(host) = Host::open().await else { return };
    let id = host.create(sh("echo hello; echo world >&2; exit 3")).await;
    let waiting = host.engine.wait(&id, WaitCondition::NextExit).unwrap();
    host.engine.start(&id).await.unwrap();
    let exit = waiting.ended().await;
    assert_eq!(exit.code, 3);
    let lines = host.engine.logs(&id).unwrap().read(1, 10).await.unwrap();
    let texts: Vec<String> = lines.iter().map(text_of).collect();
    assert!(
        texts.contains(&"hello".to_owned()) && texts.contains(&"world".to_owned()),
        "{texts:?}"
    );
    let State::Exited { status, .. } = host.engine.inspect(&id).unwrap().state else {
        panic!("it has exited")
    };
    assert_eq!(status, ExitStatus::Code(3));
    let runs = host.engine.runs(&id).await.unwrap();
    assert_eq!((runs.len(), runs[0].exit_code), (1, Some(3)));
    host.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_is_given_once_and_free_again_after_removal() {
    let Some(host) = Host::open().await else { return };
    let named = || NewContainer {
        name: Some(ContainerName::parse("web").unwrap()),
        ..sh("true")
    };
    let first = host.create(named()).await;
    let error = host.engine.create(named()).await.unwrap_err();
    assert!(matches!(error, EngineError::Taken { .. }), "{error}");
    assert_eq!(host.engine.find("web").unwrap(), first);
    host.engine.remove(&first, RemoveOptions::default()).await.unwrap();
    host.create(named()).await;
    host.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_that_is_not_there_fails_with_127_and_words() {
    let Some(host) = Host::open().await else { return };
    let id = host
        .create(NewContainer {
            command: Some(vec!["/nonexistent".to_owned()]),
            ..sh("")
        })
        .await;
    let error = host.engine.start(&id).await.unwrap_err();
    let EngineError::StartFailed { code, reason, .. } = error else {
        panic!("{error}")
    };
    assert_eq!(code, 127, "{reason}");
    assert!(matches!(
        host.engine.inspect(&id).unwrap().state,
        State::Failed { code: 127, .. }
    ));
    host.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stubborn_command_is_killed_when_patience_ends() {
    let Some(host) = Host::open().await else { return };
    let id = host
        .create(sh("trap '' TERM; echo up; while :; do sleep 0.05; done"))
        .await;
    host.engine.start(&id).await.unwrap();
    host.line(&id, "up").await;
    let patience = Some(StopTimeout::After(Duration::from_millis(300)));
    host.engine.stop(&id, patience, None, by()).await.unwrap();
    let exit = host.engine.inspect(&id).unwrap().last_exit.clone().unwrap();
    assert_eq!(exit.code, 137);
    assert!(host.engine.inspect(&id).unwrap().stopped_by_hand);
    assert_eq!(host.engine.inspect(&id).unwrap().stopped_by, Some(by()));
    let runs = host.engine.runs(&id).await.unwrap();
    assert_eq!(runs.last().unwrap().stopped_by, Some(by()));
    host.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failing_container_is_restarted_as_often_as_its_policy_says() {
    let Some(host) = Host::open().await else { return };
    let id = host
        .create(NewContainer {
            restart: RestartPolicy::OnFailure { max_retries: Some(2) },
            ..sh("echo once; exit 1")
        })
        .await;
    host.engine.start(&id).await.unwrap();
    host.until(&id, |container| {
        container.last_exit.as_ref().is_some_and(|exit| exit.run == 3)
    })
    .await;
    assert_eq!(host.engine.runs(&id).await.unwrap().len(), 3);
    assert_eq!(host.engine.logs(&id).unwrap().tail(10).await.unwrap().len(), 3);
    host.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_container_removed_by_force_leaves_nothing() {
    let Some(host) = Host::open().await else { return };
    let id = host.create(sh("echo up; while :; do sleep 0.1; done")).await;
    host.engine.start(&id).await.unwrap();
    host.line(&id, "up").await;
    let error = host.engine.remove(&id, RemoveOptions::default()).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Conflict);
    let force = RemoveOptions {
        force: true,
        volumes: true,
    };
    host.engine.remove(&id, force).await.unwrap();
    assert_eq!(host.engine.inspect(&id).unwrap_err().kind(), Kind::NotFound);
    assert!(host.leftovers(&id).is_empty(), "{:?}", host.leftovers(&id));
    host.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_paused_container_stands_still_and_goes_on() {
    let Some(host) = Host::open().await else { return };
    let id = host.create(sh("echo up; while :; do sleep 0.1; done")).await;
    host.engine.start(&id).await.unwrap();
    host.engine.pause(&id).await.unwrap();
    assert!(matches!(host.engine.inspect(&id).unwrap().state, State::Paused { .. }));
    assert_eq!(host.engine.start(&id).await.unwrap_err().kind(), Kind::Conflict);
    host.engine.unpause(&id).await.unwrap();
    host.engine.pause(&id).await.unwrap();
    let patience = Some(StopTimeout::After(Duration::ZERO));
    host.engine.stop(&id, patience, None, by()).await.unwrap();
    assert!(!host.engine.inspect(&id).unwrap().is_running());
    host.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_limit_changes_while_it_runs_and_is_read_back() {
    let Some(host) = Host::open().await else { return };
    let id = host.create(sh("while :; do sleep 0.1; done")).await;
    host.engine.start(&id).await.unwrap();
    let limit = |limit| Limits {
        memory: Memory {
            limit: Some(limit),
            ..Memory::default()
        },
        ..Limits::default()
    };
    let asked = limit(Ceiling::At((64 << 20) + 1));
    let after = host.engine.update(&id, Some(asked), None).await.unwrap();
    assert_eq!(after.spec.limits.memory.limit, Some(Ceiling::At(64 << 20)));
    let after = host
        .engine
        .update(&id, Some(limit(Ceiling::Unlimited)), None)
        .await
        .unwrap();
    assert_eq!(after.spec.limits.memory.limit, None);
    host.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn events_tell_a_life_in_order() {
    let Some(host) = Host::open().await else { return };
    let mut events = host.engine.events(None);
    let id = host.create(sh("exit 0")).await;
    let waiting = host.engine.wait(&id, WaitCondition::Removed).unwrap();
    host.engine.start(&id).await.unwrap();
    host.until(&id, |container| !container.is_running()).await;
    host.engine.remove(&id, RemoveOptions::default()).await.unwrap();
    assert_eq!(waiting.ended().await.code, 0);
    let mut actions = Vec::new();
    while actions.last() != Some(&Action::Destroy) {
        let event = tokio::time::timeout(Duration::from_secs(60), events.next())
            .await
            .unwrap()
            .unwrap();
        actions.push(event.action);
    }
    let expected = [
        Action::Create,
        Action::Connect,
        Action::Start,
        Action::Disconnect,
        Action::Die,
        Action::Destroy,
    ];
    assert_eq!(actions, expected);
    host.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_volume_begins_with_the_images_content_and_outlives_its_container() {
    let Some(host) = Host::open().await else { return };
    let mounted = |line: &str| NewContainer {
        mounts: vec![Mount::parse("data:/srv").unwrap()],
        working_dir: Some("/made/for/it".to_owned()),
        ..sh(line)
    };
    assert_eq!(
        host.run(mounted("cat /srv/greeting; pwd; echo more > /srv/more")).await,
        ["from the image", "/made/for/it"]
    );
    assert_eq!(host.run(mounted("cat /srv/more")).await, ["more"]);
    let volume = host.engine.volume("data").await.unwrap();
    assert_eq!(volume.used_by.len(), 2);
    assert_eq!(
        host.engine.remove_volume("data").await.unwrap_err().kind(),
        Kind::Conflict
    );
    host.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_wanted_only_until_its_end_is_gone_then() {
    let Some(host) = Host::open().await else { return };
    let id = host
        .create(NewContainer {
            auto_remove: true,
            anonymous_volumes: vec!["/scratch".to_owned()],
            ..sh("exit 4")
        })
        .await;
    let waiting = host.engine.wait(&id, WaitCondition::Removed).unwrap();
    host.engine.start(&id).await.unwrap();
    assert_eq!(waiting.ended().await.code, 4);
    assert_eq!(host.engine.inspect(&id).unwrap_err().kind(), Kind::NotFound);
    assert!(host.leftovers(&id).is_empty(), "{:?}", host.leftovers(&id));
    host.no_volumes().await;
    host.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_container_that_takes_too_much_memory_is_told_to_have_been_killed_for_it() {
    let Some(host) = Host::open().await else { return };
    let limits = Limits {
        memory: Memory {
            limit: Some(Ceiling::At(16 << 20)),
            memory_and_swap: Some(Ceiling::At(16 << 20)),
            ..Memory::default()
        },
        ..Limits::default()
    };
    let id = host
        .create(NewContainer {
            limits,
            ..sh("x=0123456789abcdef; while :; do x=$x$x; done")
        })
        .await;
    host.engine.start(&id).await.unwrap();
    host.until(&id, |container| !container.is_running()).await;
    let exit = host.engine.inspect(&id).unwrap().last_exit.clone().unwrap();
    assert!(exit.oom_killed, "{exit:?}");
    assert_eq!(exit.code, 137);
    host.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn users_are_those_of_the_containers_own_files() {
    let Some(host) = Host::open().await else { return };
    let by = |user: &str| NewContainer {
        user: Some(user.to_owned()),
        ..sh("id -u; id -g; echo $HOME")
    };
    assert_eq!(host.run(by("web")).await, ["1000", "1001", "/home/web"]);
    assert_eq!(host.run(by("5:6")).await, ["5", "6", "/"]);
    let id = host.create(by("nobody-knows")).await;
    let error = host.engine.start(&id).await.unwrap_err();
    assert!(error.to_string().contains("nobody-knows"), "{error}");
    host.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_runs_the_command_again() {
    let Some(host) = Host::open().await else { return };
    let id = host.create(sh("echo run; exec sleep 600")).await;
    host.engine.start(&id).await.unwrap();
    let patience = Some(StopTimeout::After(Duration::ZERO));
    host.engine.restart(&id, patience, None, by()).await.unwrap();
    let container = host.engine.inspect(&id).unwrap();
    assert!(container.is_running());
    assert_eq!((container.run, container.stopped_by_hand), (2, false));
    host.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn many_containers_start_and_end_at_once() {
    let Some(host) = Host::open().await else { return };
    let mut ids = Vec::new();
    for _ in 0..20 {
        ids.push(host.create(sh("echo here")).await);
    }
    let starts = ids.iter().map(|id| host.engine.start(id));
    for outcome in futures_util::future::join_all(starts).await {
        outcome.unwrap();
    }
    for id in &ids {
        host.until(id, |container| !container.is_running()).await;
        assert_eq!(host.engine.inspect(id).unwrap().last_exit.as_ref().unwrap().code, 0);
    }
    host.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_stays_while_a_container_is_made_from_it() {
    let Some(host) = Host::open().await else { return };
    let id = host.create(sh("true")).await;
    let error = host.engine.remove_image("busybox", false).await.unwrap_err();
    assert!(matches!(error, EngineError::InUse { .. }), "{error}");
    host.engine.remove(&id, RemoveOptions::default()).await.unwrap();
    let removed = host.engine.remove_image("busybox", false).await.unwrap();
    assert_eq!(removed.deleted.len(), 1);
    assert!(host.engine.create(sh("true")).await.is_err());
    host.close().await;
}
