//! Whether what is shown is the truth of now.

use crate::client::socket;
use crate::format::time;
use crate::state::signal::Edit;
use leptos::prelude::*;

/// A connection that brings nothing for so long may show what is not true any more.
const STALE_MS: f64 = 8_000.0;

/// Why actions are refused while the connection is cut.
pub const CUT: &str = "The server cannot be reached";

#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Link {
    /// Not connected yet, or nobody is signed in.
    Idle,
    Open,
    /// Cut since this moment (milliseconds since 1970).
    Cut(f64),
}

#[derive(Clone, Copy)]
pub struct Connection {
    pub link: RwSignal<Link>,
    /// Grows with each new connection: what cannot resume reads itself anew.
    pub epoch: RwSignal<u32>,
}

impl Default for Connection {
    fn default() -> Self {
        let connection = Self {
            link: RwSignal::new(Link::Idle),
            epoch: RwSignal::new(0),
        };
        socket::on_change(move |open| {
            if open {
                connection.link.set(Link::Open);
                connection.epoch.edit(|epoch| *epoch += 1);
            } else if !matches!(connection.link.get_untracked(), Link::Cut(_)) {
                connection.link.set(Link::Cut(time::now()));
            }
        });
        let _ = window_event_listener_untyped("online", |_| socket::retry_now());
        let _ = window_event_listener_untyped("visibilitychange", |_| socket::retry_now());
        connection
    }
}

impl Connection {
    /// `open`, `stale`, `retrying`, `offline` or `idle`: for tests and style. `stale` is
    /// connected, to a server that does not answer.
    pub fn word(self, now: f64) -> &'static str {
        match self.link.get() {
            Link::Idle => "idle",
            Link::Open if socket::silence().is_some_and(|silence| silence > STALE_MS) => "stale",
            Link::Open => "open",
            Link::Cut(since) if now - since > 10_000.0 => "offline",
            Link::Cut(_) => "retrying",
        }
    }

    /// As [`Connection::is_cut`], without following it.
    pub fn link_is_cut(self) -> bool {
        matches!(self.link.get_untracked(), Link::Cut(_))
    }

    /// Nothing can be asked of the server now.
    pub fn is_cut(self) -> bool {
        matches!(self.link.get(), Link::Cut(_))
    }

    /// Why actions are refused now; a tooltip.
    pub fn refusal(self) -> Option<&'static str> {
        self.is_cut().then_some(CUT)
    }
}
