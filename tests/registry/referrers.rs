//! Signatures and lists of packages come, stay and go with their image. The registry keeps
//! no list of what refers to what, so that all of it is by tags.

use super::{host, pull, remove};
use harness::{Api, Image};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use shared::image::{Details, Referrer};
use shared::list::List;
use shared::task::{Task, TaskState};

const SBOM: &str = "application/spdx+json";
const SIGNATURE: &str = "application/vnd.dev.cosign.simplesigning.v1+json";

async fn referrers(api: &Api, name: &str) -> Vec<Referrer> {
    let path = format!("/images/{}/referrers", name.replace('/', "%2F"));
    let mut list: List<Referrer> = api.get(&path).await.expect("a list");
    list.items
        .sort_by(|one, other| one.artifact_type.cmp(&other.artifact_type));
    list.items
}

#[tokio::test]
async fn what_refers_to_an_image_comes_stays_and_goes_with_it() {
    let Some((host, api, registry)) = host(false).await else {
        return;
    };
    let name = registry.push(&Image::busybox(), "team/web:1").await;
    let subject = registry.digest_of("team/web:1").await.expect("it is there");
    let sbom = registry
        .attach("team/web", &subject, SBOM, b"{\"packages\":[]}", None)
        .await;
    let tag = format!("{}.sig", subject.replace(':', "-"));
    let signature = registry
        .attach("team/web", &subject, SIGNATURE, b"signed", Some(&tag))
        .await;

    let pulled = pull(&api, &name).await;
    assert_eq!(pulled.state, TaskState::Done, "{pulled:?}");
    let found = referrers(&api, &name).await;
    let told: Vec<(&str, &str, Option<&str>)> = found
        .iter()
        .map(|one| (one.artifact_type.as_str(), one.manifest.as_str(), one.tag.as_deref()))
        .collect();
    assert_eq!(
        told,
        [
            (SBOM, sbom.as_str(), None),
            (SIGNATURE, signature.as_str(), Some(tag.as_str()))
        ]
    );
    assert!(found.iter().all(|one| one.subject == subject && one.size_bytes > 10));
    assert_eq!(found[0].annotations["made"], "for a test");

    // A clean-up leaves them as long as their image is here.
    let kept: Value = api
        .send(Method::POST, "/images/prune", &json!({}))
        .await
        .expect("it cleans up");
    assert_eq!(referrers(&api, &name).await, found, "{kept}");

    // They go along where that is asked for, and only there.
    let path = format!("/images/{}/push", name.replace('/', "%2F"));
    for (repository, along) in [("copy/bare", false), ("copy/whole", true)] {
        let to = format!("{}/{repository}:1", registry.address());
        let body = json!({ "reference": to, "referrers": along });
        let task: Task = api.send(Method::POST, &path, &body).await.expect("it begins");
        let pushed = api.finish(task).await;
        assert_eq!(pushed.state, TaskState::Done, "{pushed:?}");
        let index = format!(
            "http://{}/v2/{repository}/manifests/{}",
            registry.address(),
            subject.replace(':', "-")
        );
        let accept = ("accept", "application/vnd.oci.image.index.v1+json");
        let listed = registry.client().get(index).header(accept.0, accept.1).send().await;
        let listed = listed.expect("the registry answers");
        if along {
            let index: Value = listed.json().await.expect("an index");
            assert_eq!(index["manifests"][0]["digest"], sbom.as_str());
            assert_eq!(index["manifests"][0]["artifactType"], SBOM);
        } else {
            assert_eq!(listed.status(), StatusCode::NOT_FOUND);
        }
    }

    // Pulled again from there, all of it is back.
    let details: Details = api
        .get(&format!("/images/{}", name.replace('/', "%2F")))
        .await
        .expect("it is here");
    let content = host.data_dir().join("content/blobs/sha256");
    assert!(content.join(&sbom[7..]).exists());
    for tag in details.image.tags {
        remove(&api, &tag).await;
    }
    for digest in [&sbom, &signature] {
        assert!(!content.join(&digest[7..]).exists(), "it goes with its image");
    }
    let copy = format!("{}/copy/whole:1", registry.address());
    assert_eq!(pull(&api, &copy).await.state, TaskState::Done);
    assert_eq!(referrers(&api, &copy).await, found);
}
