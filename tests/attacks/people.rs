//! Who signs in, and what each may do.

use crate::api::{changes, operations};
use crate::host::host;
use harness::{Api, PASSWORD, USER};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// Session fixation: a secret that the attacker knows must not become the victim's.
#[tokio::test]
async fn a_session_that_was_brought_along_is_not_used() {
    let Some((host, api)) = host().await else { return };
    let nobody = api.with_token(None);
    let known = "gantry_session=0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
    let sign_in = json!({ "username": USER, "password": PASSWORD });
    let request = nobody
        .request(Method::POST, "/session")
        .header("cookie", known)
        .json(&sign_in);
    let answer = request.send().await.expect("answers");
    let fresh = answer.headers()["set-cookie"].to_str().expect("text").to_owned();
    assert!(!fresh.contains("0123456789abcdef0123456789abcdef"), "{fresh}");
    let ask = |cookie: String| nobody.request(Method::GET, "/session").header("cookie", cookie).send();
    assert_eq!(
        ask(known.to_owned()).await.expect("answers").status(),
        StatusCode::UNAUTHORIZED
    );
    // Signed out, the secret is worth nothing, also where it was copied.
    let cookie = fresh.split(';').next().expect("a pair").to_owned();
    let gone = nobody
        .request(Method::DELETE, "/session")
        .header("cookie", cookie.clone())
        .send()
        .await;
    assert_eq!(gone.expect("answers").status(), StatusCode::NO_CONTENT);
    assert_eq!(ask(cookie).await.expect("answers").status(), StatusCode::UNAUTHORIZED);
    drop(host);
}

/// Guessing is slowed down, for names that exist and those that do not alike.
#[tokio::test]
async fn passwords_cannot_be_guessed_quickly() {
    let Some((host, api)) = host().await else { return };
    let nobody = api.with_token(None);
    for user in [USER, "nobody-of-that-name"] {
        let began = Instant::now();
        let mut answers = Vec::new();
        for guess in 0..8 {
            let guess = json!({ "username": user, "password": format!("guess number {guess}") });
            let answer = nobody
                .request(Method::POST, "/session")
                .json(&guess)
                .send()
                .await
                .expect("answers");
            answers.push(answer.status());
        }
        // The right one has to wait as well, or the answer would tell.
        let right = json!({ "username": user, "password": PASSWORD });
        let answer = nobody
            .request(Method::POST, "/session")
            .json(&right)
            .send()
            .await
            .expect("answers");
        answers.push(answer.status());
        // On a slow machine the first waits, of two seconds and more, pass meanwhile.
        if began.elapsed() < Duration::from_secs(2) {
            assert_eq!(answers[4..6], [StatusCode::UNAUTHORIZED, StatusCode::TOO_MANY_REQUESTS]);
            assert_eq!(answers[8], StatusCode::TOO_MANY_REQUESTS);
        }
        let slowed = answers.contains(&StatusCode::TOO_MANY_REQUESTS);
        assert!(slowed || began.elapsed() > Duration::from_secs(10), "{answers:?}");
    }
    drop(host);
}

/// Each operation by each role: who may only look changes nothing, and nobody but an
/// administrator makes users.
#[tokio::test]
async fn no_role_does_more_than_it_may() {
    let Some((host, api)) = host().await else { return };
    let viewer = api.with_token(Some(&host.make_token("viewer")));
    let nobody = api.with_token(None);
    let own = ["/session", "/sessions/", "/account/", "/tokens", "/setup"];
    for (method, path) in operations(&api).await {
        let status = |api: &Api| {
            let request = api
                .request(method.clone(), &path)
                .header("content-type", "application/json")
                .body("{}");
            async { request.send().await.expect("answers").status() }
        };
        let open = path == "/setup"
            || (path == "/session" && method == Method::POST)
            || path.starts_with("/openapi")
            || path == "/docs";
        if !open {
            assert_eq!(status(&nobody).await, StatusCode::UNAUTHORIZED, "{method} {path}");
        }
        let is_own = own.iter().any(|start| path.starts_with(start));
        if changes(&(method.clone(), path.clone())) && !is_own {
            assert_eq!(status(&viewer).await, StatusCode::FORBIDDEN, "viewer {method} {path}");
        }
    }
    let operator = api.with_token(Some(&host.make_token("operator")));
    let new = json!({ "username": "mallory", "password": "a long enough password", "role": "admin" });
    let refused = operator
        .send::<Value>(Method::POST, "/users", &new)
        .await
        .expect_err("it is not theirs");
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
    // A token cannot make one that may more than itself.
    let more = json!({ "name": "more", "role": "admin" });
    if let Ok(made) = operator.send::<Value>(Method::POST, "/tokens", &more).await {
        let secret = made["token"]
            .as_str()
            .or(made["secret"].as_str())
            .unwrap_or_default()
            .to_owned();
        let refused = api
            .with_token(Some(&secret))
            .send::<Value>(Method::POST, "/users", &new)
            .await;
        assert_eq!(refused.expect_err("it may no more").status, StatusCode::FORBIDDEN);
    }
}
