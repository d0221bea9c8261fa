//! What more than one page shares. All of it is made once, at the root, and
//! reached by [`App::get`].

pub mod actions;
pub mod connection;
pub mod containers;
pub mod preferences;
pub mod session;
pub mod signal;
pub mod stats;
pub mod tasks;

use crate::components::dialog::Asker;
use crate::components::menu::Menus;
use crate::components::toast::Toasts;
use connection::Connection;
use containers::Containers;
use leptos::prelude::*;
use preferences::Preferences;
use session::SessionState;
use stats::LiveStats;
use std::ops::Deref;
use std::time::Duration;
use tasks::Tasks;

/// The shared state, small enough to be captured everywhere.
#[derive(Clone, Copy)]
pub struct App(&'static Shared);

impl Deref for App {
    type Target = Shared;

    fn deref(&self) -> &Shared {
        self.0
    }
}

/// Everything shared.
pub struct Shared {
    pub session: SessionState,
    pub connection: Connection,
    pub preferences: Preferences,
    pub containers: Containers,
    pub stats: LiveStats,
    pub tasks: Tasks,
    pub toasts: Toasts,
    pub asker: Asker,
    pub menus: Menus,
    /// Milliseconds since 1970, once a second; ages are counted from it.
    pub now: RwSignal<f64>,
}

impl App {
    /// Makes the shared state and gives it to everything below the root.
    pub fn provide() -> Self {
        // Made once, for as long as the page lives.
        let app = Self(Box::leak(Box::new(Shared {
            session: SessionState::default(),
            connection: Connection::default(),
            preferences: Preferences::load(),
            containers: Containers::default(),
            stats: LiveStats::default(),
            tasks: Tasks::default(),
            toasts: Toasts::default(),
            asker: Asker::default(),
            menus: Menus::default(),
            now: RwSignal::new(crate::format::time::now()),
        })));
        set_interval(
            move || {
                // Nothing is drawn while the tab is hidden.
                if !document().hidden() {
                    app.now.set(crate::format::time::now());
                }
            },
            Duration::from_secs(1),
        );
        provide_context(app);
        app
    }

    pub fn get() -> Self {
        expect_context()
    }
}
