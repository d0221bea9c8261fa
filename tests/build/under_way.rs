//! Builds while they run: what is seen of them, how they are ended, and what is left.

use crate::builder::{BASE, Builder};
use crate::case::parse;
use harness::wait_until;
use reqwest::Method;
use serde_json::Value;
use shared::build::{Build, BuildState, Details, LinePage, NewBuild, StepState};
use shared::list::List;
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(60);

fn of_text(dockerfile: String) -> NewBuild {
    NewBuild {
        dockerfile: Some(dockerfile),
        ..NewBuild::default()
    }
}

async fn wait_for_line(builder: &Builder, id: &str, wanted: &str) {
    let seen = async {
        loop {
            let page: LinePage = builder.api.get(&format!("/builds/{id}/log")).await.expect("a log");
            if page.lines.iter().any(|line| line.text == wanted) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(LIMIT, seen).await.expect("the line comes");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_build_ends_at_once_and_leaves_nothing() {
    let Some(builder) = Builder::start().await else { return };
    let begun = builder
        .begin(
            &of_text(format!("FROM {BASE}\nRUN echo up; sleep 1000\nRUN true\n")),
            None,
        )
        .await;
    wait_for_line(&builder, &begun.id, "up").await;
    let now: Details = builder
        .api
        .get(&format!("/builds/{}", begun.id))
        .await
        .expect("it is known");
    let states: Vec<StepState> = now.steps.iter().map(|step| step.state).collect();
    assert_eq!(states, [StepState::Done, StepState::Running, StepState::Waiting]);
    assert_eq!((now.steps[1].first_line, now.steps[1].stage.as_str()), (2, "0"));
    // Nobody sees its container.
    let containers: List<Value> = builder.api.get("/containers").await.expect("a list");
    assert!(containers.items.is_empty());
    builder
        .api
        .act(Method::POST, &format!("/builds/{}/cancel", begun.id))
        .await
        .expect("it is asked");
    let ended = builder.finish(&begun.id).await;
    assert_eq!(ended.build.state, BuildState::Cancelled);
    assert_eq!(ended.steps[1].state, StepState::Cancelled);
    assert!(wait_until(LIMIT, || builder.left_in("containers").is_empty().then_some(())).is_some());
    assert!(builder.left_in("builds/work").is_empty());
    let left = builder.host.leftovers();
    assert!(left.is_only_the_network(), "{left:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn stages_that_need_nothing_of_each_other_run_side_by_side() {
    let Some(builder) = Builder::start().await else { return };
    // Each waits for what the other leaves in a cache they share.
    let wait = |own: &str, other: &str| {
        format!(
            "RUN --mount=type=cache,target=/c,id=meet touch /c/{own}; \
             n=0; until [ -e /c/{other} ]; do n=$((n+1)); [ $n -lt 600 ] || exit 1; sleep 0.1; done"
        )
    };
    let dockerfile = format!(
        "FROM {BASE} AS one\n{}\nFROM {BASE} AS two\n{}\nFROM {BASE}\nCOPY --from=one /etc/passwd /1\nCOPY --from=two /etc/passwd /2\n",
        wait("a", "b"),
        wait("b", "a")
    );
    builder.simple(&dockerfile).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failure_tells_step_code_and_last_lines_and_the_build_is_kept() {
    let Some(builder) = Builder::start().await else { return };
    let text = format!("FROM {BASE}\nRUN true\nRUN for i in $(seq 30); do echo line $i; done; exit 7\nRUN true\n");
    let details = builder.build(&of_text(text.clone()), None).await;
    assert_eq!(details.build.state, BuildState::Failed);
    let problem = details.build.problem.expect("a problem").detail;
    assert!(problem.starts_with("Dockerfile, line 3, RUN: "), "{problem}");
    assert!(
        problem.contains("exit code 7") && problem.ends_with("line 30"),
        "{problem}"
    );
    assert!(
        problem.contains("line 21") && !problem.contains("line 20\n"),
        "{problem}"
    );
    assert_eq!(details.steps[2].exit_code, Some(7));
    assert_eq!(details.dockerfile, text);
    let list: List<Build> = builder.api.get("/builds").await.expect("a list");
    assert_eq!(list.items[0].id, details.build.id);
    let page: LinePage = builder
        .api
        .get(&format!("/builds/{}/log?step=3&max=10&from=1", details.build.id))
        .await
        .expect("a log");
    assert_eq!(page.lines.len(), 10);
    assert_eq!(page.lines[0].text, "line 1");
    builder
        .api
        .act(Method::DELETE, &format!("/builds/{}", details.build.id))
        .await
        .expect("it goes");
    let list: List<Build> = builder.api.get("/builds").await.expect("a list");
    assert!(list.items.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_context_that_is_broken_or_hostile_is_refused_and_leaves_nothing() {
    let Some(builder) = Builder::start().await else { return };
    let mut up = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_size(1);
    header.set_mode(0o644);
    header.as_mut_bytes()[..7].copy_from_slice(b"../evil");
    header.set_cksum();
    up.append(&header, &b"x"[..]).expect("a tar in memory");
    let up = up.into_inner().expect("a tar in memory");
    let good = parse("=== x\n--- file a\n--- dockerfile\nFROM scratch\nCOPY a /a")
        .remove(0)
        .context();
    let half = good[..700].to_vec();
    for (context, wanted) in [
        (b"no tar".repeat(200), "cannot be read as a tar"),
        (up, "`../evil` is refused"),
        (half, "context"),
        (Vec::new(), "no file `Dockerfile`"),
    ] {
        let details = builder.build(&NewBuild::default(), Some(context)).await;
        let problem = details.build.problem.expect("a problem").detail;
        assert!(problem.contains(wanted), "{problem}");
    }
    assert!(!builder.host.data_dir().join("builds/work/evil").exists());
    assert!(builder.left_in("builds/work").is_empty());
}

/// A few rounds here; `GANTRY_ROUNDS` makes more of them.
#[tokio::test(flavor = "multi_thread")]
async fn a_killed_server_leaves_nothing_of_a_build_and_builds_again() {
    let Some(mut builder) = Builder::start().await else {
        return;
    };
    let rounds: u32 = std::env::var("GANTRY_ROUNDS")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(4);
    let steps: Vec<String> = (0..6)
        .map(|n| format!("RUN head -c 2000000 /dev/urandom > /f{n}; sleep 0.05\n"))
        .collect();
    let steps = steps.concat();
    for round in 0..rounds {
        // Another command each time, so that nothing is remembered.
        let text = format!("FROM {BASE}\nENV ROUND={round}\n{steps}");
        let begun = builder.begin(&of_text(text), None).await;
        tokio::time::sleep(Duration::from_millis(u64::from(round * 97 % 900))).await;
        builder.host.kill();
        builder.host.start_again();
        builder.api = builder.host.api();
        let details: Details = builder
            .api
            .get(&format!("/builds/{}", begun.id))
            .await
            .expect("it is remembered");
        assert_ne!(details.build.state, BuildState::Running, "round {round}");
        assert!(builder.left_in("builds/work").is_empty(), "round {round}");
        assert!(builder.left_in("containers").is_empty(), "round {round}");
        let left = builder.host.leftovers();
        assert!(left.is_only_the_network(), "round {round}: {left:?}");
        builder
            .simple(&format!("FROM {BASE}\nENV ROUND={round}\nRUN echo fine > /a\n"))
            .await;
    }
    let steps = format!("FROM {BASE}\nENV ROUND=0\n{steps}");
    let whole = builder.simple(&steps).await;
    let (code, _) = builder
        .run_output(&whole.build.image.expect("an image"), &["test", "-s", "/f5"])
        .await;
    assert_eq!(code, 0);
}
