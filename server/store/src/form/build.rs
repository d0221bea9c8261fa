//! What is told of a build, as JSON.

use crate::builds::{BuildDetails, StepRow};
use model::Timestamp;
use model::image::Digest;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
struct Details {
    file: String,
    dockerfile: String,
    size_bytes: Option<u64>,
    tags: Vec<String>,
    target: Option<String>,
    steps: Vec<Step>,
    warnings: Vec<(u32, String)>,
    error: Option<String>,
    log_lines: u64,
}

#[derive(Serialize, Deserialize)]
struct Step {
    stage: String,
    keyword: String,
    text: String,
    lines: (u32, u32),
    state: String,
    started_ns: Option<i64>,
    ended_ns: Option<i64>,
    error: Option<String>,
    layer: Option<(String, u64)>,
    exit_code: Option<i32>,
}

pub(crate) fn write(details: &BuildDetails) -> String {
    let form = Details {
        file: details.file.clone(),
        dockerfile: details.dockerfile.clone(),
        size_bytes: details.size_bytes,
        tags: details.tags.clone(),
        target: details.target.clone(),
        steps: details
            .steps
            .iter()
            .map(|step| Step {
                stage: step.stage.clone(),
                keyword: step.keyword.clone(),
                text: step.text.clone(),
                lines: (step.first_line, step.last_line),
                state: step.state.clone(),
                started_ns: step.started.map(Timestamp::as_unix_nanos),
                ended_ns: step.ended.map(Timestamp::as_unix_nanos),
                error: step.error.clone(),
                layer: step.layer.as_ref().map(|(digest, bytes)| (digest.to_string(), *bytes)),
                exit_code: step.exit_code,
            })
            .collect(),
        warnings: details.warnings.clone(),
        error: details.error.clone(),
        log_lines: details.log_lines,
    };
    serde_json::to_string(&form).unwrap_or_default()
}

pub(crate) fn read(json: &str) -> Result<BuildDetails, serde_json::Error> {
    let form: Details = serde_json::from_str(json)?;
    let steps = form.steps.into_iter().map(|step| StepRow {
        stage: step.stage,
        keyword: step.keyword,
        text: step.text,
        first_line: step.lines.0,
        last_line: step.lines.1,
        state: step.state,
        started: step.started_ns.map(Timestamp::from_unix_nanos),
        ended: step.ended_ns.map(Timestamp::from_unix_nanos),
        error: step.error,
        // A digest that cannot be read is only not shown.
        layer: step
            .layer
            .and_then(|(text, bytes)| Some((Digest::parse(&text).ok()?, bytes))),
        exit_code: step.exit_code,
    });
    Ok(BuildDetails {
        file: form.file,
        dockerfile: form.dockerfile,
        size_bytes: form.size_bytes,
        tags: form.tags,
        target: form.target,
        steps: steps.collect(),
        warnings: form.warnings,
        error: form.error,
        log_lines: form.log_lines,
    })
}
