//! Registries that lie, stall, break off, send elsewhere or send too much: each is told
//! by a clear error, costs little, and leaves nothing behind.

macro_rules! needs_root {
    () => {
        if !sys::user::is_root() {
            println!("skipped: needs root");
            return;
        }
    };
}

mod answers;
mod server;

use image::{ImageError, Login, Platform, Progress, PullOptions, Reach};
use model::image::Reference;
use server::{
    OCI_INDEX, OCI_MANIFEST, Place, Reply, Served, Server, digest, image, layer, manifest, missing, noise, ok, served,
};
use std::collections::HashMap;
use std::fs;
use std::sync::Mutex;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

#[tokio::test]
async fn a_registry_that_lies_about_a_layer_is_told_by_what_it_lied_about() {
    needs_root!();
    let honest = image();
    let other = noise(2, 600_000);
    let lies: [(&str, Vec<u8>); 3] = [
        ("digest", {
            let mut bytes = honest.layers[0].clone();
            let middle = bytes.len() / 2;
            bytes[middle] ^= 0x55;
            bytes
        }),
        ("bytes instead of", honest.layers[0][..1000].to_vec()),
        ("bytes instead of", [&honest.layers[0][..], &other].concat()),
    ];
    for (words, lie) in lies {
        let served = honest.clone();
        let server = Server::start(move |asked, _| served.reply_but(asked, |_| ok(&lie))).await;
        let text = Place::new().fails(&server).await;
        assert!(text.contains(words), "{words}: {text}");
    }
}

#[tokio::test]
async fn a_layer_that_does_not_unpack_to_what_the_config_says_is_thrown_away() {
    needs_root!();
    let (bytes, _) = layer("a", b"x");
    let lie = served(vec![(bytes, digest(b"something else"))]);
    let server = Server::start(move |asked, _| lie.reply(asked)).await;
    let place = Place::new();
    let text = place.fails(&server).await;
    assert!(text.contains("an unpacked layer has digest"), "{text}");
    assert_eq!(fs::read_dir(place.dir.path().join("snapshots")).unwrap().count(), 0);
}

#[tokio::test]
async fn manifests_that_make_no_sense_are_refused() {
    let honest = image();
    let both = {
        let mut both = manifest(&honest.config, &honest.layers);
        both["manifests"] = serde_json::json!([]);
        both.to_string()
    };
    let loops = serde_json::json!({ "schemaVersion": 2, "manifests": [{
        "mediaType": OCI_INDEX, "digest": digest(b"x").as_str(), "size": 1,
        "platform": { "os": "linux", "architecture": Platform::own().architecture } }] });
    let encrypted = {
        let mut encrypted = manifest(&honest.config, &honest.layers);
        encrypted["layers"][0]["mediaType"] = "application/vnd.oci.image.layer.v1.tar+gzip+encrypted".into();
        encrypted.to_string()
    };
    let negative = {
        let mut negative = manifest(&honest.config, &honest.layers);
        negative["layers"][0]["size"] = (-1).into();
        negative.to_string()
    };
    let says_otherwise = String::from_utf8(honest.manifest.clone()).unwrap();
    for (json, kind, words) in [
        ("<html>sign in</html>".to_owned(), "text/html", "cannot be read"),
        (both, OCI_MANIFEST, "at once"),
        (loops.to_string(), OCI_INDEX, "digest"),
        (encrypted, OCI_MANIFEST, "media type"),
        (negative, OCI_MANIFEST, "negative"),
        (says_otherwise, OCI_INDEX, "says it is"),
        ("{}".to_owned(), OCI_MANIFEST, "names no configuration"),
    ] {
        let server = Server::start(move |_, _| {
            Reply::Whole(200, format!("Content-Type: {kind}\r\n"), json.clone().into_bytes())
        })
        .await;
        let text = Place::new().fails(&server).await;
        assert!(text.contains(words), "{words}: {text}");
    }
}

#[tokio::test]
async fn bodies_without_end_are_cut_off() {
    needs_root!();
    let server = Server::start(|_, _| Reply::Endless).await;
    let text = Place::new().fails(&server).await;
    assert!(text.contains("larger than"), "{text}");
    let honest = image();
    let server = Server::start(move |asked, _| honest.reply_but(asked, |_| Reply::Endless)).await;
    let text = Place::new().fails(&server).await;
    assert!(text.contains("bytes instead of"), "{text}");
}

#[tokio::test]
async fn a_registry_that_stalls_is_given_up() {
    needs_root!();
    let honest = image();
    let server = Server::start(move |asked, _| honest.reply_but(asked, |bytes| Reply::Stall(bytes.to_vec()))).await;
    let text = Place::new().fails(&server).await;
    assert!(text.contains("nothing came for"), "{text}");
}

#[tokio::test]
async fn a_registry_that_asks_to_wait_is_waited_for_and_not_for_ever() {
    needs_root!();
    let server = Server::start(|_, _| Reply::Whole(429, "Retry-After: 3600\r\n".to_owned(), Vec::new())).await;
    let text = Place::new().fails(&server).await;
    assert!(text.contains("slow down"), "{text}");
    assert_eq!(server.paths().len(), 3, "it is asked as often as it was said");
    let honest = image();
    let times = Mutex::new(HashMap::new());
    let server = Server::start(move |asked, _| {
        let mut times = times.lock().unwrap();
        let before = times.entry(asked.path.clone()).or_insert(0);
        *before += 1;
        match *before {
            1 => Reply::Whole(429, "Retry-After: 0\r\n".to_owned(), Vec::new()),
            2 => Reply::Whole(503, String::new(), Vec::new()),
            _ => honest.reply(asked),
        }
    })
    .await;
    Place::new().pull(&server).await.unwrap();
}

#[tokio::test]
async fn a_connection_that_breaks_is_taken_up_where_it_broke() {
    needs_root!();
    for understands_ranges in [true, false] {
        let honest = image();
        let served = honest.clone();
        let server = Server::start(move |asked, _| {
            if !served.is_first_layer(asked) {
                return served.reply(asked);
            }
            let bytes = &served.layers[0];
            let offset = if understands_ranges { asked.offset() } else { 0 };
            let (status, more) = match offset {
                0 => (200, String::new()),
                from => (
                    206,
                    format!("Content-Range: bytes {from}-{}/{}\r\n", bytes.len() - 1, bytes.len()),
                ),
            };
            let rest = bytes[offset..].to_vec();
            // Each time somewhat more than before.
            let sent = (250_000 + asked.offset()).min(rest.len());
            Reply::Cut(status, more, rest, sent)
        })
        .await;
        let place = Place::new();
        let pulled = place.pull(&server).await.unwrap();
        assert_eq!(pulled.image.layers.len(), 2);
        place.assert_clean();
        let times = server
            .paths()
            .iter()
            .filter(|path| path.ends_with(digest(&honest.layers[0]).as_str()))
            .count();
        assert!(times > 1, "it broke");
    }
}

#[tokio::test]
async fn credentials_do_not_follow_to_another_host() {
    needs_root!();
    let honest = image();
    let elsewhere = honest.clone();
    let elsewhere = Server::start(move |asked, _| elsewhere.reply(asked)).await;
    let to = elsewhere.address.clone();
    let server = Server::start(move |asked, _| {
        if !asked.head.contains("authorization: basic") {
            return Reply::Whole(401, "WWW-Authenticate: Basic realm=\"x\"\r\n".to_owned(), Vec::new());
        }
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
    Place::new().pull_with(&server, options).await.unwrap();
    let asked = elsewhere.asked.lock().unwrap();
    assert!(!asked.is_empty());
    assert!(asked.iter().all(|asked| !asked.head.contains("authorization")));
}

#[tokio::test]
async fn a_realm_in_the_clear_somewhere_else_gets_no_login() {
    // Another port of this host would be allowed; another host is not.
    let realm = "http://192.0.2.1/token";
    let server = Server::start(move |_, _| {
        let challenge = format!("WWW-Authenticate: Bearer realm=\"{realm}\"\r\n");
        Reply::Whole(401, challenge, Vec::new())
    })
    .await;
    let text = Place::new().fails(&server).await;
    assert!(
        text.contains("not safe to follow") && text.contains("192.0.2.1"),
        "{text}"
    );
}

#[tokio::test]
async fn redirects_without_end_end() {
    let server =
        Server::start(|asked, _| Reply::Whole(302, format!("Location: {}x\r\n", asked.path), Vec::new())).await;
    let text = Place::new().fails(&server).await;
    assert!(text.contains("without end"), "{text}");
    assert!(server.paths().len() < 10);
}

#[tokio::test]
async fn addresses_that_a_manifest_gives_for_its_layers_are_not_asked() {
    needs_root!();
    let trap = Server::start(|_, _| missing()).await;
    let honest = image();
    let mut json = manifest(&honest.config, &honest.layers);
    json["layers"][0]["urls"] = serde_json::json!([format!("http://{}/layer", trap.address)]);
    let served = Served {
        manifest: json.to_string().into_bytes(),
        ..honest
    };
    let server = Server::start(move |asked, _| served.reply(asked)).await;
    Place::new().pull(&server).await.unwrap();
    assert!(trap.paths().is_empty());
}

#[tokio::test]
async fn two_pulls_at_once_fetch_a_layer_once() {
    needs_root!();
    let honest = image();
    let served = honest.clone();
    let server = Server::start(move |asked, _| served.reply(asked)).await;
    let place = Place::new();
    let (one, other) = tokio::join!(place.pull(&server), place.pull(&server));
    assert_eq!(one.unwrap().image.layers, other.unwrap().image.layers);
    for layer in &honest.layers {
        let times = server
            .paths()
            .iter()
            .filter(|path| path.ends_with(digest(layer).as_str()))
            .count();
        assert_eq!(times, 1);
    }
}

#[tokio::test]
async fn a_layer_that_lies_in_two_places_is_fetched_once() {
    needs_root!();
    let same = layer("a", b"same");
    let honest = served(vec![same.clone(), layer("b", b"other"), same.clone()]);
    let serving = honest.clone();
    let server = Server::start(move |asked, _| serving.reply(asked)).await;
    let place = Place::new();
    let pulled = place.pull(&server).await.unwrap();
    assert_eq!(pulled.image.layers.len(), 3);
    let times = server
        .paths()
        .iter()
        .filter(|path| path.ends_with(digest(&same.0).as_str()))
        .count();
    assert_eq!(times, 1);
    assert_eq!(fs::read_dir(place.dir.path().join("snapshots")).unwrap().count(), 3);
}

#[tokio::test]
async fn a_pull_that_is_cancelled_leaves_nothing_half_made() {
    needs_root!();
    let honest = image();
    let server = Server::start(move |asked, _| honest.reply_but(asked, |bytes| Reply::Stall(bytes.to_vec()))).await;
    let place = Place::new();
    let reference = Reference::parse(&format!("{}/team/web:1", server.address)).unwrap();
    let (progress, mut seen) = watch::channel(Progress::default());
    let cancel = CancellationToken::new();
    let begun = async {
        seen.wait_for(|progress| progress.bytes_done > 0).await.unwrap();
        cancel.cancel();
    };
    let pulling = place
        .store
        .pull(&reference, PullOptions::default(), progress, cancel.clone());
    let (outcome, ()) = tokio::join!(pulling, begun);
    assert!(matches!(outcome, Err(ImageError::Cancelled)));
    place.assert_clean();
}
