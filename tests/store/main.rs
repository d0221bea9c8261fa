//! Rounds of one story: the server is killed in the middle of loading, importing,
//! pulling, committing or cleaning up. The next server's store is sound, has nothing
//! that no image needs, and the same work succeeds when it is done again.
//!
//! `GANTRY_ROUNDS` says how many.

use harness::{Api, Host, Image, Registry};
use reqwest::Method;
use serde_json::{Value, json};
use shared::create::NewContainer;
use shared::layer::Tree;
use shared::task::{Task, TaskState};
use std::fs;
use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::time::Duration;

const ROUNDS: u32 = 5;
/// Later than this the work is mostly done.
const LATEST_MS: u64 = 400;

#[derive(Debug, Clone, Copy)]
enum Work {
    Load,
    Import,
    Pull,
    Commit,
    Prune,
}

const WORKS: [Work; 5] = [Work::Load, Work::Import, Work::Pull, Work::Commit, Work::Prune];

fn random() -> u64 {
    RandomState::new().build_hasher().finish()
}

/// Files that nothing compresses, so that there is a middle to be killed in.
fn noise(seed: u32) -> Vec<u8> {
    let mut state = u64::from(seed) + 1;
    let next = |_| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (state >> 56).to_le_bytes()[0]
    };
    (0..6_u32 << 20).map(next).collect()
}

fn image(round: u32) -> Image {
    let noise = noise(round);
    let names: Vec<String> = (0..200).map(|number| format!("etc/many/{number}")).collect();
    let mut files: Vec<(&str, &[u8])> = names.iter().map(|name| (name.as_str(), name.as_bytes())).collect();
    files.push(("big", &noise));
    Image::busybox().with_files(&files)
}

struct Story {
    host: Host,
    registry: Option<Registry>,
}

#[tokio::test]
async fn the_store_is_sound_whenever_the_server_is_killed() {
    if !harness::can_run_containers() {
        return;
    }
    let rounds = std::env::var("GANTRY_ROUNDS").ok().and_then(|text| text.parse().ok());
    let mut story = Story {
        host: Host::start(env!("CARGO_BIN_EXE_gantry")),
        registry: Registry::start(),
    };
    story.prepare().await;
    for round in 1..=rounds.unwrap_or(ROUNDS) {
        let work = WORKS[round as usize % WORKS.len()];
        if matches!(work, Work::Pull) && story.registry.is_none() {
            continue;
        }
        let after = Duration::from_millis(random() % LATEST_MS);
        println!("round {round}: {work:?}, killed after {after:?}");
        story.play(round, work, after).await;
    }
}

impl Story {
    async fn prepare(&self) {
        let api = self.host.api();
        let archive = Image::busybox().archive("busybox:latest");
        let task = api.upload("/images/load", archive).await.expect("it is taken");
        assert_eq!(task.state, TaskState::Done);
        let changed = NewContainer {
            image: "busybox".to_owned(),
            name: Some("changed".to_owned()),
            command: Some(["sh", "-c", "dd if=/dev/urandom of=/big bs=1M count=8; mkdir /many; for i in $(seq 300); do echo $i > /many/$i; done"].map(str::to_owned).to_vec()),
            start: true,
            ..NewContainer::default()
        };
        api.create(&changed).await.expect("it runs");
        assert_eq!(api.wait("changed").await.exit_code, 0);
    }

    async fn play(&mut self, round: u32, work: Work, after: Duration) {
        let name = self.stage(round, work).await;
        let doing = tokio::spawn(go(self.host.api(), round, work, name.clone()));
        tokio::time::sleep(after).await;
        self.host.kill();
        let done = doing.await.expect("no panic");
        self.host.start_again();
        let api = self.host.api();
        sound(&self.host, &api).await;
        if done && !matches!(work, Work::Prune) {
            // Told as done, so it is there.
            let found: Result<Value, _> = api.get(&format!("/images/{}", name.replace('/', "%2F"))).await;
            found.expect("what was told as done is there");
        }
        assert!(
            go(api.clone(), round, work, name).await,
            "it succeeds when it is done again"
        );
        sound(&self.host, &api).await;
        // So that rounds do not pile up.
        let tidied: Value = api
            .send(Method::POST, "/images/prune", &json!({ "unused": true }))
            .await
            .expect("an answer");
        assert!(tidied["freed_bytes"].is_u64());
        sound(&self.host, &api).await;
    }

    /// What must be there before; the name of the image it is about.
    async fn stage(&self, round: u32, work: Work) -> String {
        let name = format!("round{round}:1");
        match (work, &self.registry) {
            (Work::Pull, Some(registry)) => registry.push(&image(round), &format!("team/{name}")).await,
            (Work::Prune, _) => {
                let task = self
                    .host
                    .api()
                    .upload("/images/load", image(round).archive(&name))
                    .await;
                assert_eq!(task.expect("it is taken").state, TaskState::Done);
                name
            }
            _ => name,
        }
    }
}

/// Whether the work was told as done; false too when the server went away.
async fn go(api: Api, round: u32, work: Work, name: String) -> bool {
    let request = |path: String| api.request(Method::POST, &path);
    let sent = match work {
        Work::Load => {
            request("/images/load".to_owned())
                .body(image(round).archive(&name))
                .send()
                .await
        }
        Work::Import => {
            request(format!("/images/import?reference={name}"))
                .body(image(round).root_tar())
                .send()
                .await
        }
        Work::Pull => {
            request("/images/pull".to_owned())
                .json(&json!({ "reference": name }))
                .send()
                .await
        }
        Work::Commit => {
            let asked = json!({ "reference": name });
            request("/containers/changed/commit".to_owned())
                .json(&asked)
                .send()
                .await
        }
        Work::Prune => {
            request("/images/prune".to_owned())
                .json(&json!({ "unused": true }))
                .send()
                .await
        }
    };
    let Ok(answer) = sent else { return false };
    if !answer.status().is_success() {
        return false;
    }
    if matches!(work, Work::Commit | Work::Prune) {
        return answer.bytes().await.is_ok();
    }
    let Ok(mut task) = answer.json::<Task>().await else {
        return false;
    };
    while task.state == TaskState::Running {
        tokio::time::sleep(Duration::from_millis(5)).await;
        let asked = api.request(Method::GET, &format!("/tasks/{}", task.id)).send().await;
        let Ok(answer) = asked else { return false };
        let Ok(now) = answer.json().await else { return false };
        task = now;
    }
    task.state == TaskState::Done
}

/// Every byte is as it was, and nothing is there that no image needs.
async fn sound(host: &Host, api: &Api) {
    let task: Task = api
        .send(Method::POST, "/images/verify", &json!({}))
        .await
        .expect("it begins");
    let task = api.finish(task).await;
    assert_eq!(task.state, TaskState::Done, "{task:?}");
    assert!(!host.log().contains("an image is damaged"), "{}", host.log());
    let tree: Tree = api.get("/images/tree").await.expect("a tree");
    let names = |dir: &str| {
        let entries = fs::read_dir(host.data_dir().join(dir)).expect("it is there");
        let names = entries.map(|entry| entry.expect("an entry").file_name().into_string().expect("text"));
        names.collect::<Vec<_>>()
    };
    let mut snapshots = names("snapshots");
    let mut wanted: Vec<String> = tree
        .nodes
        .iter()
        .map(|node| node.id["sha256:".len()..].to_owned())
        .collect();
    snapshots.sort();
    wanted.sort();
    assert_eq!(
        snapshots, wanted,
        "an unpacked layer for each of the tree, and no other"
    );
    assert!(names("content/ingest").is_empty(), "nothing half arrived is kept");
}
