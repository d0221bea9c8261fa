use crate::host;
use harness::{Host, PASSWORD, USER};
use reqwest::{Method, StatusCode};
use serde_json::json;
use shared::session::{Me, Role};

#[tokio::test]
async fn nothing_but_sign_in_health_and_the_panel_is_open() {
    if !harness::can_run_containers() {
        return;
    }
    let host = Host::start(env!("CARGO_BIN_EXE_gantry"));
    let nobody = host.api().with_token(None);
    for path in ["/containers", "/images", "/system", "/events", "/users", "/socket"] {
        let answer = nobody.request(Method::GET, path).send().await.expect("answers");
        assert_eq!(answer.status(), StatusCode::UNAUTHORIZED, "{path}");
    }
    let open = reqwest::get(format!("{}/healthz", host.url())).await.expect("answers");
    assert_eq!(open.status(), StatusCode::OK);
    let metrics = reqwest::get(format!("{}/metrics", host.url())).await.expect("answers");
    assert_eq!(metrics.status(), StatusCode::UNAUTHORIZED);
    let page = reqwest::get(host.url()).await.expect("answers");
    let policy = page.headers()["content-security-policy"]
        .to_str()
        .expect("text")
        .to_owned();
    assert!(policy.contains("script-src 'self' 'wasm-unsafe-eval'"), "{policy}");
}

#[tokio::test]
async fn a_session_is_a_strict_cookie_and_ends_when_it_is_signed_out() {
    if !harness::can_run_containers() {
        return;
    }
    let host = Host::start(env!("CARGO_BIN_EXE_gantry"));
    let nobody = host.api().with_token(None);
    let sign_in = json!({ "username": USER, "password": PASSWORD });
    let answer = nobody
        .request(Method::POST, "/session")
        .json(&sign_in)
        .send()
        .await
        .expect("answers");
    let cookie = answer.headers()["set-cookie"].to_str().expect("text").to_owned();
    assert!(
        cookie.contains("HttpOnly") && cookie.contains("SameSite=Strict"),
        "{cookie}"
    );
    let cookie = cookie.split(';').next().expect("a pair").to_owned();
    let ask = |method: Method, path: &'static str| nobody.request(method, path).header("cookie", cookie.clone());
    let me: Me = ask(Method::GET, "/session")
        .send()
        .await
        .expect("answers")
        .json()
        .await
        .expect("a user");
    assert_eq!((me.username.as_str(), me.role), (USER, Role::Admin));
    // Another site's page cannot use it.
    let foreign = ask(Method::DELETE, "/session")
        .header("origin", "http://evil.example")
        .send()
        .await;
    assert_eq!(foreign.expect("answers").status(), StatusCode::FORBIDDEN);
    let out = ask(Method::DELETE, "/session").send().await.expect("answers");
    assert_eq!(out.status(), StatusCode::NO_CONTENT);
    let after = ask(Method::GET, "/session").send().await.expect("answers");
    assert_eq!(after.status(), StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn guessing_a_password_is_slowed_down() {
    if !harness::can_run_containers() {
        return;
    }
    let host = Host::start(env!("CARGO_BIN_EXE_gantry"));
    let nobody = host.api().with_token(None);
    let wrong = json!({ "username": USER, "password": "wrong wrong wrong" });
    let mut statuses = Vec::new();
    for _ in 0..7 {
        let answer = nobody
            .request(Method::POST, "/session")
            .json(&wrong)
            .send()
            .await
            .expect("answers");
        statuses.push(answer.status());
    }
    assert_eq!(statuses[0], StatusCode::UNAUTHORIZED);
    assert_eq!(statuses[6], StatusCode::TOO_MANY_REQUESTS);
}

#[tokio::test]
async fn a_viewer_reads_and_an_operator_opens_no_host() {
    let Some((host, api)) = host().await else { return };
    let viewer = api.with_token(Some(&host.make_token("viewer")));
    let operator = api.with_token(Some(&host.make_token("operator")));
    let new = crate::sh("web", "true");
    let refused = viewer.create(&new).await.expect_err("a viewer only reads");
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
    operator.create(&new).await.expect("an operator creates");
    let privileged = shared::create::NewContainer {
        privileged: true,
        ..crate::sh("root", "true")
    };
    let refused = operator.create(&privileged).await.expect_err("needs an administrator");
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
    assert!(refused.problem.detail.contains("privileged"), "{:?}", refused.problem);
    let users = operator
        .act(Method::GET, "/users")
        .await
        .expect_err("needs an administrator");
    assert_eq!(users.status, StatusCode::FORBIDDEN);
}
