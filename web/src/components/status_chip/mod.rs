//! What a thing is doing: a shape and a word, coloured.

use super::icon::icon;
use leptos::prelude::*;

/// How a status is drawn. The word is always seen; colour and shape only help.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    pub word: String,
    pub tone: Tone,
    pub icon: &'static str,
    /// Since when and why; shown as tooltip.
    pub reason: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tone {
    Ok,
    Info,
    Warn,
    Bad,
    Pause,
    Neutral,
}

impl Tone {
    pub fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Info => "info",
            Self::Warn => "warn",
            Self::Bad => "bad",
            Self::Pause => "pause",
            Self::Neutral => "neutral",
        }
    }
}

impl Status {
    pub fn new(word: impl Into<String>, tone: Tone, icon: &'static str) -> Self {
        Self {
            word: word.into(),
            tone,
            icon,
            reason: String::new(),
        }
    }

    pub fn because(mut self, reason: impl Into<String>) -> Self {
        self.reason = reason.into();
        self
    }
}

/// The status as a chip.
pub fn status_chip(status: Status) -> AnyView {
    let class = ["status-chip status-chip--", status.tone.word()].concat();
    let turning = matches!(status.icon, "s-starting" | "s-restarting");
    view! {
        <span class=class class:status-chip--turning=turning title=status.reason>
            {icon(status.icon)}
            <span>{status.word}</span>
        </span>
    }
    .into_any()
}
