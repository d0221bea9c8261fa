//! What is told of a build, as JSON.

use crate::builds::{BuildDetails, StepRow, StepState};
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
                state: step.state.word().to_owned(),
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

pub(crate) fn read(json: &str) -> Result<BuildDetails, String> {
    let form: Details = serde_json::from_str(json).map_err(|error| error.to_string())?;
    let steps = form.steps.into_iter().map(step);
    Ok(BuildDetails {
        file: form.file,
        dockerfile: form.dockerfile,
        size_bytes: form.size_bytes,
        tags: form.tags,
        target: form.target,
        steps: steps.collect::<Result<_, _>>()?,
        warnings: form.warnings,
        error: form.error,
        log_lines: form.log_lines,
    })
}

fn step(step: Step) -> Result<StepRow, String> {
    let layer = step.layer.map(|(text, bytes)| match Digest::parse(&text) {
        Ok(digest) => Ok((digest, bytes)),
        Err(error) => Err(format!("a step's layer: {error}")),
    });
    Ok(StepRow {
        stage: step.stage,
        keyword: step.keyword,
        text: step.text,
        first_line: step.lines.0,
        last_line: step.lines.1,
        state: StepState::parse(&step.state).ok_or_else(|| format!("a step's state `{}`", step.state))?,
        started: step.started_ns.map(Timestamp::from_unix_nanos),
        ended: step.ended_ns.map(Timestamp::from_unix_nanos),
        error: step.error,
        layer: layer.transpose()?,
        exit_code: step.exit_code,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_with_an_unknown_state_or_layer_is_not_read_as_another() {
        let text = write(&BuildDetails {
            steps: vec![StepRow::default()],
            ..BuildDetails::default()
        });
        assert!(read(&text).is_ok());
        for (from, to) in [
            ("\"waiting\"", "\"paused\""),
            ("\"layer\":null", "\"layer\":[\"sha256:x\",1]"),
        ] {
            let damaged = text.replace(from, to);
            assert_ne!(damaged, text);
            assert!(read(&damaged).is_err(), "{to}");
        }
    }
}
