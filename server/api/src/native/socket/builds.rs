//! Builds on their way: their steps, and what these write.

use super::channel::{Channel, Stop};
use super::feed::{PAUSE, server_ends};
use crate::native::build;
use crate::native::front::Front;
use engine::BuildState;
use shared::build::{Build, Step};
use shared::socket::{BuildNews, Data};

/// As many as the list shows.
const NEWEST: u32 = 50;
const LINES: usize = 250;

/// Each build that changed, without its steps.
pub(super) async fn all(front: &Front, channel: &Channel, sees_values: bool) -> Result<String, Stop> {
    let mut changes = front.engine.watch_tasks();
    let mut told: Vec<Build> = Vec::new();
    channel.opened().await?;
    loop {
        changes.borrow_and_update();
        let builds = front.engine.builds(NEWEST).await?;
        let now: Vec<Build> = builds.iter().map(|one| build::shown(one, sees_values)).collect();
        let news: Vec<BuildNews> = now
            .iter()
            .filter(|build| !told.contains(build))
            .map(|build| BuildNews {
                build: build.clone(),
                steps: Vec::new(),
            })
            .collect();
        if !news.is_empty() {
            channel.data(0, Data::Builds(news)).await?;
        }
        told = now;
        tokio::time::sleep(PAUSE).await;
        if changes.changed().await.is_err() {
            return Ok(server_ends());
        }
    }
}

/// One build, with the steps that changed.
pub(super) async fn one(front: &Front, channel: &Channel, id: &str) -> Result<String, Stop> {
    let mut watch = front.engine.watch_build(&build::find(id)?).await?;
    let mut told: Vec<Step> = Vec::new();
    channel.opened().await?;
    loop {
        let now = watch.borrow_and_update().clone();
        let details = build::details(&now);
        let steps = details.steps.iter().filter(|step| !told.contains(step));
        let news = BuildNews {
            build: details.build.clone(),
            steps: steps.cloned().collect(),
        };
        channel.data(0, Data::Builds(vec![news])).await?;
        told = details.steps;
        if now.state != BuildState::Running {
            return Ok("the build is over".to_owned());
        }
        tokio::time::sleep(PAUSE).await;
        if watch.changed().await.is_err() {
            return Ok("the build is over".to_owned());
        }
    }
}

/// Lines from a number on, until the build is over.
pub(super) async fn lines(front: &Front, channel: &Channel, id: &str, from: Option<u64>) -> Result<String, Stop> {
    let id = build::find(id)?;
    let mut watch = front.engine.watch_build(&id).await?;
    let mut log = front.engine.build_log(&id, from.unwrap_or(1)).await?;
    channel.opened().await?;
    loop {
        let over = watch.borrow_and_update().state != BuildState::Running;
        loop {
            let (back, lines) = build::read(log, LINES).await?;
            log = back;
            let Some(last) = lines.last() else { break };
            let next = last.number + 1;
            let lines = lines.into_iter().map(build::line).collect();
            channel.data(next, Data::BuildLines(lines)).await?;
        }
        if over || watch.changed().await.is_err() {
            return Ok("the build is over".to_owned());
        }
        tokio::time::sleep(PAUSE).await;
    }
}
