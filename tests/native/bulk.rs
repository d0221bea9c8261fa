//! One action on many containers.

use crate::{host, sh, started};
use harness::Api;
use reqwest::Method;
use serde_json::json;
use shared::container::Status;
use shared::task::{ItemState, Task, TaskKind, TaskState};
use std::time::Duration;

async fn status(api: &Api, name: &str) -> Status {
    api.inspect(name).await.container.state.status
}

#[tokio::test]
async fn many_containers_are_stopped_by_a_task_that_tells_of_each() {
    let Some((host, api)) = host().await else { return };
    for number in 0..20 {
        let new = started(
            &format!("web-{number}"),
            "trap 'exit 0' TERM; while :; do sleep 0.05; done",
        );
        api.create(&new).await.expect("it runs");
    }
    api.create(&started("other", "sleep 600")).await.expect("it runs");
    let asked = json!({ "action": "stop", "filter": { "name": "web-", "status": ["running"] }, "timeout": 20 });
    let task: Task = api
        .send(Method::POST, "/containers/bulk", &asked)
        .await
        .expect("it begins");
    assert_eq!(
        (task.kind, task.title.as_str(), task.items.len()),
        (TaskKind::Bulk, "Stop 20 containers", 20)
    );
    let task = api.finish(task).await;
    assert_eq!(task.state, TaskState::Done, "{task:?}");
    assert!(
        task.items
            .iter()
            .all(|item| item.state == ItemState::Done && item.name.starts_with("web-"))
    );
    assert_eq!(status(&api, "web-7").await, Status::Exited);
    assert_eq!(status(&api, "other").await, Status::Running);

    // By name and id at once, and one that is not there: the rest goes on.
    let id = api.inspect("web-0").await.container.id;
    let asked = json!({ "action": "remove", "ids": ["web-0", id, "nothing", "other", "web-1"] });
    let task: Task = api
        .send(Method::POST, "/containers/bulk", &asked)
        .await
        .expect("it begins");
    let task = api.finish(task).await;
    assert_eq!(task.state, TaskState::Failed);
    let problem = task.problem.expect("a problem");
    assert_eq!(problem.code, "bulk_failed");
    assert!(problem.detail.contains("2 of 4"), "{}", problem.detail);
    let codes: Vec<_> = task
        .items
        .iter()
        .map(|item| {
            (
                item.name.as_str(),
                item.problem.as_ref().map(|problem| problem.code.as_str()),
            )
        })
        .collect();
    let expected = [
        ("web-0", None),
        ("nothing", Some("not_found")),
        ("other", Some("container_running")),
        ("web-1", None),
    ];
    assert_eq!(codes, expected);

    for refused in [
        json!({ "action": "stop" }),
        json!({ "action": "stop", "ids": [], "filter": {} }),
        json!({ "action": "stop", "ids": ["web-2"], "signal": "SIGNOTHING" }),
    ] {
        let refusal = api
            .send::<Task>(Method::POST, "/containers/bulk", &refused)
            .await
            .expect_err("refused");
        assert_eq!(refusal.status, 422, "{refused}");
    }
    let asked = json!({ "action": "stop", "filter": {} });
    let viewer = api.with_token(Some(&host.make_token("viewer")));
    let refusal = viewer
        .send::<Task>(Method::POST, "/containers/bulk", &asked)
        .await
        .expect_err("refused");
    assert_eq!(refusal.status, 403);
}

#[tokio::test]
async fn a_cancelled_action_finishes_what_it_began_and_leaves_the_rest() {
    let Some((_host, api)) = host().await else { return };
    // Deaf to signals: each stop takes its whole time.
    for number in 0..18 {
        let new = started(&format!("deaf-{number}"), "trap '' TERM; while :; do sleep 0.05; done");
        api.create(&new).await.expect("it runs");
    }
    api.create(&sh("created", "true")).await.expect("it is made");
    let asked = json!({ "action": "stop", "filter": { "status": ["running"] }, "timeout": 3 });
    let mut task: Task = api
        .send(Method::POST, "/containers/bulk", &asked)
        .await
        .expect("it begins");
    let begun = |task: &Task| {
        task.items
            .iter()
            .filter(|item| item.state == ItemState::Running)
            .count()
    };
    let limit = std::time::Instant::now() + Duration::from_secs(30);
    while begun(&task) < 16 {
        assert!(std::time::Instant::now() < limit, "{task:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
        task = api
            .get(&format!("/tasks/{}", task.id))
            .await
            .expect("the task is known");
    }
    api.act(Method::POST, &format!("/tasks/{}/cancel", task.id))
        .await
        .expect("it is asked");
    let task = api.finish(task).await;
    assert_eq!(task.state, TaskState::Cancelled);
    let count = |state| task.items.iter().filter(|item| item.state == state).count();
    assert_eq!((count(ItemState::Done), count(ItemState::Cancelled)), (16, 2));
}
