//! Answers that are no answers, and those that contradict each other.

use crate::server::{Asked, OCI_MANIFEST, Place, Reply, Served, Server, digest, image, manifest, missing, ok};
use image::{Login, Platform, Progress, PullOptions, Reach};
use model::image::Reference;
use std::time::{Duration, Instant};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// Of the store's silence.
const SOON: Duration = Duration::from_secs(20);

#[tokio::test]
async fn a_body_that_trickles_is_given_up() {
    needs_root!();
    for blob in [false, true] {
        let honest = image();
        let server = Server::start(move |asked, _| {
            if honest.is_first_layer(asked) == blob && asked.path.contains("/manifests/") != blob {
                let body = honest.find(asked).unwrap();
                return Reply::Trickle(body, Duration::from_millis(50));
            }
            honest.reply(asked)
        })
        .await;
        let begun = Instant::now();
        let text = Place::new().fails(&server).await;
        assert!(text.contains("next to nothing"), "{text}");
        assert!(begun.elapsed() < SOON);
    }
}

#[tokio::test]
async fn a_registry_that_says_nothing_or_only_headers_is_given_up() {
    let server = Server::start(|_, _| Reply::Silence).await;
    let begun = Instant::now();
    let text = Place::new().fails(&server).await;
    assert!(text.contains("nothing came for"), "{text}");
    let server = Server::start(|_, _| Reply::EndlessHeader).await;
    let text = Place::new().fails(&server).await;
    assert!(text.contains("cannot reach the registry"), "{text}");
    assert!(begun.elapsed() < SOON);
}

#[tokio::test]
async fn garbage_is_told_as_such() {
    for (bytes, words) in [
        (
            &b"\x00\x01\x02 not HTTP at all\r\n\r\n"[..],
            "cannot reach the registry",
        ),
        (
            b"HTTP/1.1 500 X\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\n\x1f\x8b\x08\x00",
            "answered 500",
        ),
        (
            b"HTTP/1.1 200 X\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\n\x1f\x8b\x08\x00",
            "cannot be read",
        ),
        (
            b"HTTP/1.1 302 X\r\nLocation: \xff\xfe\r\nContent-Length: 0\r\n\r\n",
            "answered 302",
        ),
        (
            b"HTTP/1.1 302 X\r\nLocation: file:///etc/passwd\r\nContent-Length: 0\r\n\r\n",
            "not safe to follow",
        ),
        (
            b"HTTP/1.1 200 X\r\nContent-Length: 9\r\nContent-Length: 3\r\n\r\n{}",
            "cannot",
        ),
        (
            b"HTTP/1.1 200 X\r\nTransfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n",
            "cannot reach the registry",
        ),
    ] {
        let server = Server::start(move |_, _| Reply::Raw(bytes.to_vec())).await;
        let text = Place::new().fails(&server).await;
        assert!(text.contains(words), "{words}: {text}");
    }
}

#[tokio::test]
async fn documents_nested_beyond_measure_are_refused() {
    needs_root!();
    let deep = |before: &str| format!("{before}{}", "[".repeat(1 << 20)).into_bytes();
    let (manifest_, config) = (deep(r#"{"schemaVersion":2,"more":"#), deep(r#"{"rootfs":"#));
    let server = Server::start(move |_, _| ok(&manifest_)).await;
    let text = Place::new().fails(&server).await;
    assert!(text.contains("cannot be read"), "{text}");
    let nested = Served {
        manifest: manifest(&config, &[]).to_string().into_bytes(),
        config,
        layers: Vec::new(),
    };
    let server = Server::start(move |asked, _| nested.reply(asked)).await;
    let text = Place::new().fails(&server).await;
    assert!(text.contains("configuration cannot be read"), "{text}");
}

#[tokio::test]
async fn a_digest_that_the_registry_does_not_keep_to_is_told() {
    needs_root!();
    // By its own header.
    let honest = image();
    let server = Server::start(move |asked, _| {
        if asked.path.contains("/manifests/") {
            let other = format!("Docker-Content-Digest: {}\r\n", digest(b"other"));
            return Reply::Whole(200, other, honest.manifest.clone());
        }
        honest.reply(asked)
    })
    .await;
    let text = Place::new().fails(&server).await;
    assert!(text.contains("the manifest has digest"), "{text}");
    // By tag one, by digest another: what was named by digest is what comes.
    let (honest, other) = (image(), image());
    let named = digest(&honest.manifest);
    let mut json = manifest(&other.config, &other.layers);
    json["annotations"] = serde_json::json!({ "other": "yes" });
    let lie = json.to_string().into_bytes();
    let server = Server::start(move |asked, _| {
        if asked.path.contains("/manifests/") {
            return ok(&lie);
        }
        honest.reply(asked)
    })
    .await;
    let place = Place::new();
    let reference = Reference::parse(&format!("{}/team/web:1@{named}", server.address)).unwrap();
    let progress = watch::channel(Progress::default()).0;
    let pulling = place
        .store
        .pull(&reference, PullOptions::default(), progress, CancellationToken::new());
    let text = pulling.await.expect_err("it is another").to_string();
    assert!(
        text.contains("the manifest has digest") && text.contains(named.as_str()),
        "{text}"
    );
    place.assert_clean();
}

/// Who serves blobs for a registry gets no login by asking for one.
#[tokio::test]
async fn where_we_are_sent_nobody_may_ask_who_we_are() {
    needs_root!();
    let trap = Server::start(|_, _| ok(br#"{"token":"x"}"#)).await;
    for challenge in [
        format!("Bearer realm=\"http://{}/token\"", trap.address),
        "Basic realm=\"x\"".to_owned(),
    ] {
        let honest = image();
        let elsewhere =
            Server::start(move |_, _| Reply::Whole(401, format!("WWW-Authenticate: {challenge}\r\n"), Vec::new()))
                .await;
        let to = elsewhere.address.clone();
        let server = Server::start(move |asked, _| {
            if asked.path.contains("/blobs/") {
                return Reply::Whole(307, format!("Location: http://{to}{}\r\n", asked.path), Vec::new());
            }
            honest.reply(asked)
        })
        .await;
        let options = PullOptions {
            reach: Reach {
                login: Some(Login::Password {
                    username: "ada".to_owned(),
                    password: "secret".to_owned(),
                }),
                ..Reach::default()
            },
            ..PullOptions::default()
        };
        let place = Place::new();
        let text = place
            .pull_with(&server, options)
            .await
            .expect_err("it is refused")
            .to_string();
        assert!(text.contains("credentials"), "{text}");
        place.assert_clean();
        let asked = elsewhere.asked.lock().unwrap();
        assert!(asked.iter().all(|asked| !asked.head.contains("authorization")));
    }
    assert!(trap.paths().is_empty(), "it asked for a token: {:?}", trap.paths());
}

#[tokio::test]
async fn how_long_to_wait_may_be_said_in_any_way() {
    needs_root!();
    for said in [
        "Wed, 21 Oct 2099 07:28:00 GMT",
        "99999999999999999999999",
        "-1",
        "soon",
        "\u{e9}",
    ] {
        let honest = image();
        let server = Server::start(move |asked: &Asked, before| match before {
            0 => Reply::Whole(429, format!("Retry-After: {said}\r\n"), Vec::new()),
            _ => honest.reply(asked),
        })
        .await;
        let begun = Instant::now();
        Place::new()
            .pull(&server)
            .await
            .unwrap_or_else(|error| panic!("{said}: {error}"));
        assert!(begun.elapsed() < SOON, "{said}");
    }
}

/// Builders have been wrong about it for years, so it is shown and not refused.
#[tokio::test]
async fn an_image_for_another_processor_is_told_by_its_configuration() {
    needs_root!();
    let honest = image();
    let config = String::from_utf8(honest.config.clone()).unwrap();
    let config = config.replace(&Platform::own().architecture, "s390x").into_bytes();
    let other = Served {
        manifest: manifest(&config, &honest.layers).to_string().into_bytes(),
        config,
        ..honest
    };
    let server = Server::start(move |asked, _| {
        if asked.path.ends_with("/manifests/1") {
            let index = serde_json::json!({ "schemaVersion": 2, "manifests": [{
                "mediaType": OCI_MANIFEST, "digest": digest(&other.manifest).as_str(), "size": other.manifest.len(),
                "platform": { "os": "linux", "architecture": Platform::own().architecture } }] });
            return ok(index.to_string().as_bytes());
        }
        match other.find(asked) {
            Some(_) => other.reply(asked),
            None => missing(),
        }
    })
    .await;
    let pulled = Place::new().pull(&server).await.unwrap();
    assert_eq!(pulled.image.config.architecture, "s390x");
}
