//! A build as the lines that the command line draws: step after step in the order of
//! the file, though several stages may be under way at once.

use crate::docker::stream::{Gone, Sender};
use engine::{Build, BuildLine, BuildState, BuildStep, Engine, StepState, TaskId};
use serde_json::json;
use std::collections::HashMap;

const LINES: usize = 1000;
const SHORT: usize = 12;

pub(super) async fn send(
    engine: &Engine,
    id: &TaskId,
    quiet: bool,
    names: &[String],
    sender: &Sender,
) -> Result<(), Gone> {
    let (Ok(mut watch), Ok(mut log)) = (engine.watch_build(id).await, engine.build_log(id, 1).await) else {
        return Ok(());
    };
    let mut told = Told {
        quiet,
        sender,
        step: 0,
        begun: false,
        waiting: HashMap::new(),
    };
    loop {
        let build = watch.borrow_and_update().clone();
        // Lines after the state: all of a step that has ended are there.
        loop {
            let (back, lines) = tokio::task::spawn_blocking(move || {
                let lines = log.read(LINES).unwrap_or_default();
                (log, lines)
            })
            .await
            .map_err(|_| Gone)?;
            log = back;
            if lines.is_empty() {
                break;
            }
            told.keep(lines);
        }
        told.steps(&build).await?;
        if build.state != BuildState::Running {
            return told.end(&build, names).await;
        }
        if watch.changed().await.is_err() {
            return Ok(());
        }
    }
}

struct Told<'a> {
    quiet: bool,
    sender: &'a Sender,
    /// The step that is told now.
    step: usize,
    begun: bool,
    waiting: HashMap<Option<usize>, Vec<String>>,
}

impl Told<'_> {
    fn keep(&mut self, lines: Vec<BuildLine>) {
        for line in lines {
            self.waiting.entry(line.step).or_default().push(line.text);
        }
    }

    async fn steps(&mut self, build: &Build) -> Result<(), Gone> {
        let count = build.steps.len();
        while let Some(step) = build.steps.get(self.step) {
            if step.state == StepState::Waiting {
                return Ok(());
            }
            if !self.begun {
                self.begun = true;
                self.text(format!("Step {}/{count} : {}\n", self.step + 1, step.text))
                    .await?;
                if step.state == StepState::Cached {
                    self.text(" ---> Using cache\n".to_owned()).await?;
                }
            }
            for line in self.waiting.remove(&Some(self.step)).unwrap_or_default() {
                self.text(format!("{line}\n")).await?;
            }
            if matches!(
                step.state,
                StepState::Running | StepState::Failed | StepState::Cancelled
            ) {
                return Ok(());
            }
            self.text(made(step)).await?;
            self.step += 1;
            self.begun = false;
        }
        Ok(())
    }

    async fn end(&mut self, build: &Build, names: &[String]) -> Result<(), Gone> {
        if let Some(image) = &build.image {
            if self.quiet {
                return self.sender.send_json(&json!({ "stream": format!("{image}\n") })).await;
            }
            for (line, message) in &build.warnings {
                let text = format!("[Warning] {}, line {line}: {message}\n", build.file);
                self.text(text).await?;
            }
            self.sender
                .send_json(&json!({ "aux": { "ID": image.as_str() } }))
                .await?;
            self.text(format!("Successfully built {}\n", &image.hex()[..SHORT]))
                .await?;
            for name in names {
                self.text(format!("Successfully tagged {name}\n")).await?;
            }
            return Ok(());
        }
        let message = match build.state {
            BuildState::Cancelled => "context canceled".to_owned(),
            _ => build.error.clone().unwrap_or_else(|| "the build failed".to_owned()),
        };
        let code = build.steps.iter().find_map(|step| step.exit_code);
        let mut detail = json!({ "message": message });
        if let Some(code) = code {
            detail["code"] = code.into();
        }
        self.sender
            .send_json(&json!({ "errorDetail": detail, "error": message }))
            .await
    }

    async fn text(&self, text: String) -> Result<(), Gone> {
        if self.quiet {
            return Ok(());
        }
        self.sender.send_json(&json!({ "stream": text })).await
    }
}

fn made(step: &BuildStep) -> String {
    match &step.layer {
        Some((digest, _)) => format!(" ---> {}\n", &digest.hex()[..SHORT]),
        None => " --->\n".to_owned(),
    }
}
