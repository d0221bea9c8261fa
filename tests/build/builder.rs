//! A server to build with, and what it made.

use crate::case::Case;
use crate::outcome;
use harness::{Api, Host, Image, can_run_containers};
use reqwest::Method;
use reqwest::multipart::{Form, Part};
use serde_json::{Value, json};
use shared::build::{Build, BuildState, Details, LinePage, NewBuild};
use shared::task::TaskState;
use std::path::Path;
use std::time::Duration;

/// What cases begin with.
pub(crate) const BASE: &str = "localhost/base:1";
const LIMIT: Duration = Duration::from_secs(120);

pub(crate) struct Builder {
    pub(crate) host: Host,
    pub(crate) api: Api,
}

impl Builder {
    /// With the base image there; `None` where containers cannot be run.
    pub(crate) async fn start() -> Option<Self> {
        if !can_run_containers() {
            return None;
        }
        let host = Host::start(env!("CARGO_BIN_EXE_gantry"));
        let api = host.api();
        let builder = Self { host, api };
        builder.load(&Image::busybox(), BASE).await;
        Some(builder)
    }

    pub(crate) async fn load(&self, image: &Image, name: &str) {
        let task = self
            .api
            .upload("/images/load", image.archive(name))
            .await
            .expect("it is taken");
        assert_eq!(task.state, TaskState::Done, "{task:?}");
    }

    /// Builds and waits for the end.
    pub(crate) async fn build(&self, new: &NewBuild, context: Option<Vec<u8>>) -> Details {
        let begun = self.begin(new, context).await;
        self.finish(&begun.id).await
    }

    pub(crate) async fn begin(&self, new: &NewBuild, context: Option<Vec<u8>>) -> Build {
        let request = self.api.request(Method::POST, "/builds");
        let options = serde_json::to_string(new).expect("it is JSON");
        let request = match context {
            Some(context) => {
                let form = Form::new()
                    .text("options", options)
                    .part("context", Part::bytes(context));
                request.multipart(form)
            }
            None => request.header("content-type", "application/json").body(options),
        };
        let answer = request.send().await.expect("the server answers");
        let status = answer.status();
        let text = answer.text().await.expect("whole");
        assert_eq!(status.as_u16(), 202, "{text}");
        serde_json::from_str(&text).expect("a build")
    }

    pub(crate) async fn finish(&self, id: &str) -> Details {
        let over = async {
            loop {
                let details: Details = self
                    .api
                    .get(&format!("/builds/{id}"))
                    .await
                    .expect("the build is known");
                if details.build.state != BuildState::Running {
                    return details;
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(LIMIT, over).await.expect("the build ends in time")
    }

    pub(crate) async fn build_case(&self, case: &Case, name: &str) -> Details {
        let new = NewBuild {
            tags: vec![name.to_owned()],
            args: case.args.iter().cloned().collect(),
            secrets: case.secrets.iter().cloned().collect(),
            target: case.target.clone(),
            ..NewBuild::default()
        };
        self.build(&new, Some(case.context())).await
    }

    /// A Dockerfile without context; it must succeed.
    pub(crate) async fn simple(&self, dockerfile: &str) -> Details {
        let new = NewBuild {
            dockerfile: Some(dockerfile.to_owned()),
            ..NewBuild::default()
        };
        let details = self.build(&new, None).await;
        assert_eq!(
            details.build.state,
            BuildState::Done,
            "{details:?}\n{}",
            self.log(&details).await
        );
        details
    }

    pub(crate) async fn log(&self, details: &Details) -> String {
        let page: LinePage = self
            .api
            .get(&format!("/builds/{}/log?max=5000", details.build.id))
            .await
            .expect("its log is there");
        page.lines.into_iter().map(|line| line.text + "\n").collect()
    }

    /// A blob of the server's store.
    pub(crate) fn blob(&self, digest: &str) -> Vec<u8> {
        let hex = digest.strip_prefix("sha256:").expect("a digest");
        let path = self.host.data_dir().join("content/blobs/sha256").join(hex);
        std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    }

    pub(crate) fn document(&self, image: &str) -> Value {
        serde_json::from_slice(&self.blob(image)).expect("a configuration")
    }

    pub(crate) async fn layers(&self, image: &str) -> Vec<Vec<u8>> {
        let details: Value = self
            .api
            .get(&format!("/images/{image}"))
            .await
            .expect("the image is there");
        let manifest: Value =
            serde_json::from_slice(&self.blob(details["manifest"].as_str().expect("a manifest"))).expect("a manifest");
        let layers = manifest["layers"].as_array().expect("layers");
        layers
            .iter()
            .map(|layer| self.blob(layer["digest"].as_str().expect("a digest")))
            .collect()
    }

    pub(crate) async fn tree(&self, image: &str) -> outcome::Tree {
        outcome::tree(&self.layers(image).await)
    }

    /// Configuration and files, as cases have them.
    pub(crate) async fn lines(&self, image: &str, base: &outcome::Tree) -> Vec<String> {
        let document = self.document(image);
        let after = self.tree(image).await;
        // What begins with nothing is compared with nothing.
        let nothing = outcome::Tree::new();
        let before = if after.contains_key("bin/busybox") {
            base
        } else {
            &nothing
        };
        let mut lines = outcome::config(&document);
        lines.extend(outcome::difference(before, &after));
        lines
    }

    /// Names below a folder of the data directory.
    pub(crate) fn left_in(&self, folder: &str) -> Vec<String> {
        let dir: &Path = &self.host.data_dir().join(folder);
        let entries = std::fs::read_dir(dir).map(|entries| {
            entries
                .filter_map(Result::ok)
                .map(|entry| entry.file_name().to_string_lossy().into_owned())
                .collect()
        });
        entries.unwrap_or_default()
    }

    pub(crate) async fn run_output(&self, image: &str, command: &[&str]) -> (i32, String) {
        let new =
            serde_json::from_value(json!({ "image": image, "command": command, "start": true })).expect("a request");
        let made = self.api.create(&new).await.expect("it starts");
        let ended = self.api.wait(&made.id).await;
        let log = self.api.log(&made.id).await;
        self.api
            .act(Method::DELETE, &format!("/containers/{}", made.id))
            .await
            .expect("it goes");
        (ended.exit_code, log)
    }
}
