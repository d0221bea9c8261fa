use reqwest::{Method, StatusCode};
use serde_json::Value;
use std::path::Path;
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(60);

/// A client of the Docker API. It asks without a version, as scripts do.
#[derive(Debug, Clone)]
pub struct Docker {
    http: reqwest::Client,
}

impl Docker {
    pub fn new(socket: &Path) -> Self {
        crate::api::prepare_tls();
        Self {
            http: reqwest::Client::builder()
                .unix_socket(socket)
                .timeout(crate::process::patience(LIMIT))
                .build()
                .expect("a client of a socket"),
        }
    }

    /// The status and the body, which is `null` where there is none or it is no JSON.
    /// `None` when the server went away meanwhile.
    pub async fn try_ask(&self, method: Method, path: &str, body: Option<&Value>) -> Option<(StatusCode, Value)> {
        let mut request = self.http.request(method, format!("http://docker{path}"));
        if let Some(body) = body {
            request = request.json(body);
        }
        let answer = request.send().await.ok()?;
        let status = answer.status();
        let text = answer.text().await.ok()?;
        Some((status, serde_json::from_str(&text).unwrap_or_default()))
    }

    pub async fn ask(&self, method: Method, path: &str, body: Option<&Value>) -> (StatusCode, Value) {
        self.try_ask(method, path, body).await.expect("the server answers")
    }

    /// The body of an answer, whatever it holds.
    pub async fn text(&self, path: &str) -> String {
        self.text_of(Method::GET, path, &Value::Null).await
    }

    /// The same of a request with a body.
    pub async fn text_of(&self, method: Method, path: &str, body: &Value) -> String {
        let mut request = self.http.request(method, format!("http://docker{path}"));
        if !body.is_null() {
            request = request.json(body);
        }
        let answer = request.send().await.expect("the server answers");
        let bytes = answer.bytes().await.expect("the answer is whole");
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// An answer that is no JSON, as text; frames of streams are taken off by [`without_frames`].
    pub async fn bytes(&self, path: &str) -> Vec<u8> {
        let request = self.http.get(format!("http://docker{path}"));
        let answer = request.send().await.expect("the server answers");
        assert_eq!(answer.status(), StatusCode::OK, "{path}");
        answer.bytes().await.expect("the answer is whole").to_vec()
    }

    pub async fn post(&self, path: &str) -> (StatusCode, Value) {
        self.ask(Method::POST, path, None).await
    }

    /// Brings the images of an archive.
    pub async fn load(&self, archive: Vec<u8>) {
        let request = self.http.post("http://docker/images/load").body(archive);
        let answer = request.send().await.expect("the server answers");
        assert_eq!(answer.status(), StatusCode::OK);
    }

    /// Makes a container and starts it; its id.
    pub async fn run(&self, name: &str, asked: &Value) -> String {
        let (status, made) = self
            .ask(Method::POST, &format!("/containers/create?name={name}"), Some(asked))
            .await;
        assert_eq!(status, StatusCode::CREATED, "{made}");
        let (status, why) = self.post(&format!("/containers/{name}/start")).await;
        assert_eq!(status, StatusCode::NO_CONTENT, "{why}");
        made["Id"].as_str().expect("an id").to_owned()
    }

    /// Looks at a container again and again until it is as wanted.
    pub async fn until(&self, name: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let end = std::time::Instant::now() + LIMIT;
        loop {
            let container = self.inspect(name).await;
            if wanted(&container) {
                return container;
            }
            assert!(std::time::Instant::now() < end, "{name} stays as it is: {container}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    pub async fn inspect(&self, name: &str) -> Value {
        let (status, container) = self.ask(Method::GET, &format!("/containers/{name}/json"), None).await;
        assert_eq!(status, StatusCode::OK, "{container}");
        container
    }
}

/// The bytes of a stream of a container without a terminal: each frame has a header of
/// eight bytes, the last four of which are its length.
pub fn without_frames(mut bytes: &[u8]) -> String {
    let mut text = Vec::new();
    while let Some((header, rest)) = bytes.split_at_checked(8) {
        let length = u32::from_be_bytes([header[4], header[5], header[6], header[7]]);
        let (frame, rest) = rest.split_at(usize::try_from(length).expect("a length"));
        text.extend_from_slice(frame);
        bytes = rest;
    }
    String::from_utf8_lossy(&text).into_owned()
}
