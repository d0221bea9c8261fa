//! A server killed in the middle of a pull or a push: what is left is whole, and a
//! second try succeeds. `REGISTRY_ROUNDS` sets how often.

use super::{host, load, pull, push, remove};
use harness::{Host, Image, Registry, wait_until};
use reqwest::Method;
use serde_json::json;
use std::fs;
use std::path::Path;
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(60);

fn rounds() -> u32 {
    let asked = std::env::var("REGISTRY_ROUNDS").ok();
    asked.and_then(|text| text.parse().ok()).unwrap_or(4)
}

/// Does not compress, so that it takes a while.
fn noise(seed: u64, bytes: usize) -> Vec<u8> {
    let mut state = seed;
    std::iter::repeat_with(|| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        state.to_be_bytes()[0]
    })
    .take(bytes)
    .collect()
}

fn big(seed: u64) -> Image {
    let mut image = Image::busybox();
    for layer in 0..4 {
        let name = format!("noise{layer}");
        image = image.with_files(&[(name.as_str(), &noise(seed * 10 + layer, 3 << 20))]);
    }
    image
}

/// Every blob is what its name says, and nothing lies about half made.
fn assert_whole(data: &Path) {
    let blobs = data.join("content/blobs/sha256");
    for entry in fs::read_dir(&blobs).expect("readable").flatten() {
        let name = entry.file_name().into_string().expect("hex");
        let sum = std::process::Command::new("sha256sum")
            .arg(entry.path())
            .output()
            .expect("sha256sum(1)");
        let found = String::from_utf8_lossy(&sum.stdout);
        assert!(found.starts_with(&name), "{name} is {found}");
    }
    assert_eq!(fs::read_dir(data.join("content/ingest")).expect("readable").count(), 0);
    for entry in fs::read_dir(data.join("snapshots")).expect("readable").flatten() {
        let name = entry.file_name().into_string().expect("hex");
        assert!(!name.starts_with('.'), "{name} is half made");
    }
}

/// Waits until `begun` of the host's data directory, then a part of what it takes.
fn kill_within(host: &mut Host, round: u32, begun: impl Fn(&Path) -> bool) {
    let data = host.data_dir();
    wait_until(LIMIT, || begun(&data).then_some(()));
    // Where it strikes differs from round to round.
    std::thread::sleep(Duration::from_millis(u64::from(round * 37 % 150)));
    host.kill();
    host.start_again();
    assert_whole(&host.data_dir());
}

#[tokio::test]
async fn a_kill_in_the_middle_of_a_pull_leaves_nothing_that_lies() {
    let Some((mut server, _, registry)) = host(false).await else {
        return;
    };
    for round in 0..rounds() {
        let image = big(u64::from(round) + 1);
        let name = registry.push(&image, &format!("team/big{round}:1")).await;
        let body = json!({ "reference": name });
        let begun = server
            .api()
            .request(Method::POST, "/images/pull")
            .json(&body)
            .send()
            .await;
        begun.expect("it begins").error_for_status().expect("it begins");
        kill_within(&mut server, round, |data| {
            fs::read_dir(data.join("content/ingest")).is_ok_and(|mut left| left.next().is_some())
        });
        let api = server.api();
        let task = pull(&api, &name).await;
        assert_eq!(task.state, shared::task::TaskState::Done, "round {round}: {task:?}");
        assert_whole(&server.data_dir());
        remove(&api, &name).await;
    }
}

#[tokio::test]
async fn a_kill_in_the_middle_of_a_push_is_made_good_by_the_next() {
    let Some((mut server, api, registry)) = host(false).await else {
        return;
    };
    for round in 0..rounds() {
        load(&api_of(&server), &big(u64::from(round) + 77), "big:1").await;
        let name = format!("{}/team/big{round}:1", registry.address());
        let body = json!({ "reference": name });
        let begun = server
            .api()
            .request(Method::POST, "/images/big:1/push")
            .json(&body)
            .send()
            .await;
        begun.expect("it begins").error_for_status().expect("it begins");
        kill_within(&mut server, round, |_| has_upload(&registry, round));
        let api = server.api();
        let task = push(&api, "big:1", &name).await;
        assert_eq!(task.state, shared::task::TaskState::Done, "round {round}: {task:?}");
        remove(&api, "big:1").await;
        assert_eq!(pull(&api, &name).await.state, shared::task::TaskState::Done);
        remove(&api, &name).await;
    }
    drop(api);
}

fn api_of(server: &Host) -> harness::Api {
    server.api()
}

fn has_upload(registry: &Registry, round: u32) -> bool {
    let repository = format!("data/docker/registry/v2/repositories/team/big{round}");
    registry.dir().join(repository).exists()
}
