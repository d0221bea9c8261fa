//! Builds: the list, a new one, and one on its way.

pub mod list;
pub mod new;
pub mod run;
mod steps;

use crate::components::status_chip::{Status, Tone};
use crate::format::time;
use shared::build::{Build, BuildState};

/// How a build stands.
fn status(build: &Build) -> Status {
    match build.state {
        BuildState::Running => Status::new("Running", Tone::Info, "s-starting"),
        BuildState::Done => Status::new("Done", Tone::Ok, "check"),
        BuildState::Failed => Status::new("Failed", Tone::Bad, "s-failed"),
        BuildState::Cancelled => Status::new("Cancelled", Tone::Neutral, "s-stopped"),
        BuildState::Lost => Status::new("Lost", Tone::Warn, "s-unknown").because("The server ended while it ran"),
    }
}

/// How long it took, or takes by now.
fn elapsed(build: &Build, now: f64) -> String {
    let began = time::parse(&build.started);
    let ended = build.ended.as_deref().and_then(time::parse);
    began.map_or_else(String::new, |began| {
        time::duration((ended.unwrap_or(now) - began) / 1000.0)
    })
}

/// `7 of 9 steps, 4 cached`.
fn steps_done(build: &Build) -> String {
    let mut words = [build.steps_done.to_string(), build.steps.to_string()].join(" of ") + " steps";
    if build.steps_cached > 0 {
        words = [&words, ", ", &build.steps_cached.to_string(), " cached"].concat();
    }
    words
}
