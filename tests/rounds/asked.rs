//! What is asked of the server in one round, and what it said to that.

use crate::Marks;
use crate::random::Random;
use harness::Docker;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;
use tokio::task::JoinSet;

/// Of containers that stay until they are asked to go.
pub(crate) const ASKED_TO_GO: i64 = 21;
/// Of those that fail and are begun again, twice.
pub(crate) const FAILS: i64 = 9;
const FIRST_OF_ENDING: i64 = 10;
const FIRST_OF_STARTING: i64 = 40;
const FIRST_OF_EXECS: i64 = 60;

const STAYING: usize = 5;
const ENDING: usize = 5;
const FAILING: usize = 2;
const STOPPED: usize = 2;
const STARTING: usize = 6;

/// A thing the server was asked for, and how far its answers came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Told {
    /// Runs until it is stopped.
    Stays(String),
    /// Runs for a while and ends with the code.
    Ends(String, i64),
    /// Ends badly each time.
    Fails(String),
    /// Was asked to stop; whether the server said that it has.
    Stopped(String, bool),
    /// Was asked for while the server was killed.
    Starts { name: String, code: i64, heard: Heard },
    /// An exec, whose marks are in the file; its id once it was started.
    Exec {
        file: String,
        code: i64,
        id: Option<String>,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Heard {
    Nothing,
    Created,
    Started,
}

pub(crate) struct Asked {
    docker: Docker,
    dir: PathBuf,
    told: Vec<Told>,
}

/// Requests that are under way.
pub(crate) struct Doings {
    told: Vec<Told>,
    running: JoinSet<Told>,
}

impl Doings {
    pub(crate) async fn heard(mut self) -> Vec<Told> {
        while let Some(told) = self.running.join_next().await {
            self.told.push(told.expect("no request panics"));
        }
        self.told
    }
}

impl Asked {
    pub(crate) fn new(docker: Docker, marks: &Marks) -> Self {
        Self {
            docker,
            dir: marks.0.clone(),
            told: Vec::new(),
        }
    }

    fn container(&self, line: &str) -> Value {
        json!({
            "Image": "busybox",
            "Cmd": ["sh", "-c", line],
            "HostConfig": { "Binds": [format!("{}:/marks", self.dir.display())] },
        })
    }

    fn staying(&self, name: &str) -> Value {
        let line = format!("trap 'exit {ASKED_TO_GO}' TERM; echo begun >> /marks/{name}; sleep 1000 & wait $!");
        self.container(&line)
    }

    fn ending(&self, name: &str, after: Duration, code: i64) -> Value {
        self.container(&format!(
            "echo begun >> /marks/{name}; sleep {:.3}; exit {code}",
            after.as_secs_f64()
        ))
    }

    /// What runs already when the rest begins.
    pub(crate) async fn begin(&mut self, random: &mut Random) {
        let mut wanted = Vec::new();
        for number in 0..STAYING {
            let name = format!("stays{number}");
            wanted.push((name.clone(), self.staying(&name)));
            self.told.push(Told::Stays(name));
        }
        for number in 0..STOPPED {
            let name = format!("stopped{number}");
            wanted.push((name.clone(), self.staying(&name)));
        }
        for number in 0..FAILING {
            let name = format!("fails{number}");
            let mut asked = self.ending(&name, random.up_to(Duration::from_millis(300)), FAILS);
            asked["HostConfig"]["RestartPolicy"] = json!({ "Name": "on-failure", "MaximumRetryCount": 2 });
            wanted.push((name.clone(), asked));
            self.told.push(Told::Fails(name));
        }
        for number in 0..ENDING {
            let name = format!("ends{number}");
            let code = FIRST_OF_ENDING + number as i64;
            let after = Duration::from_millis(200) + random.up_to(Duration::from_millis(1000));
            wanted.push((name.clone(), self.ending(&name, after, code)));
            self.told.push(Told::Ends(name, code));
        }
        let mut running = JoinSet::new();
        for (name, asked) in wanted {
            let docker = self.docker.clone();
            running.spawn(async move { docker.run(&name, &asked).await });
        }
        while let Some(run) = running.join_next().await {
            run.expect("it runs");
        }
    }

    /// The main process of each container that stays, as the host numbers it.
    pub(crate) async fn pids(&self) -> BTreeMap<String, i64> {
        let mut pids = BTreeMap::new();
        for told in &self.told {
            let Told::Stays(name) = told else { continue };
            let container = self.docker.inspect(name).await;
            let pid = container["State"]["Pid"].as_i64().filter(|pid| *pid > 0);
            pids.insert(name.clone(), pid.expect("it runs"));
        }
        pids
    }

    /// Asks for everything that is under way when the server is killed.
    pub(crate) fn go_on(self, random: &mut Random) -> Doings {
        let mut running = JoinSet::new();
        let window = Duration::from_millis(500);
        for number in 0..STOPPED {
            let (docker, pause) = (self.docker.clone(), random.up_to(window));
            running.spawn(async move {
                tokio::time::sleep(pause).await;
                let name = format!("stopped{number}");
                let answer = docker
                    .try_ask(Method::POST, &format!("/containers/{name}/stop"), None)
                    .await;
                Told::Stopped(name, answer.is_some_and(|(status, _)| status == StatusCode::NO_CONTENT))
            });
        }
        for number in 0..STARTING {
            let (docker, pause) = (self.docker.clone(), random.up_to(window));
            let name = format!("starts{number}");
            let code = FIRST_OF_STARTING + number as i64;
            let asked = self.ending(&name, random.up_to(Duration::from_millis(600)), code);
            running.spawn(async move {
                tokio::time::sleep(pause).await;
                let heard = start(&docker, &name, &asked).await;
                Told::Starts { name, code, heard }
            });
        }
        for number in 0..STAYING {
            let (docker, pause) = (self.docker.clone(), random.up_to(window));
            let length = random.up_to(Duration::from_millis(800));
            let code = FIRST_OF_EXECS + number as i64;
            running.spawn(async move {
                tokio::time::sleep(pause).await;
                let file = format!("exec{number}");
                let line = format!(
                    "echo begun >> /marks/{file}; sleep {:.3}; echo ended >> /marks/{file}; exit {code}",
                    length.as_secs_f64()
                );
                let id = exec(&docker, &format!("stays{number}"), &line).await;
                Told::Exec { file, code, id }
            });
        }
        Doings {
            told: self.told,
            running,
        }
    }
}

async fn start(docker: &Docker, name: &str, asked: &Value) -> Heard {
    let path = format!("/containers/create?name={name}");
    match docker.try_ask(Method::POST, &path, Some(asked)).await {
        Some((StatusCode::CREATED, _)) => {}
        Some((status, why)) => panic!("creating {name} answers {status}: {why}"),
        None => return Heard::Nothing,
    }
    match docker
        .try_ask(Method::POST, &format!("/containers/{name}/start"), None)
        .await
    {
        Some((StatusCode::NO_CONTENT, _)) => Heard::Started,
        Some((status, why)) => panic!("starting {name} answers {status}: {why}"),
        None => Heard::Created,
    }
}

/// The id of an exec that the server said it has begun.
async fn exec(docker: &Docker, container: &str, line: &str) -> Option<String> {
    let asked = json!({ "Cmd": ["sh", "-c", line] });
    let path = format!("/containers/{container}/exec");
    let (status, made) = docker.try_ask(Method::POST, &path, Some(&asked)).await?;
    assert_eq!(status, StatusCode::CREATED, "{made}");
    let id = made["Id"].as_str().expect("an id").to_owned();
    let path = format!("/exec/{id}/start");
    let (status, why) = docker
        .try_ask(Method::POST, &path, Some(&json!({ "Detach": true })))
        .await?;
    assert_eq!(status, StatusCode::OK, "{why}");
    Some(id)
}
