use crate::browser::Browser;
use crate::host;
use harness::{Image, Registry};
use reqwest::Method;
use serde_json::json;
use shared::task::{Task, TaskState};

/// What came with an image is named on its page as people name it.
#[tokio::test]
async fn what_is_attached_to_an_image_is_on_its_page() {
    let Some(host) = host().await else { return };
    let Some(registry) = Registry::start() else { return };
    let name = registry.push(&Image::busybox(), "team/web:1").await;
    let subject = registry.digest_of("team/web:1").await.expect("it is there");
    registry
        .attach("team/web", &subject, "application/spdx+json", b"{}", None)
        .await;
    let tag = format!("{}.sig", subject.replace(':', "-"));
    let signature = "application/vnd.dev.cosign.simplesigning.v1+json";
    registry
        .attach("team/web", &subject, signature, b"signed", Some(&tag))
        .await;
    let api = host.api();
    let asked = json!({ "reference": name });
    let task: Task = api.send(Method::POST, "/images/pull", &asked).await.expect("it begins");
    let task = api.finish(task).await;
    assert_eq!(task.state, TaskState::Done, "{task:?}");

    let browser = Browser::open(&host.url(), 1440, 900).await;
    browser.sign_in().await;
    browser.go(&format!("/images/{}", name.replace('/', "%2F"))).await;
    browser.find("image.attached.item").await;
    let page = browser.text().await;
    for words in [
        "Attached artifacts",
        "List of packages",
        "Signature",
        "application/spdx+json",
    ] {
        assert!(page.contains(words), "no `{words}`:\n{page}");
    }
    assert!(!page.contains("%2F"), "the trail is escaped:\n{page}");
    browser.close().await;
}
