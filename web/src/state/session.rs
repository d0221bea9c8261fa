//! Who is signed in.

use crate::client::{http, socket};
use leptos::prelude::*;
use shared::session::{Me, Role, Setup, SetupRequest, SignIn};

#[derive(Debug, Clone, PartialEq)]
pub enum Session {
    /// Not asked yet.
    Unknown,
    /// The server was not reached when it was asked.
    Unreachable(String),
    /// No user exists: the first has to be made.
    Setup,
    SignedOut,
    SignedIn(Me),
}

#[derive(Clone, Copy)]
pub struct SessionState {
    pub state: RwSignal<Session>,
    /// The session ended while a page was open: the page stays, a dialog asks.
    pub expired: RwSignal<bool>,
}

impl Default for SessionState {
    fn default() -> Self {
        let state = Self {
            state: RwSignal::new(Session::Unknown),
            expired: RwSignal::new(false),
        };
        http::on_signed_out(move || {
            if matches!(state.state.get_untracked(), Session::SignedIn(_)) {
                state.expired.set(true);
            }
        });
        state
    }
}

/// The addresses of setting up and signing in are no pages of the panel, and the first
/// holds the one-time code: whoever is in stands at the overview.
fn leave_entrance() {
    let window = window();
    let entrance = |path: String| matches!(path.as_str(), "/setup" | "/login");
    if window.location().pathname().is_ok_and(entrance)
        && let Ok(history) = window.history()
    {
        let _ = history.replace_state_with_url(&wasm_bindgen::JsValue::NULL, "", Some("/"));
    }
}

impl SessionState {
    /// Asks the server who this browser is.
    pub async fn ask(self) {
        let answer = match http::get::<Me>("/session").await {
            Ok(me) => Session::SignedIn(me),
            Err(failure) if failure.status() == 401 => match http::get::<Setup>("/setup").await {
                Ok(setup) if setup.needed => Session::Setup,
                _ => Session::SignedOut,
            },
            Err(failure) => Session::Unreachable(failure.to_string()),
        };
        self.enter(answer);
    }

    pub async fn sign_in(self, username: String, password: String) -> Result<(), String> {
        let me = http::send::<_, Me>("POST", "/session", &SignIn { username, password })
            .await
            .map_err(|failure| failure.to_string())?;
        self.enter(Session::SignedIn(me));
        Ok(())
    }

    pub async fn set_up(self, request: SetupRequest) -> Result<(), String> {
        let me = http::send::<_, Me>("POST", "/setup", &request)
            .await
            .map_err(|failure| failure.to_string())?;
        self.enter(Session::SignedIn(me));
        Ok(())
    }

    pub async fn sign_out(self) {
        // The draft can hold values that only this user may see.
        crate::state::preferences::forget("draft.container");
        let _ = http::act("DELETE", "/session").await;
        self.enter(Session::SignedOut);
    }

    fn enter(self, session: Session) {
        if let Session::SignedIn(_) = session {
            leave_entrance();
            self.expired.set(false);
            socket::stop();
            socket::start();
        } else {
            socket::stop();
        }
        self.state.set(session);
    }

    pub fn me(self) -> Option<Me> {
        match self.state.get() {
            Session::SignedIn(me) => Some(me),
            _ => None,
        }
    }

    /// Whether the signed-in user may do what this role may.
    pub fn may(self, role: Role) -> bool {
        self.me().is_some_and(|me| me.role >= role)
    }
}
