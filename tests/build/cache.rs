//! What is remembered from one build to the next, and what is not.

use crate::builder::{BASE, Builder};
use crate::case::{Case, parse};
use harness::Image;
use reqwest::Method;
use serde_json::{Value, json};
use shared::build::{BuildState, CacheEntry, CachePruned, Details, NewBuild, StepState};
use shared::list::List;
use std::fmt::Write as _;
use std::time::{Duration, Instant};

fn case(text: &str) -> Case {
    parse(&format!("=== case\n{text}")).remove(0)
}

/// Which steps were cached, as `FROM` leaves them out.
fn cached(details: &Details) -> Vec<bool> {
    let steps = details
        .steps
        .iter()
        .filter(|step| !step.instruction.starts_with("FROM"));
    steps.map(|step| step.state == StepState::Cached).collect()
}

async fn built(builder: &Builder, text: &str) -> Details {
    let details = builder.build_case(&case(text), "localhost/cached:1").await;
    assert_eq!(details.build.state, BuildState::Done, "{details:?}");
    details
}

#[tokio::test(flavor = "multi_thread")]
async fn a_step_is_done_again_when_what_it_depends_on_has_changed_and_only_then() {
    let Some(builder) = Builder::start().await else { return };
    let text = |a: &str, b: &str, arg: &str, command: &str| {
        format!(
            "--- file a\n{a}\n--- file b\n{b}\n--- arg V={arg}\n--- dockerfile\nFROM {BASE}\nCOPY a /a\nRUN cat /a > /seen\n\
             ARG V\nLABEL x=y\nCOPY b /b\nRUN {command}\n"
        )
    };
    let first = built(&builder, &text("1", "1", "1", "echo $V > /v")).await;
    assert_eq!(cached(&first), [false; 6]);
    // A context sent again has other times and the same content.
    let again = built(&builder, &text("1", "1", "1", "echo $V > /v")).await;
    assert_eq!(cached(&again), [true; 6]);
    assert_eq!(again.build.image, first.build.image, "the same image");
    let other_b = built(&builder, &text("1", "2", "1", "echo $V > /v")).await;
    assert_eq!(cached(&other_b), [true, true, true, true, false, false]);
    // An argument counts from where it is declared; a copy does not use it.
    let other_arg = built(&builder, &text("1", "1", "2", "echo $V > /v")).await;
    assert_eq!(cached(&other_arg), [true, true, false, false, true, false]);
    let other_command = built(&builder, &text("1", "1", "1", "echo $V >> /v")).await;
    assert_eq!(cached(&other_command), [true, true, true, true, true, false]);
    let other_a = built(&builder, &text("2", "1", "1", "echo $V > /v")).await;
    assert!(!cached(&other_a)[0] && !cached(&other_a)[1]);
    let no_cache = NewBuild {
        no_cache: true,
        dockerfile: Some(format!("FROM {BASE}\nRUN true\n")),
        ..NewBuild::default()
    };
    builder.build(&no_cache, None).await;
    assert_eq!(cached(&builder.build(&no_cache, None).await), [false]);
}

#[tokio::test(flavor = "multi_thread")]
async fn secrets_are_in_no_layer_history_log_or_key() {
    const SECRET: &str = "correct-horse-battery";
    let Some(builder) = Builder::start().await else { return };
    let text = |secret: &str| {
        format!(
            "--- secret token={secret}\n--- dockerfile\nFROM {BASE}\n\
             RUN --mount=type=secret,id=token,env=TOKEN cat /run/secrets/token; echo it is $TOKEN; echo done > /a\n"
        )
    };
    let first = builder.build_case(&case(&text(SECRET)), "localhost/secret:1").await;
    // The file is not there: only the variable was asked for. The rest went on.
    assert_eq!(first.build.state, BuildState::Done, "{first:?}");
    let log = builder.log(&first).await;
    assert!(log.contains("it is ***") && !log.contains(SECRET), "{log}");
    let again = builder
        .build_case(&case(&text("another one")), "localhost/secret:1")
        .await;
    assert_eq!(cached(&again), [true], "another secret is no other step");
    for dir in [builder.host.data_dir(), builder.host.dir().join("run")] {
        let found = std::process::Command::new("grep")
            .args(["-rlF", SECRET])
            .arg(&dir)
            .output()
            .expect("grep runs");
        assert_eq!(
            String::from_utf8_lossy(&found.stdout),
            "",
            "the secret is below {}",
            dir.display()
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn twenty_steps_that_are_all_remembered_take_no_time() {
    let Some(builder) = Builder::start().await else { return };
    let mut dockerfile = format!("FROM {BASE}\n");
    for number in 0..7 {
        let _ = write!(
            dockerfile,
            "COPY a /a{number}\nRUN echo {number} > /r{number}\nENV E{number}={number}\n"
        );
    }
    let text = format!("--- file a\n--- dockerfile\n{dockerfile}");
    let first = built(&builder, &text).await;
    assert!(first.steps.len() >= 20);
    let mut best = Duration::MAX;
    for _ in 0..5 {
        let begun = Instant::now();
        let again = built(&builder, &text).await;
        best = best.min(begun.elapsed());
        assert!(cached(&again).iter().all(|cached| *cached), "{again:?}");
        assert_eq!(again.build.image, first.build.image);
    }
    println!(
        "a build of {} remembered steps: {best:?} with upload and answer",
        first.steps.len()
    );
    // Far above what is measured alone: the machine may be busy.
    assert!(best < Duration::from_secs(5), "{best:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_sources_and_date_give_the_same_image_on_another_host() {
    let (Some(one), Some(other)) = (Builder::start().await, Builder::start().await) else {
        return;
    };
    let text = format!(
        "--- file d/a\n--- arg SOURCE_DATE_EPOCH=1700000000\n--- dockerfile\nFROM {BASE}\nCOPY d /d\nWORKDIR /w\n\
         RUN mkdir /x && date > /dev/null && echo same > /x/y && ln -s y /x/z\nLABEL a=b\n"
    );
    let (first, second) = (built(&one, &text).await, built(&other, &text).await);
    assert_eq!(first.build.image, second.build.image);
    let document = one.document(&first.build.image.expect("an image"));
    assert_eq!(document["created"], "2023-11-14T22:13:20.000000000Z");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_linked_layer_is_used_again_on_another_base() {
    let Some(builder) = Builder::start().await else { return };
    let text = |base: &str| format!("--- file a\n--- dockerfile\nFROM {base}\nCOPY --link a /x/\nRUN cat /x/a\n");
    builder
        .load(&Image::busybox().with_files(&[("more", b"x")]), "localhost/other:1")
        .await;
    built(&builder, &text(BASE)).await;
    let other = built(&builder, &text("localhost/other:1")).await;
    assert_eq!(cached(&other), [true, false]);
    let tree = builder.tree(&other.build.image.expect("an image")).await;
    assert!(tree.contains_key("more") && tree.contains_key("x/a"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_remembered_outlives_its_image_until_it_is_pruned() {
    let Some(builder) = Builder::start().await else { return };
    let text = format!("--- dockerfile\nFROM {BASE}\nRUN echo x > /x\n");
    let first = built(&builder, &text).await;
    let path = format!("/images/{}?force=true", first.build.image.as_ref().expect("an image"));
    builder.api.act(Method::DELETE, &path).await.expect("it goes");
    assert_eq!(cached(&built(&builder, &text).await), [true]);
    builder.api.act(Method::DELETE, &path).await.expect("it goes");
    let entries: List<CacheEntry> = builder.api.get("/builds/cache").await.expect("a list");
    assert!(
        entries
            .items
            .iter()
            .any(|entry| entry.title.starts_with("RUN echo x") && entry.uses == 1)
    );
    let before = builder.left_in("snapshots").len();
    let pruned: CachePruned = builder
        .api
        .send(Method::POST, "/builds/cache/prune", &json!({}))
        .await
        .expect("it is pruned");
    assert_eq!(pruned.entries, 1);
    assert_eq!(builder.left_in("snapshots").len(), before - 1);
    assert_eq!(cached(&built(&builder, &text).await), [false]);
    let (_, df): (_, Value) = builder.host.docker().ask(Method::GET, "/system/df", None).await;
    assert_eq!(df["BuildCache"][0]["Type"], "regular", "{df}");
}
