use crate::{host, sh, started};
use reqwest::{Method, StatusCode};
use serde_json::json;
use shared::file::{Change, ChangedFile, Committed, File};
use shared::list::List;
use std::collections::BTreeMap;
use std::fs;
use std::io::Read as _;
use std::time::Duration;

/// A tar of these files.
fn tar(files: &[(&str, &str)]) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    for (path, text) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(text.len() as u64);
        header.set_mode(0o640);
        header.set_uid(12);
        header.set_gid(34);
        tar.append_data(&mut header, path, text.as_bytes()).expect("memory");
    }
    tar.into_inner().expect("memory")
}

/// What a tar holds: the text of files, of all else nothing.
fn listed(tar: &[u8]) -> BTreeMap<String, String> {
    let mut archive = tar::Archive::new(tar);
    let entries = archive.entries().expect("a tar").map(|entry| {
        let mut entry = entry.expect("a whole tar");
        let path = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).expect("a whole tar");
        (path, String::from_utf8_lossy(&bytes).into_owned())
    });
    entries.collect()
}

/// Asks until it is so.
async fn until<F: Future<Output = bool>>(look: impl Fn() -> F) {
    let so = async {
        while !look().await {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), so)
        .await
        .expect("it becomes so in time");
}

struct Files<'a>(&'a harness::Api);

impl Files<'_> {
    async fn put(&self, path: &str, tar: Vec<u8>) -> (StatusCode, String) {
        let request = self.0.request(Method::PUT, path).body(tar);
        let answer = request.send().await.expect("it answers");
        (answer.status(), answer.text().await.expect("text"))
    }

    async fn get(&self, path: &str) -> (StatusCode, Vec<u8>) {
        let answer = self.0.request(Method::GET, path).send().await.expect("it answers");
        (answer.status(), answer.bytes().await.expect("a whole answer").to_vec())
    }
}

#[tokio::test]
async fn files_are_copied_in_and_out_of_running_and_resting_containers() {
    let Some((_host, api)) = host().await else { return };
    let mut new = sh("files", "cat /data/in/a; stat -c %u:%g:%a /data/in/a; sleep 1000");
    new.mounts =
        serde_json::from_value(json!([{ "kind": "volume", "source": "kept", "target": "/data" }])).expect("a mount");
    api.create(&new).await.expect("it is made");
    let files = Files(&api);
    // At rest, into a volume that is mounted in its place.
    let (status, why) = files
        .put(
            "/containers/files/archive?path=/data",
            tar(&[("in/a", "from outside\n")]),
        )
        .await;
    assert_eq!(status, StatusCode::NO_CONTENT, "{why}");
    let (status, out) = files.get("/containers/files/archive?path=/data/in").await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(listed(&out)["in/a"], "from outside\n");
    api.act(Method::POST, "/containers/files/start")
        .await
        .expect("it starts");
    until(|| async { api.log("files").await.contains("640") }).await;
    assert_eq!(api.log("files").await, "from outside\n12:34:640\n");
    // Running, what a tmpfs and the volume hold is seen.
    for path in ["/dev/shm", "/data", "/tmp"] {
        let target = format!("/containers/files/archive?path={path}&own_user=true");
        let (status, why) = files.put(&target, tar(&[("b", "second")])).await;
        assert_eq!(status, StatusCode::NO_CONTENT, "{path}: {why}");
        let (status, out) = files.get(&format!("/containers/files/archive?path={path}/b")).await;
        assert_eq!(
            (status, listed(&out)["b"].as_str()),
            (StatusCode::OK, "second"),
            "{path}"
        );
    }
    let there: List<File> = api.get("/containers/files/files?path=/tmp/").await.expect("a list");
    assert_eq!((there.items[0].name.as_str(), there.items[0].uid), ("b", 0));
    for (path, wanted) in [
        ("/none", StatusCode::NOT_FOUND),
        ("/bin/busybox", StatusCode::UNPROCESSABLE_ENTITY),
    ] {
        let (status, why) = files
            .put(&format!("/containers/files/archive?path={path}"), tar(&[("b", "x")]))
            .await;
        assert_eq!(status, wanted, "{path}: {why}");
    }
    let (status, _) = files.get("/containers/files/archive?path=/none").await;
    assert_eq!(status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn links_in_a_container_lead_nowhere_outside_of_it() {
    let Some((host, api)) = host().await else { return };
    let outside = host.dir().join("outside");
    fs::create_dir(&outside).expect("a writable directory");
    fs::write(outside.join("secret"), "of the host").expect("a writable directory");
    let target = outside.to_str().expect("UTF-8");
    let line = format!(
        "ln -s {target} /out; ln -s ../../../../../../../..{target} /up; ln -s /proc/1/root /magic; sleep 1000"
    );
    api.create(&started("links", &line)).await.expect("it runs");
    let files = Files(&api);
    until(|| async { files.get("/containers/links/archive?path=/magic").await.0 == StatusCode::OK }).await;
    for resting in [false, true] {
        if resting {
            api.act(Method::POST, "/containers/links/stop?timeout=0")
                .await
                .expect("it stops");
        }
        for link in ["/out", "/up", "/out/.", "/up/secret", "/out/secret"] {
            let (_, out) = files.get(&format!("/containers/links/archive?path={link}")).await;
            assert!(
                !String::from_utf8_lossy(&out).contains("of the host"),
                "{link} led outside"
            );
            let (status, _) = files
                .put(&format!("/containers/links/archive?path={link}"), tar(&[("new", "x")]))
                .await;
            assert_ne!(status, StatusCode::NO_CONTENT, "{link} is not there inside");
        }
        // An entry behind a link of its own archive.
        let mut builder = tar::Builder::new(Vec::new());
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(tar::EntryType::Symlink);
        header.set_size(0);
        builder.append_link(&mut header, "door", target).expect("memory");
        let mut bytes = builder.into_inner().expect("memory");
        bytes.truncate(512);
        bytes.extend(tar(&[("door/new", "x")]));
        files.put("/containers/links/archive?path=/tmp", bytes).await;
        let (status, why) = files
            .put("/containers/links/archive?path=/tmp", tar(&[("magic", "x")]))
            .await;
        assert_eq!(status, StatusCode::NO_CONTENT, "{why}");
    }
    let names: Vec<_> = fs::read_dir(&outside)
        .expect("it is there")
        .map(|entry| entry.expect("an entry").file_name())
        .collect();
    assert_eq!(names, ["secret"], "something was written outside");
}

#[tokio::test]
async fn a_path_that_is_swapped_while_it_is_used_stays_inside() {
    let Some((host, api)) = host().await else { return };
    let outside = host.dir().join("outside");
    fs::create_dir(&outside).expect("a writable directory");
    fs::write(outside.join("secret"), "of the host").expect("a writable directory");
    let target = outside.to_str().expect("UTF-8");
    // The link means something inside, too, so that every copy can succeed.
    let line = format!(
        "mkdir -p {target} /work/real; ln -s {target} /work/link; echo inside > {target}/secret; cp {target}/secret /work/real; \
         while true; do mv /work/real /work/x; mv /work/x /work/real; mv -T /work/link /work/x; rm -f /work/x; ln -s {target} /work/link; done"
    );
    api.create(&started("swap", &line)).await.expect("it runs");
    let files = Files(&api);
    let mut succeeded = 0;
    for round in 0..150 {
        let (status, _) = files
            .put(
                "/containers/swap/archive?path=/work/x",
                tar(&[("planted", "x"), ("planted2", "x")]),
            )
            .await;
        succeeded += u32::from(status.is_success());
        let (_, out) = files
            .get(&format!(
                "/containers/swap/archive?path=/work/x{}",
                if round % 2 == 0 { "/" } else { "/secret" }
            ))
            .await;
        assert!(
            !String::from_utf8_lossy(&out).contains("of the host"),
            "a copy came from outside"
        );
        let (status, _) = files
            .put("/containers/swap/archive?path=/work/x", tar(&[("planted", "x")]))
            .await;
        succeeded += u32::from(status.is_success());
        assert!(
            !outside.join("planted").exists(),
            "a copy went outside in round {round}"
        );
    }
    println!("{succeeded} of 300 copies met the path while it was there");
}

#[tokio::test]
async fn what_a_container_changed_is_listed_committed_and_exported() {
    let Some((_host, api)) = host().await else { return };
    let line = "echo new > /etc/new; rm /etc/group; mkdir /srv; echo x > /srv/file; sync";
    api.create(&started("work", line)).await.expect("it runs");
    assert_eq!(api.wait("work").await.exit_code, 0);
    let changed: List<ChangedFile> = api.get("/containers/work/changes").await.expect("a list");
    let changed: Vec<_> = changed
        .items
        .iter()
        .map(|file| (file.path.as_str(), file.change))
        .collect();
    let wanted = [
        ("/etc", Change::Modified),
        ("/etc/group", Change::Deleted),
        ("/etc/new", Change::Added),
        ("/srv", Change::Added),
        ("/srv/file", Change::Added),
    ];
    assert_eq!(changed, wanted);
    let asked = json!({ "reference": "work:1", "message": "kept", "changes": ["CMD [\"cat\", \"/etc/new\"]", "ENV MADE=by-hand"] });
    let made: Committed = api
        .send(Method::POST, "/containers/work/commit", &asked)
        .await
        .expect("an image");
    let mut again = started("again", "");
    again.image = "work:1".to_owned();
    again.command = None;
    api.create(&again).await.expect("it runs");
    assert_eq!(api.wait("again").await.exit_code, 0);
    assert_eq!(api.log("again").await, "new\n");
    let image: shared::image::Details = api.get(&format!("/images/{}", made.id)).await.expect("the image");
    assert!(image.spec.env.contains(&"MADE=by-hand".to_owned()));
    assert_eq!(image.spec.layers.len(), 2);
    let refused = api
        .send::<Committed>(
            Method::POST,
            "/containers/work/commit",
            &json!({ "changes": ["RUN rm"] }),
        )
        .await;
    assert!(refused.expect_err("RUN is no change").problem.detail.contains("RUN rm"));
    let files = Files(&api);
    let (status, exported) = files.get("/containers/work/export").await;
    assert_eq!(status, StatusCode::OK);
    let names = listed(&exported);
    assert_eq!(names["etc/new"], "new\n");
    assert!(!names.contains_key("etc/group"));
    // What is exported is an image again.
    let task = api
        .upload("/images/import?reference=flat:1", exported)
        .await
        .expect("it is taken");
    assert_eq!(task.state, shared::task::TaskState::Done, "{task:?}");
    let mut flat = started("flat", "test ! -e /etc/group && cat /srv/file");
    flat.image = "flat:1".to_owned();
    api.create(&flat).await.expect("it runs");
    assert_eq!(api.wait("flat").await.exit_code, 0);
    assert_eq!(api.log("flat").await, "x\n");
}

#[tokio::test]
async fn what_is_saved_is_the_same_image_when_it_is_loaded() {
    let Some((_host, api)) = host().await else { return };
    api.create(&started("more", "echo more > /more"))
        .await
        .expect("it runs");
    assert_eq!(api.wait("more").await.exit_code, 0);
    let asked = json!({ "reference": "example.com/team/more:2" });
    let made: Committed = api
        .send(Method::POST, "/containers/more/commit", &asked)
        .await
        .expect("an image");
    let files = Files(&api);
    for format in ["docker", "oci"] {
        let (status, archive) = files
            .get(&format!("/images/example.com%2Fteam%2Fmore:2/save?format={format}"))
            .await;
        assert_eq!(status, StatusCode::OK);
        let (_, again) = files
            .get(&format!("/images/example.com%2Fteam%2Fmore:2/save?format={format}"))
            .await;
        assert!(archive == again, "the same bytes each time");
        let names = listed(&archive);
        assert!(names.contains_key("oci-layout") && names.contains_key("index.json"));
        assert_eq!(names.contains_key("manifest.json"), format == "docker");
        api.act(Method::DELETE, "/images/example.com%2Fteam%2Fmore:2")
            .await
            .expect("it goes");
        let task = api.upload("/images/load", archive).await.expect("it is taken");
        assert_eq!(task.result, [made.id.clone()], "{task:?}");
        let image: shared::image::Details = api.get(&format!("/images/{}", made.id)).await.expect("the image");
        assert_eq!(image.image.tags, ["example.com/team/more:2"]);
    }
    let (status, _) = files.get("/images/none/save").await;
    assert_eq!(status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn paths_that_no_file_can_have_and_archives_that_are_cut_are_the_clients_mistakes() {
    let Some((_host, api)) = host().await else { return };
    api.create(&started("box", "sleep 1000")).await.expect("it runs");
    let long = "x".repeat(256);
    for path in ["/%00", "/a%00b", &format!("/{long}"), &format!("/tmp/{long}/x")] {
        for (method, part) in [
            (Method::GET, "files"),
            (Method::GET, "archive"),
            (Method::PUT, "archive"),
        ] {
            let path = format!("/containers/box/{part}?path={path}");
            let answer = api.request(method.clone(), &path).body(tar(&[("a", "b")])).send();
            let status = answer.await.expect("answers").status();
            assert!(status.is_client_error(), "{method} {path}: {status}");
        }
    }
    let layer = format!("/images/busybox/layers/0/files?path=/{long}");
    let status = api.request(Method::GET, &layer).send().await.expect("answers").status();
    assert!(status.is_client_error(), "{status}");
    let whole = tar(&[("first", &"a".repeat(600)), ("second", &"b".repeat(5000))]);
    let long_name = tar(&[(&long, "c")]);
    for cut in [&whole[..100], &whole[..700], &whole[..2000], &whole[..4000], &long_name] {
        let put = api
            .request(Method::PUT, "/containers/box/archive?path=/tmp")
            .body(cut.to_vec());
        let status = put.send().await.expect("answers").status();
        assert!(status.is_client_error(), "{} bytes: {status}", cut.len());
    }
}
