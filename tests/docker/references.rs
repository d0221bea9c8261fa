//! Removal by every form of reference: only what was named goes.

use harness::{Host, Image, Registry};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

/// The `Untagged` and the number of `Deleted` entries of an answer.
fn removed(answer: &Value) -> (Vec<&str>, usize) {
    let entries = answer.as_array().expect("a list");
    let untagged = entries.iter().filter_map(|entry| entry["Untagged"].as_str());
    let deleted = entries.iter().filter(|entry| entry["Deleted"].is_string());
    (untagged.collect(), deleted.count())
}

#[tokio::test]
async fn a_digest_reference_is_removed_without_the_other_references_of_its_image() {
    if !harness::can_run_containers() {
        return;
    }
    let Some(registry) = Registry::start() else { return };
    let host = Host::start(env!("CARGO_BIN_EXE_gantry"));
    let (docker, api) = (host.docker(), host.api());
    let image = Image::busybox();
    docker.load(image.archive("busybox:latest")).await;
    let tag = registry.push(&image, "team/web:1").await;
    let repository = tag.strip_suffix(":1").expect("the tag");
    let pull = async |name: &str, tag: &str| {
        let path = format!("/images/create?fromImage={name}&tag={tag}");
        let (status, _) = docker.post(&path).await;
        assert_eq!(status, StatusCode::OK);
    };
    let inspect = async |name: &str| docker.ask(Method::GET, &format!("/images/{name}/json"), None).await;
    let remove = async |name: &str| docker.ask(Method::DELETE, &format!("/images/{name}"), None).await;

    // The last tag of a repository goes with its digest; the image stays by its other tag.
    pull(repository, "1").await;
    let (_, shown) = inspect(&tag).await;
    let digests = shown["RepoDigests"].as_array().expect("a list").clone();
    let digest = digests[0].as_str().expect("a reference").to_owned();
    assert!(digest.starts_with(&format!("{repository}@sha256:")), "{digest}");
    let (status, answer) = remove(&tag).await;
    assert_eq!(status, StatusCode::OK, "{answer}");
    assert_eq!(removed(&answer), (vec![tag.as_str(), digest.as_str()], 0));

    // A digest reference alone, with and without a tag, by both APIs.
    let manifest = digest.split_once('@').expect("a digest").1;
    let with_tag = format!("{repository}:9@{manifest}");
    for name in [&digest, &with_tag] {
        pull(repository, manifest).await;
        let (status, answer) = remove(name).await;
        assert_eq!(status, StatusCode::OK, "{answer}");
        assert_eq!(removed(&answer), (vec![digest.as_str()], 0), "{name}");
        assert_eq!(inspect("busybox:latest").await.0, StatusCode::OK, "{name}");
    }
    pull(repository, manifest).await;
    let path = format!("/images/{}", digest.replace('/', "%2F"));
    let gone: shared::image::Removed = api
        .send(Method::DELETE, &path, &json!({}))
        .await
        .expect("it is removed");
    assert_eq!((gone.untagged, gone.deleted), (vec![digest.clone()], vec![]));

    // A digest that the repository does not have removes nothing.
    let (status, _) = remove(&digest).await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    let (status, _) = remove(&format!("other@{manifest}")).await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    assert_eq!(inspect("busybox:latest").await.0, StatusCode::OK);

    // The image stays for its digest when its last tag goes, and a prune takes it by that.
    pull(repository, manifest).await;
    let (_, answer) = remove("busybox:latest").await;
    assert_eq!(removed(&answer), (vec!["busybox:latest"], 0));
    let id = inspect(&digest).await.1["Id"].as_str().expect("an id").to_owned();
    let (_, pruned) = docker.post("/images/prune").await;
    assert_eq!(removed(&pruned["ImagesDeleted"]), (vec![digest.as_str()], 1));
    assert_eq!(inspect(&id).await.0, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn an_id_is_refused_for_several_repositories_and_taken_for_one() {
    if !harness::can_run_containers() {
        return;
    }
    let host = Host::start(env!("CARGO_BIN_EXE_gantry"));
    let docker = host.docker();
    docker.load(Image::busybox().archive("busybox:latest")).await;
    let (_, shown) = docker.ask(Method::GET, "/images/busybox/json", None).await;
    let id = shown["Id"].as_str().expect("an id").to_owned();
    let (status, _) = docker.post("/images/busybox/tag?repo=mine&tag=2").await;
    assert_eq!(status, StatusCode::CREATED);
    let prefix = &id[..19];
    for name in [id.as_str(), prefix, &prefix["sha256:".len()..]] {
        let (status, answer) = docker.ask(Method::DELETE, &format!("/images/{name}"), None).await;
        assert_eq!(status, StatusCode::CONFLICT, "{name}: {answer}");
    }
    let (_, answer) = docker
        .ask(Method::DELETE, "/images/docker.io/library/mine:2", None)
        .await;
    assert_eq!(removed(&answer), (vec!["mine:2"], 0));
    let (status, answer) = docker.ask(Method::DELETE, &format!("/images/{prefix}"), None).await;
    assert_eq!(status, StatusCode::OK, "{answer}");
    assert_eq!(removed(&answer), (vec!["busybox:latest"], 1));
}
