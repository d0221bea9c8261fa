//! The two Dockerfiles of the talk that many learned containers from: nginx with one
//! file, and node on Debian. Their bases are made here of Debian's packages. Only where
//! `GANTRY_BUILDS=talk` asks for it (`cargo xtask test-builds`).

use crate::builder::Builder;
use crate::case::{Case, parse};
use reqwest::Method;
use serde_json::json;
use shared::build::BuildState;
use shared::task::TaskState;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(60);

/// A root file system with these packages.
fn bootstrap(into: &Path, packages: &str) {
    let done = Command::new("mmdebstrap")
        .args([
            "--variant=minbase",
            "--mode=root",
            // A mirror that stands still has lists beyond their time.
            "--aptopt=Acquire::Check-Valid-Until \"false\"",
            &format!("--include={packages}"),
            "--format=tar",
            "stable",
        ])
        .arg(into)
        .output()
        .expect("mmdebstrap is installed");
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
}

async fn import(builder: &Builder, tar: &Path, name: &str) {
    let bytes = std::fs::read(tar).expect("the root file system");
    let name = name.replace(':', "%3A");
    let task = builder
        .api
        .upload(&format!("/images/import?reference={name}"), bytes)
        .await
        .expect("it is taken");
    assert_eq!(task.state, TaskState::Done, "{task:?}");
    std::fs::remove_file(tar).expect("it goes");
}

async fn built(builder: &Builder, case: &Case, name: &str) {
    let details = builder.build_case(case, name).await;
    assert_eq!(
        details.build.state,
        BuildState::Done,
        "{details:?}\n{}",
        builder.log(&details).await
    );
}

async fn answer_of(builder: &Builder, image: &str, path: &str) -> String {
    let docker = builder.host.docker();
    let asked = json!({
        "Image": image,
        "HostConfig": { "PortBindings": { "80/tcp": [{ "HostIp": "127.0.0.1", "HostPort": "" }] } },
    });
    let id = docker.run("talk", &asked).await;
    let container = docker.inspect(&id).await;
    let port = container["NetworkSettings"]["Ports"]["80/tcp"][0]["HostPort"]
        .as_str()
        .expect("a port")
        .to_owned();
    let text = async {
        loop {
            if let Ok(answer) = reqwest::get(format!("http://127.0.0.1:{port}{path}")).await
                && answer.status().is_success()
            {
                return answer.text().await.expect("whole");
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    let text = tokio::time::timeout(LIMIT, text).await;
    if text.is_err() {
        println!("{}", builder.api.log(&id).await);
    }
    let (status, _) = docker
        .ask(Method::DELETE, &format!("/containers/{id}?force=1"), None)
        .await;
    assert!(status.is_success());
    text.expect("it answers in time")
}

#[tokio::test(flavor = "multi_thread")]
async fn the_two_dockerfiles_of_the_talk_build_and_answer() {
    if !std::env::var("GANTRY_BUILDS").is_ok_and(|word| word == "talk") {
        println!("skipped: only `cargo xtask test-builds` makes whole distributions");
        return;
    }
    let Some(builder) = Builder::start().await else { return };
    let tar = builder.host.dir().join("root.tar");
    bootstrap(&tar, "nginx-light");
    import(&builder, &tar, "localhost/debian-nginx:1").await;
    let nginx = parse(
        "=== nginx\n--- dockerfile\nFROM localhost/debian-nginx:1\n\
         RUN sed -i 's,root /var/www/html,root /usr/share/nginx/html,' /etc/nginx/sites-available/default && mkdir -p /usr/share/nginx/html\n\
         EXPOSE 80\nCMD [\"nginx\", \"-g\", \"daemon off;\"]\n",
    );
    built(&builder, &nginx[0], "nginx").await;
    let page = parse(
        "=== page\n--- file hello\nhello from nginx\n--- dockerfile\nFROM nginx\nCOPY hello /usr/share/nginx/html\n",
    );
    built(&builder, &page[0], "hello-nginx").await;
    assert_eq!(answer_of(&builder, "hello-nginx", "/hello").await, "hello from nginx\n");

    bootstrap(&tar, "nodejs");
    import(&builder, &tar, "debian:stable").await;
    let web = parse(
        "=== web\n--- file server.js\n\
         require('http').createServer((q, a) => a.end('hello from node\\n')).listen(80)\n\
         --- dockerfile\nFROM debian:stable\nRUN nodejs --version > /version && ln -s /web/server.js /start.js\n\
         ADD . /web\nEXPOSE 80\nCMD [\"nodejs\", \"/start.js\"]\n",
    );
    built(&builder, &web[0], "hello-node").await;
    assert_eq!(answer_of(&builder, "hello-node", "/").await, "hello from node\n");
}
