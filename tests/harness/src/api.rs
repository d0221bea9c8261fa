use crate::socket::Socket;
use reqwest::{Method, StatusCode};
use serde::Serialize;
use serde::de::DeserializeOwned;
use shared::container::Details;
use shared::create::{Created, NewContainer};
use shared::problem::Problem;
use shared::task::{Task, TaskState};
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(60);

/// A refused request.
#[derive(Debug)]
pub struct Refusal {
    pub status: StatusCode,
    pub problem: Problem,
}

/// A client of the native API.
#[derive(Debug, Clone)]
pub struct Api {
    http: reqwest::Client,
    address: String,
    token: Option<String>,
}

impl Api {
    pub fn new(address: &str, token: Option<&str>) -> Self {
        prepare_tls();
        Self {
            http: reqwest::Client::builder()
                .no_proxy()
                .timeout(crate::process::patience(LIMIT))
                .build()
                .expect("a client without switches"),
            address: address.to_owned(),
            token: token.map(str::to_owned),
        }
    }

    /// The same server, asked by someone else.
    pub fn with_token(&self, token: Option<&str>) -> Self {
        Self {
            token: token.map(str::to_owned),
            ..self.clone()
        }
    }

    /// A request with its path below `/api/v1`, for what the rest does not cover.
    pub fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        let request = self
            .http
            .request(method, format!("http://{}/api/v1{path}", self.address));
        match &self.token {
            Some(token) => request.bearer_auth(token),
            None => request,
        }
    }

    async fn ask(&self, request: reqwest::RequestBuilder) -> Result<String, Refusal> {
        let answer = request.send().await.expect("the server answers");
        let status = answer.status();
        let text = answer.text().await.expect("the answer is whole");
        if status.is_success() {
            return Ok(text);
        }
        let problem = serde_json::from_str(&text)
            .unwrap_or_else(|error| panic!("status {status} without a problem document ({error}): {text}"));
        Err(Refusal { status, problem })
    }

    pub async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, Refusal> {
        self.ask(self.request(Method::GET, path)).await.map(|text| read(&text))
    }

    pub async fn send<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: &impl Serialize,
    ) -> Result<T, Refusal> {
        self.ask(self.request(method, path).json(body))
            .await
            .map(|text| read(&text))
    }

    /// Asks for something that needs no body and answers none.
    pub async fn act(&self, method: Method, path: &str) -> Result<(), Refusal> {
        self.ask(self.request(method, path)).await.map(drop)
    }

    pub async fn create(&self, new: &NewContainer) -> Result<Created, Refusal> {
        self.send(Method::POST, "/containers", new).await
    }

    pub async fn inspect(&self, id: &str) -> Details {
        self.get(&format!("/containers/{id}"))
            .await
            .expect("the container is there")
    }

    /// Sends an archive and waits until it is an image.
    pub async fn upload(&self, path: &str, archive: Vec<u8>) -> Result<Task, Refusal> {
        let text = self.ask(self.request(Method::POST, path).body(archive)).await?;
        Ok(self.finish(read::<Task>(&text)).await)
    }

    /// Waits until a task is over.
    pub async fn finish(&self, mut task: Task) -> Task {
        let over = async {
            while task.state == TaskState::Running {
                tokio::time::sleep(Duration::from_millis(20)).await;
                task = self
                    .get(&format!("/tasks/{}", task.id))
                    .await
                    .expect("the task is known");
            }
        };
        tokio::time::timeout(crate::process::patience(LIMIT), over)
            .await
            .expect("the task ends in time");
        task
    }

    /// Waits until the container has ended, and gives its code.
    pub async fn wait(&self, id: &str) -> shared::container::Ended {
        self.get(&format!("/containers/{id}/wait"))
            .await
            .expect("the container is there")
    }

    /// Everything in the log, as text.
    pub async fn log(&self, id: &str) -> String {
        let path = format!("/containers/{id}/logs/download");
        self.ask(self.request(Method::GET, &path))
            .await
            .expect("the log can be read")
    }

    pub async fn socket(&self) -> Socket {
        let url = format!("ws://{}/api/v1/socket", self.address);
        Socket::open(&url, self.token.as_deref()).await
    }
}

/// HTTP clients ask for it when they are made, though all is plain HTTP here.
pub(crate) fn prepare_tls() {
    // Fails only when one is installed already.
    let _ = rustls::crypto::ring::default_provider().install_default();
}

fn read<T: DeserializeOwned>(text: &str) -> T {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error} in: {text}"))
}

/// One request without a runtime, for tidying up; `None` when the server is gone.
pub(crate) fn request(address: &str, method: &str, path: &str, headers: &str) -> Option<String> {
    let mut stream = TcpStream::connect(address).ok()?;
    stream.set_read_timeout(Some(LIMIT)).ok()?;
    let request = format!("{method} {path} HTTP/1.0\r\nHost: {address}\r\n{headers}Connection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    answer.split_once("\r\n\r\n").map(|(_, body)| body.to_owned())
}
