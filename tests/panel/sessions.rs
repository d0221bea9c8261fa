use crate::browser::Browser;
use crate::host;
use harness::signal;
use reqwest::Method;
use shared::create::NewContainer;
use shared::list::List;
use shared::session::Session;

fn sleeper(name: &str) -> NewContainer {
    NewContainer {
        image: "busybox".to_owned(),
        name: Some(name.to_owned()),
        command: Some(["sleep", "1000"].map(str::to_owned).to_vec()),
        start: true,
        ..NewContainer::default()
    }
}

/// A shell goes on while another tab is open and while the page is away, and is joined again.
#[tokio::test]
async fn a_shell_outlives_its_tab_and_its_page() {
    let Some(host) = host().await else { return };
    host.api().create(&sleeper("box")).await.expect("it runs");
    let browser = Browser::open(&host.url(), 1440, 900).await;
    browser.sign_in().await;
    browser.go("/containers/box/console").await;
    browser.click("console.form.open").await;
    let open = async || {
        browser
            .text_until("console.session.state", |text| text.contains("open"))
            .await
    };
    open().await;
    browser.type_keys("name=kept; echo be''fore\n").await;
    browser
        .text_until("console.terminal.view", |text| text.contains("before"))
        .await;

    browser.click("container.tab.logs").await;
    browser.click("container.tab.console").await;
    open().await;
    browser
        .text_until("console.terminal.view", |text| text.contains("before"))
        .await;
    browser.go("/containers/box/console").await;
    open().await;
    browser.type_keys("echo is $name\n").await;
    browser
        .text_until("console.terminal.view", |text| text.contains("is kept"))
        .await;

    browser.click("console.session.leave").await;
    browser.click("console.open.end").await;
    let gone = async {
        let path = "/containers/box/consoles";
        let list = async || {
            host.api()
                .get::<List<shared::exec::Console>>(path)
                .await
                .expect("a list")
        };
        while !list().await.items.is_empty() {
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(30), gone)
        .await
        .expect("it is ended");
    browser.close().await;
}

/// A server that does not answer is said to be so, and is connected again when it does.
#[tokio::test]
async fn a_frozen_server_is_told_from_one_that_answers() {
    let Some(host) = host().await else { return };
    let browser = Browser::open(&host.url(), 1440, 900).await;
    browser.sign_in().await;
    browser.go("/containers").await;
    browser.find("containers.head.new").await;
    let state = async |wanted: &str| {
        let wanted = format!("return document.querySelector('#app').dataset.conn === '{wanted}'");
        for _ in 0..600 {
            if browser.script(&wanted).await == true {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
        panic!("never so: {wanted}");
    };
    state("open").await;
    signal(host.pid(), "STOP");
    state("stale").await;
    state("retrying").await;
    signal(host.pid(), "CONT");
    state("open").await;
    browser.close().await;
}

/// A session that ends while a page is open is begun again over it, and the page goes on.
#[tokio::test]
async fn signing_in_again_over_a_page_throws_nothing() {
    let Some(host) = host().await else { return };
    let api = host.api();
    api.create(&sleeper("box")).await.expect("it runs");
    let browser = Browser::open(&host.url(), 1440, 900).await;
    browser.sign_in().await;
    browser.go("/containers/box").await;
    browser.find("container.head.stop").await;
    let cookie = browser.cookie("gantry_session").await;
    let of_browser = api.with_token(None).request(Method::GET, "/sessions");
    let list: List<Session> = of_browser
        .header("cookie", format!("gantry_session={cookie}"))
        .send()
        .await
        .expect("answers")
        .json()
        .await
        .expect("a list");
    for session in list.items {
        let ended = api
            .with_token(None)
            .request(Method::DELETE, &format!("/sessions/{}", session.id));
        ended
            .header("cookie", format!("gantry_session={cookie}"))
            .send()
            .await
            .expect("answers");
    }
    browser.click("container.tab.limits").await;
    browser.write("sign-in.form.password", harness::PASSWORD).await;
    browser.click("sign-in.form.submit").await;
    browser.click("container.tab.processes").await;
    browser.find("processes.row").await;
    let complaints = browser.script("return window.complaints").await;
    assert!(!complaints.to_string().contains("closure"), "{complaints}");
    browser.close().await;
}
