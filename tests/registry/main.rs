//! Registries, by the real program and Debian's docker-registry: over HTTP and HTTPS,
//! with logins, both ways, by both doors, and through crashes.

mod kills;
mod peers;
mod referrers;

use base64::Engine as _;
use harness::{Api, Docker, Host, Image, REGISTRY_PASSWORD, REGISTRY_USER, Registry};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use shared::image::Image as Shown;
use shared::list::List;
use shared::registry::{Registry as Known, RegistrySetup, Transport, Verdict};
use shared::task::{LayerState, Task, TaskState};

async fn host(guarded: bool) -> Option<(Host, Api, Registry)> {
    if !harness::can_run_containers() {
        return None;
    }
    let registry = if guarded {
        Registry::start_guarded()?
    } else {
        Registry::start()?
    };
    let host = Host::start(env!("CARGO_BIN_EXE_gantry"));
    let api = host.api();
    Some((host, api, registry))
}

async fn load(api: &Api, image: &Image, name: &str) {
    let task = api
        .upload("/images/load", image.archive(name))
        .await
        .expect("it is taken");
    assert_eq!(task.state, TaskState::Done, "{task:?}");
}

async fn pull(api: &Api, reference: &str) -> Task {
    let body = json!({ "reference": reference });
    let task: Task = api.send(Method::POST, "/images/pull", &body).await.expect("it begins");
    api.finish(task).await
}

async fn push(api: &Api, image: &str, reference: &str) -> Task {
    let body = json!({ "reference": reference });
    let path = format!("/images/{}/push", image.replace('/', "%2F"));
    let task: Task = api.send(Method::POST, &path, &body).await.expect("it begins");
    api.finish(task).await
}

async fn remove(api: &Api, reference: &str) {
    let path = format!("/images/{}?force=true", reference.replace('/', "%2F"));
    let answer = api.request(Method::DELETE, &path).send().await.expect("answers");
    assert!(answer.status().is_success(), "{}", answer.status());
}

fn setup(registry: &Registry) -> RegistrySetup {
    RegistrySetup {
        username: Some(REGISTRY_USER.to_owned()),
        password: Some(REGISTRY_PASSWORD.to_owned()),
        transport: Transport::Checked,
        ca: Some(registry.authority()),
        mirrors: None,
    }
}

fn detail(task: &Task) -> String {
    task.problem.as_ref().expect("it failed").detail.clone()
}

#[tokio::test]
async fn what_is_pushed_is_what_is_pulled_again() {
    let Some((_host, api, registry)) = host(false).await else {
        return;
    };
    let image = Image::busybox().with_files(&[("etc/motd", b"there and back\n")]);
    load(&api, &image, "web:1").await;
    let name = format!("{}/team/web:1", registry.address());
    let pushed = push(&api, "web:1", &name).await;
    assert_eq!(pushed.state, TaskState::Done, "{pushed:?}");
    let layers = pushed.progress.expect("progress").layers;
    assert!(layers.iter().all(|layer| layer.state == LayerState::Done), "{layers:?}");
    let again = push(&api, "web:1", &name).await;
    let layers = again.progress.expect("progress").layers;
    assert!(
        layers.iter().all(|layer| layer.state == LayerState::AlreadyHere),
        "what the registry has is not sent again: {layers:?}"
    );
    let before: Shown = api.get("/images/web:1").await.expect("it is here");
    remove(&api, "web:1").await;
    let pulled = pull(&api, &name).await;
    assert_eq!(pulled.state, TaskState::Done, "{pulled:?}");
    assert_eq!(pulled.result, [before.id]);
    let digest = registry.digest_of("team/web:1").await.expect("it is there");
    let details: shared::image::Details = api
        .get(&format!("/images/{}", name.replace('/', "%2F")))
        .await
        .expect("it is here");
    assert_eq!(details.spec.manifest, digest);
    // By digest, with nothing else to know it by.
    remove(&api, &name).await;
    let by_digest = format!("{}/team/web@{digest}", registry.address());
    assert_eq!(pull(&api, &by_digest).await.state, TaskState::Done);
    let found: Shown = api
        .get(&format!("/images/{}", by_digest.replace('/', "%2F")))
        .await
        .expect("it is known by its digest");
    assert_eq!(found.id, details.image.id);
}

#[tokio::test]
async fn a_layer_that_another_repository_has_is_taken_over_there() {
    let Some((_host, api, registry)) = host(false).await else {
        return;
    };
    let image = Image::busybox().with_files(&[("one", b"1")]);
    load(&api, &image, "web:1").await;
    let first = format!("{}/team/one:1", registry.address());
    assert_eq!(push(&api, "web:1", &first).await.state, TaskState::Done);
    let tag = json!({ "reference": first });
    let tagged = api.request(Method::POST, "/images/web:1/tag").json(&tag).send().await;
    assert_eq!(tagged.expect("answers").status(), StatusCode::NO_CONTENT);
    let second = format!("{}/team/two:1", registry.address());
    let pushed = push(&api, "web:1", &second).await;
    assert_eq!(pushed.state, TaskState::Done, "{pushed:?}");
    let layers = pushed.progress.expect("progress").layers;
    assert!(
        layers.iter().all(|layer| layer.state == LayerState::AlreadyHere),
        "{layers:?}"
    );
}

#[tokio::test]
async fn a_guarded_registry_opens_to_a_kept_login_and_to_nobody_else() {
    let Some((host, api, registry)) = host(true).await else {
        return;
    };
    load(&api, &Image::busybox(), "web:1").await;
    let name = format!("{}/team/web:1", registry.address());
    let path = format!("/registries/{}", registry.address());
    // Over HTTPS and checked, with the authority but as nobody.
    let nobody = RegistrySetup {
        username: None,
        password: None,
        ..setup(&registry)
    };
    let _: Known = api.send(Method::PUT, &path, &nobody).await.expect("it is kept");
    let refused = push(&api, "web:1", &name).await;
    assert_eq!(refused.state, TaskState::Failed);
    assert!(detail(&refused).contains("credentials"), "{}", detail(&refused));
    let wrong = RegistrySetup {
        password: Some("wrong".to_owned()),
        ..setup(&registry)
    };
    let _: Known = api.send(Method::PUT, &path, &wrong).await.expect("it is kept");
    let verdict: Verdict = api
        .send(Method::POST, &format!("{path}/check"), &json!({}))
        .await
        .expect("it is tried");
    assert!(!verdict.works, "{verdict:?}");
    let known: Known = api
        .send(Method::PUT, &path, &setup(&registry))
        .await
        .expect("it is kept");
    assert_eq!((known.username.as_deref(), known.own_ca), (Some(REGISTRY_USER), true));
    let verdict: Verdict = api
        .send(Method::POST, &format!("{path}/check"), &json!({}))
        .await
        .expect("it is tried");
    assert!(verdict.works, "{verdict:?}");
    let pushed = push(&api, "web:1", &name).await;
    assert_eq!(pushed.state, TaskState::Done, "{pushed:?}");
    remove(&api, "web:1").await;
    assert_eq!(pull(&api, &name).await.state, TaskState::Done);
    // Nowhere on the disk, and in no answer.
    let shown = api.request(Method::GET, "/registries").send().await.expect("answers");
    assert!(!shown.text().await.expect("text").contains(REGISTRY_PASSWORD));
    assert!(!holds(&host.data_dir(), REGISTRY_PASSWORD.as_bytes()));
    assert!(!host.log().contains(REGISTRY_PASSWORD));
    // Without the authority nobody is believed.
    let unknown = RegistrySetup {
        ca: Some(String::new()),
        password: None,
        transport: Transport::Checked,
        ..setup(&registry)
    };
    let _: Known = api.send(Method::PUT, &path, &unknown).await.expect("it is kept");
    assert_eq!(pull(&api, &name).await.state, TaskState::Failed);
    // Unless that is wanted.
    let unchecked = RegistrySetup {
        transport: Transport::Unchecked,
        ..unknown
    };
    let _: Known = api.send(Method::PUT, &path, &unchecked).await.expect("it is kept");
    let pulled = pull(&api, &name).await;
    assert_eq!(pulled.state, TaskState::Done, "{pulled:?}");
    api.act(Method::DELETE, &path).await.expect("it is forgotten");
    let list: List<Known> = api.get("/registries").await.expect("a list");
    assert!(list.items.is_empty());
}

/// Whether a file below `dir` has these bytes.
fn holds(dir: &std::path::Path, bytes: &[u8]) -> bool {
    std::fs::read_dir(dir).expect("readable").flatten().any(|entry| {
        let kind = entry.file_type().expect("a kind");
        if kind.is_dir() {
            return holds(&entry.path(), bytes);
        }
        kind.is_file()
            && std::fs::read(entry.path()).is_ok_and(|found| found.windows(bytes.len()).any(|part| part == bytes))
    })
}

#[tokio::test]
async fn logins_of_docker_are_taken_over_and_used() {
    let Some((host, api, registry)) = host(true).await else {
        return;
    };
    let path = format!("/registries/{}", registry.address());
    let nobody = RegistrySetup {
        username: None,
        password: None,
        ..setup(&registry)
    };
    let _: Known = api.send(Method::PUT, &path, &nobody).await.expect("it is kept");
    let pair = format!("{REGISTRY_USER}:{REGISTRY_PASSWORD}");
    let auth = base64::engine::general_purpose::STANDARD.encode(pair);
    let config = json!({ "auths": { registry.address(): { "auth": auth } } });
    let taken: List<Known> = api
        .send(Method::POST, "/registries/import", &config)
        .await
        .expect("it is read");
    assert_eq!(taken.items[0].username.as_deref(), Some(REGISTRY_USER));
    assert!(taken.items[0].own_ca, "what was known stays");
    let verdict: Verdict = api
        .send(Method::POST, &format!("{path}/check"), &json!({}))
        .await
        .expect("it is tried");
    assert!(verdict.works, "{verdict:?}");
    // By the command line too, beside the running server.
    api.act(Method::DELETE, &path).await.expect("it is forgotten");
    let file = host.dir().join("config.json");
    std::fs::write(&file, config.to_string()).expect("a writable directory");
    let done = std::process::Command::new(env!("CARGO_BIN_EXE_gantry"))
        .args(["registry", "import"])
        .arg(&file)
        .arg("--data-dir")
        .arg(host.data_dir())
        .output()
        .expect("it runs");
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let list: List<Known> = api.get("/registries").await.expect("a list");
    assert_eq!(list.items.len(), 1);
    let refused = api
        .send::<List<Known>>(Method::POST, "/registries/import", &json!({ "auths": {} }))
        .await
        .expect_err("there is nothing in it");
    assert!(refused.problem.detail.contains("no login"), "{:?}", refused.problem);
}

fn docker_lines(body: &str) -> Vec<Value> {
    body.lines()
        .filter_map(|line| serde_json::from_str(line).ok())
        .collect()
}

#[tokio::test]
async fn the_docker_door_signs_in_and_pushes_with_what_a_request_brings() {
    let Some((host, api, registry)) = host(true).await else {
        return;
    };
    let path = format!("/registries/{}", registry.address());
    let nobody = RegistrySetup {
        username: None,
        password: None,
        ..setup(&registry)
    };
    let _: Known = api.send(Method::PUT, &path, &nobody).await.expect("it is kept");
    let docker: Docker = host.docker();
    let login = |password: &str| json!({ "username": REGISTRY_USER, "password": password, "serveraddress": registry.address() });
    let (status, welcome) = docker.ask(Method::POST, "/auth", Some(&login(REGISTRY_PASSWORD))).await;
    assert_eq!(
        (status, welcome["Status"].as_str()),
        (StatusCode::OK, Some("Login Succeeded"))
    );
    let (status, _) = docker.ask(Method::POST, "/auth", Some(&login("wrong"))).await;
    assert_eq!(status, StatusCode::UNAUTHORIZED);
    let name = format!("{}/team/web", registry.address());
    load(&api, &Image::busybox(), &format!("{name}:1")).await;
    let http = reqwest::Client::builder()
        .unix_socket(host.docker_socket())
        .build()
        .expect("a client of a socket");
    let auth = base64::engine::general_purpose::URL_SAFE.encode(login(REGISTRY_PASSWORD).to_string());
    let pushed = http
        .post(format!("http://docker/images/{name}/push?tag=1"))
        .header("x-registry-auth", &auth)
        .send()
        .await
        .expect("the server answers");
    assert_eq!(pushed.status(), StatusCode::OK);
    let lines = docker_lines(&pushed.text().await.expect("whole"));
    let digest = registry.digest_of("team/web:1").await.expect("it is there");
    assert!(
        lines.iter().any(|line| line["aux"]["Digest"] == digest.as_str()),
        "{lines:?}"
    );
    let pulled = http
        .post(format!("http://docker/images/create?fromImage={name}&tag=1"))
        .header("x-registry-auth", &auth)
        .send()
        .await
        .expect("the server answers");
    let lines = docker_lines(&pulled.text().await.expect("whole"));
    assert!(lines.iter().all(|line| line["error"].is_null()), "{lines:?}");
    let (_, image) = docker.ask(Method::GET, &format!("/images/{name}:1/json"), None).await;
    assert_eq!(image["RepoDigests"][0], format!("{name}@{digest}").as_str());
    let none = http
        .post(format!("http://docker/images/{name}/push?tag=2"))
        .send()
        .await
        .expect("the server answers");
    assert_eq!(none.status(), StatusCode::NOT_FOUND);
}
