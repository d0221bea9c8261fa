//! Whether what the returned server says is what really happened.

use crate::Marks;
use crate::asked::{ASKED_TO_GO, FAILS, Heard, Told};
use harness::{Docker, Host, wait_until};
use reqwest::{Method, StatusCode};
use serde_json::Value;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// Everything that ends by itself has ended by then.
const SETTLING: Duration = Duration::from_secs(20);
/// How a container ends whose start was cut off.
const CUT_OFF: i64 = 128;

pub(crate) struct Judge<'a> {
    host: &'a Host,
    docker: Docker,
    marks: &'a Marks,
    told: Vec<Told>,
    /// For messages.
    round: String,
}

impl<'a> Judge<'a> {
    pub(crate) fn new(host: &'a Host, marks: &'a Marks, told: Vec<Told>, round: String) -> Self {
        Self {
            docker: host.docker(),
            host,
            marks,
            told,
            round,
        }
    }

    /// What stays is there at once, and the same process.
    pub(crate) async fn running(&self, before: &BTreeMap<String, i64>) {
        for (name, pid) in before {
            let container = self.docker.inspect(name).await;
            let state = &container["State"];
            assert!(
                state["Running"] == true && state["Pid"] == *pid,
                "{}: {name} ran as process {pid}, and now {state}",
                self.round
            );
        }
    }

    /// Waits until what was to end has ended, as it had to.
    pub(crate) async fn settled(&self) {
        let end = Instant::now() + SETTLING;
        for told in &self.told {
            loop {
                match self.judge(told).await {
                    Ok(()) => break,
                    Err(why) => assert!(Instant::now() < end, "{}: {told:?}: {why}", self.round),
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
        self.no_strangers().await;
    }

    async fn judge(&self, told: &Told) -> Result<(), String> {
        match told {
            Told::Stays(name) => self.begun(name, 1..=1),
            Told::Ends(name, code) => {
                self.exited(name, *code).await?;
                self.begun(name, 1..=1)
            }
            Told::Fails(name) => {
                let container = self.docker.inspect(name).await;
                let status = container["State"]["Status"].as_str();
                let code = container["State"]["ExitCode"].as_i64();
                // The last start may be the one that the server's end cut off.
                let over = matches!(
                    (status, code),
                    (Some("exited"), Some(FAILS)) | (Some("created"), Some(CUT_OFF))
                );
                if !over || container["RestartCount"] != 2 {
                    return Err(show(&container));
                }
                self.begun(name, 2..=3)
            }
            Told::Stopped(name, heard) => {
                let container = self.docker.inspect(name).await;
                if *heard || container["State"]["Running"] != true {
                    self.exited(name, ASKED_TO_GO).await?;
                }
                self.begun(name, 1..=1)
            }
            Told::Starts { name, code, heard } => self.started(name, *code, *heard).await,
            Told::Exec { file, code, id } => self.exec(file, *code, id.as_deref()).await,
        }
    }

    async fn started(&self, name: &str, code: i64, heard: Heard) -> Result<(), String> {
        if heard == Heard::Started {
            self.exited(name, code).await?;
            return self.begun(name, 1..=1);
        }
        let path = format!("/containers/{name}/json");
        let (status, container) = self.docker.ask(Method::GET, &path, None).await;
        if status == StatusCode::NOT_FOUND && heard == Heard::Nothing {
            return self.begun(name, 0..=0);
        }
        let state = &container["State"];
        match (state["Status"].as_str(), state["ExitCode"].as_i64()) {
            (Some("created"), Some(0)) => self.begun(name, 0..=0),
            // Whether it had begun before it was ended, nobody can know.
            (Some("created" | "exited"), Some(CUT_OFF)) => self.begun(name, 0..=1),
            (Some("exited"), Some(ended)) if ended == code => self.begun(name, 1..=1),
            _ => Err(show(&container)),
        }
    }

    async fn exec(&self, file: &str, code: i64, id: Option<&str>) -> Result<(), String> {
        let counts = (self.marks.count(file, "begun"), self.marks.count(file, "ended"));
        let Some(id) = id else {
            // It was not told whether it began; if it did, it went on to its end.
            return match counts {
                (0, 0) | (1, 1) => Ok(()),
                other => Err(format!("begun and ended {other:?} times")),
            };
        };
        let (status, exec) = self.docker.ask(Method::GET, &format!("/exec/{id}/json"), None).await;
        if status != StatusCode::OK || exec["Running"] == true || exec["ExitCode"] != code {
            return Err(format!("{status}: {exec}"));
        }
        match counts {
            (1, 1) => Ok(()),
            other => Err(format!("begun and ended {other:?} times")),
        }
    }

    async fn exited(&self, name: &str, code: i64) -> Result<(), String> {
        let container = self.docker.inspect(name).await;
        let state = &container["State"];
        if state["Status"] == "exited" && state["ExitCode"] == code {
            Ok(())
        } else {
            Err(show(&container))
        }
    }

    fn begun(&self, name: &str, times: std::ops::RangeInclusive<usize>) -> Result<(), String> {
        let count = self.marks.count(name, "begun");
        if times.contains(&count) {
            Ok(())
        } else {
            Err(format!("{name} was begun {count} times"))
        }
    }

    /// There is nothing that nobody asked for, and nothing twice.
    async fn no_strangers(&self) {
        let (_, list) = self.docker.ask(Method::GET, "/containers/json?all=1", None).await;
        let mut listed: Vec<&str> = list
            .as_array()
            .expect("a list")
            .iter()
            .filter_map(|container| container["Names"][0].as_str())
            .map(|name| name.trim_start_matches('/'))
            .collect();
        listed.sort_unstable();
        let known = |name: &str| self.told.iter().any(|told| told.name() == Some(name));
        assert!(
            listed.iter().all(|name| known(name)) && listed.windows(2).all(|two| two[0] != two[1]),
            "{}: there are {listed:?}",
            self.round
        );
    }

    /// Stops what stays, and removes everything.
    pub(crate) async fn last_words(&self) {
        for told in &self.told {
            let Some(name) = told.name() else { continue };
            if matches!(told, Told::Stays(_) | Told::Stopped(..)) {
                self.docker.post(&format!("/containers/{name}/stop")).await;
                let outcome = self.exited(name, ASKED_TO_GO).await;
                assert_eq!(outcome, Ok(()), "{}: {name}", self.round);
            }
            let path = format!("/containers/{name}?force=1");
            let (status, why) = self.docker.ask(Method::DELETE, &path, None).await;
            assert!(
                matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_FOUND),
                "{}: {name}: {why}",
                self.round
            );
        }
    }

    /// Nothing of it is on the host any more; shims take a moment to go.
    pub(crate) async fn nothing_is_left(&self) {
        let clean = wait_until(Duration::from_secs(5), || {
            self.host.leftovers().is_only_the_network().then_some(())
        });
        assert!(
            clean.is_some(),
            "{}: left on the host: {:#?}",
            self.round,
            self.host.leftovers()
        );
    }
}

impl Told {
    /// Of the container it is about.
    fn name(&self) -> Option<&str> {
        match self {
            Self::Stays(name)
            | Self::Ends(name, _)
            | Self::Fails(name)
            | Self::Stopped(name, _)
            | Self::Starts { name, .. } => Some(name),
            Self::Exec { .. } => None,
        }
    }
}

fn show(container: &Value) -> String {
    format!("restarted {} times, {}", container["RestartCount"], container["State"])
}
