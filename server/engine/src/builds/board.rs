//! How far a build is: a value that is watched, so that a late reader sees the present.

use super::log::{LineStream, LogWriter};
use crate::clock;
use crate::tasks::TaskId;
use model::Timestamp;
use model::image::{Digest, Reference};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
pub use store::builds::StepState;
use store::builds::{BuildDetails, BuildRow, StepRow};
use tokio::sync::watch;

pub use store::builds::BuildState;

/// What a step may say; the rest is counted.
const MOST_BYTES_OF_A_STEP: u64 = 4 << 20;
/// Shorter secrets would blot out ordinary words.
const SHORTEST_MASKED: usize = 4;
const MASK: &str = "***";

/// A build as it is at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Build {
    /// Also its task's.
    pub id: TaskId,
    pub owner: Option<String>,
    /// The Dockerfile's name.
    pub file: String,
    /// Its text; empty until it is read.
    pub dockerfile: String,
    pub tags: Vec<Reference>,
    pub target: Option<String>,
    pub state: BuildState,
    pub started: Timestamp,
    pub ended: Option<Timestamp>,
    /// In the order of the file; empty until the file is read.
    pub steps: Vec<BuildStep>,
    pub image: Option<Digest>,
    /// Of the image, unpacked.
    pub size_bytes: Option<u64>,
    /// Line of the file, and what is perhaps not meant so.
    pub warnings: Vec<(u32, String)>,
    pub error: Option<String>,
    /// Lines in the log so far.
    pub log_lines: u64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BuildStep {
    /// The stage's name, or its number.
    pub stage: String,
    pub keyword: String,
    pub text: String,
    pub first_line: u32,
    pub last_line: u32,
    pub state: StepState,
    pub started: Option<Timestamp>,
    pub ended: Option<Timestamp>,
    pub error: Option<String>,
    /// The layer it made, and the size of that unpacked.
    pub layer: Option<(Digest, u64)>,
    /// Of its command, where that failed.
    pub exit_code: Option<i32>,
}

/// The running side.
#[derive(Debug, Clone)]
pub(super) struct Board {
    build: watch::Sender<Build>,
    log: Arc<Mutex<Log>>,
}

#[derive(Debug)]
struct Log {
    /// `None` where it cannot be written; the build goes on.
    writer: Option<LogWriter>,
    /// What no line may show.
    masked: Vec<String>,
    bytes: HashMap<Option<usize>, u64>,
}

impl Board {
    pub(super) fn new(build: Build, writer: Option<LogWriter>, secrets: &[super::Secret]) -> Self {
        let texts = secrets
            .iter()
            .filter_map(|secret| std::str::from_utf8(&secret.value).ok());
        let lines = texts
            .flat_map(str::lines)
            .map(str::trim)
            .filter(|line| line.len() >= SHORTEST_MASKED);
        let log = Log {
            writer,
            masked: lines.map(str::to_owned).collect(),
            bytes: HashMap::new(),
        };
        Self {
            build: watch::channel(build).0,
            log: Arc::new(Mutex::new(log)),
        }
    }

    pub(super) fn watch(&self) -> watch::Receiver<Build> {
        self.build.subscribe()
    }

    pub(super) fn now(&self) -> Build {
        self.build.borrow().clone()
    }

    pub(super) fn change(&self, change: impl FnOnce(&mut Build)) {
        self.build.send_modify(change);
    }

    pub(super) fn change_step(&self, step: usize, change: impl FnOnce(&mut BuildStep)) {
        self.build.send_modify(|build| {
            if let Some(step) = build.steps.get_mut(step) {
                change(step);
            }
        });
    }

    pub(super) fn step_begins(&self, step: usize) {
        self.change_step(step, |step| {
            step.state = StepState::Running;
            step.started = Some(clock::now());
        });
    }

    pub(super) fn step_ends(&self, step: usize, state: StepState, error: Option<String>) {
        self.change_step(step, |step| {
            let now = clock::now();
            step.state = state;
            step.started.get_or_insert(now);
            step.ended = Some(now);
            step.error = error;
        });
    }

    /// A line for the log. What is too much is cut off, once and visibly.
    pub(super) fn line(&self, step: Option<usize>, stream: LineStream, text: &str) {
        let mut log = self.log.lock().unwrap_or_else(PoisonError::into_inner);
        let mut text = text.to_owned();
        for secret in &log.masked {
            if text.contains(secret.as_str()) {
                text = text.replace(secret.as_str(), MASK);
            }
        }
        let bytes = log.bytes.entry(step).or_default();
        let before = *bytes;
        *bytes += text.len() as u64 + 1;
        if before > MOST_BYTES_OF_A_STEP {
            return;
        }
        if *bytes > MOST_BYTES_OF_A_STEP {
            "… the step says more than is kept".clone_into(&mut text);
        }
        let Some(writer) = &mut log.writer else { return };
        match writer.write(step, stream, &text) {
            Ok(next) => self.build.send_modify(|build| build.log_lines = next - 1),
            Err(error) => {
                tracing::warn!(%error, "the log of a build cannot be written further");
                log.writer = None;
            }
        }
    }

    /// Said by the builder.
    pub(super) fn note(&self, step: Option<usize>, text: impl AsRef<str>) {
        self.line(step, LineStream::Note, text.as_ref());
    }
}

impl Build {
    pub(super) fn to_row(&self) -> BuildRow {
        BuildRow {
            id: self.id.to_string(),
            owner: self.owner.clone(),
            state: self.state,
            image: self.image.clone(),
            started: self.started,
            ended: self.ended,
            details: BuildDetails {
                file: self.file.clone(),
                dockerfile: self.dockerfile.clone(),
                size_bytes: self.size_bytes,
                tags: self.tags.iter().map(ToString::to_string).collect(),
                target: self.target.clone(),
                steps: self.steps.iter().map(BuildStep::to_row).collect(),
                warnings: self.warnings.clone(),
                error: self.error.clone(),
                log_lines: self.log_lines,
            },
        }
    }

    pub(super) fn from_row(row: BuildRow) -> Self {
        let details = row.details;
        let over = row.state != BuildState::Running;
        Self {
            id: TaskId(row.id),
            owner: row.owner,
            file: details.file,
            dockerfile: details.dockerfile,
            size_bytes: details.size_bytes,
            tags: details
                .tags
                .iter()
                .filter_map(|tag| Reference::parse(tag).ok())
                .collect(),
            target: details.target,
            state: row.state,
            started: row.started,
            ended: row.ended,
            steps: details
                .steps
                .into_iter()
                .map(|step| BuildStep::from_row(step, over))
                .collect(),
            image: row.image,
            warnings: details.warnings,
            error: details.error,
            log_lines: details.log_lines,
        }
    }
}

impl BuildStep {
    fn to_row(&self) -> StepRow {
        StepRow {
            stage: self.stage.clone(),
            keyword: self.keyword.clone(),
            text: self.text.clone(),
            first_line: self.first_line,
            last_line: self.last_line,
            state: self.state,
            started: self.started,
            ended: self.ended,
            error: self.error.clone(),
            layer: self.layer.clone(),
            exit_code: self.exit_code,
        }
    }

    fn from_row(row: StepRow, over: bool) -> Self {
        Self {
            stage: row.stage,
            keyword: row.keyword,
            text: row.text,
            first_line: row.first_line,
            last_line: row.last_line,
            state: match row.state {
                // Nothing runs in a build that is over.
                StepState::Running if over => StepState::Cancelled,
                state => state,
            },
            started: row.started,
            ended: row.ended,
            error: row.error,
            layer: row.layer,
            exit_code: row.exit_code,
        }
    }
}
