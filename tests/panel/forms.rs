use crate::browser::Browser;
use crate::host;
use reqwest::Method;
use serde_json::json;
use shared::create::NewContainer;

/// What was typed into the form is there again after the page was left, and can be
/// discarded.
#[tokio::test]
async fn a_draft_outlives_the_page_and_can_be_discarded() {
    let Some(host) = host().await else { return };
    let browser = Browser::open(&host.url(), 1440, 900).await;
    browser.sign_in().await;
    browser.go("/containers/new").await;
    browser.write("create.form.name", "from-a-draft").await;
    browser.click("create.ports.add").await;
    browser.write("create.ports.0.container-port", "80").await;

    browser.go("/containers/new").await;
    browser
        .text_until("create.draft.note", |text| text.contains("Unsaved draft restored"))
        .await;
    let value = "return document.querySelector(`[data-testid='${arguments[0] ?? ''}']`)?.value";
    let field = async |testid: &str| browser.script(&value.replace("${arguments[0] ?? ''}", testid)).await;
    assert_eq!(field("create.form.name").await, "from-a-draft");
    assert_eq!(field("create.ports.0.container-port").await, "80");
    browser.click("create.draft.discard").await;
    assert_eq!(field("create.form.name").await, "");
    browser.go("/containers/new").await;
    browser.find("create.form.name").await;
    assert_eq!(field("create.form.name").await, "");
    browser.close().await;
}

/// A port that is taken is told at its field, while it is typed and when the form is sent.
#[tokio::test]
async fn a_port_in_use_is_shown_at_its_field() {
    let Some(host) = host().await else { return };
    let new = NewContainer {
        image: "busybox".to_owned(),
        name: Some("first".to_owned()),
        command: Some(["sleep", "1000"].map(str::to_owned).to_vec()),
        ports: vec!["127.0.0.1::80".to_owned()],
        start: true,
        ..NewContainer::default()
    };
    host.api().create(&new).await.expect("it runs");
    let port = host.api().inspect("first").await.container.ports[0].host_port;
    let browser = Browser::open(&host.url(), 1440, 900).await;
    browser.sign_in().await;
    browser.go("/containers/new?image=busybox").await;
    browser.write("create.form.command", "sleep 1000").await;
    browser.click("create.ports.add").await;
    browser.write("create.ports.0.host-port", &port.to_string()).await;
    browser.write("create.ports.0.container-port", "80").await;
    browser
        .text_until("create.ports.0.mistake", |text| {
            text.contains("in use by container `first`")
        })
        .await;
    browser.click("create.form.submit").await;
    browser
        .text_until("create.form.refused", |text| text.contains("in use"))
        .await;
    browser.close().await;
}

/// A copy has the settings that the form does not show.
#[tokio::test]
async fn a_duplicate_has_every_setting_of_the_original() {
    let Some(host) = host().await else { return };
    let api = host.api();
    let original = json!({
        "image": "busybox", "name": "original", "command": ["sleep", "1000"],
        "ports": ["127.0.0.1:0:80"], "cap_drop": ["ALL"], "dns": ["10.9.8.7"],
        "devices": [{ "host_path": "/dev/null", "container_path": "/dev/copy", "access": "rw" }],
        "health": { "command": ["true"], "interval": 7.0 },
        "restart": { "policy": "on_failure", "max_retries": 4 },
    });
    let _: serde_json::Value = api
        .send(Method::POST, "/containers", &original)
        .await
        .expect("it is made");
    let browser = Browser::open(&host.url(), 1440, 900).await;
    browser.sign_in().await;
    browser.go("/containers/new?from=original").await;
    browser.click("create.view.request").await;
    browser
        .text_until("create.request.text", |text| text.contains("busybox"))
        .await;
    browser.write("create.form.name", "copy").await;
    browser.click("create.form.submit").await;
    browser.find("container.head.menu").await;
    let mut wanted = api.inspect("original").await.spec;
    let copy = api.inspect("copy").await;
    assert_eq!(copy.container.ports[0].host_address.as_deref(), Some("127.0.0.1"));
    // What only one container can have.
    wanted.hostname.clone_from(&copy.spec.hostname);
    wanted.run = copy.spec.run;
    (wanted.mac, wanted.gateway) = (copy.spec.mac.clone(), copy.spec.gateway.clone());
    assert_eq!(copy.spec, wanted);
    browser.close().await;
}
