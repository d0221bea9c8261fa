//! The rules of building an image from a Dockerfile, as functions of values: what a
//! file says, which of its stages are needed, what an instruction means once its
//! variables are known, and under which key its outcome is remembered. Nothing here
//! reads a disk, runs a program or knows an engine.
//!
//! ```text
//! text ── source ──▶ statements ── instruction ──▶ steps ── dockerfile ──▶ stages
//!                                                                           │ plan
//!        key ◀── order ◀── state (settings, arguments) ◀── needed stages ◀──┘
//! ```
//!
//! Words: a *step* is an instruction with its place; a *stage* begins with `FROM`; an
//! *order* is what a step asks of whoever carries it out.
//!
//! Source: the Dockerfile reference of Docker's documentation, version 1.18 of the
//! syntax; where it is silent, what BuildKit and buildah both do.
#![forbid(unsafe_code)]

mod changes;
mod dockerfile;
mod expand;
mod ignore;
pub mod instruction;
pub mod key;
mod mistake;
mod mode;
mod owner;
mod pattern;
mod plan;
mod ports;
mod settings;
mod shell_pattern;
mod source;
mod state;

pub use changes::apply_changes;
pub use dockerfile::{Dockerfile, Stage};
pub use ignore::Ignore;
pub use mistake::{Mistake, Warning};
pub use mode::{InvalidMode, Mode};
pub use owner::{Name, Owners, Who, find_ids};
pub use pattern::{InvalidPattern, Pattern, clean, is_pattern};
pub use plan::{Base, Inputs, Planned, Source, plan, source_of};
pub use settings::Settings;
pub(crate) use source::is_alone as is_heredoc_alone;
pub use source::{Directives, Heredoc};
pub use state::{
    AddSource, Arguments, CopyOrder, Location, Order, Outcome, Platform, RunOrder, Script, State, is_proxy,
    platform_arguments,
};

pub(crate) fn source_is_heredoc(word: &str, escape: char) -> bool {
    source::of_word(word, escape).is_some()
}
