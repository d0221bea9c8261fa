//! What this browser remembers: theme, density, drafts.

use leptos::prelude::*;
use serde::Serialize;
use serde::de::DeserializeOwned;
use wasm_bindgen::JsCast;
use wasm_bindgen::closure::Closure;
use web_sys::MediaQueryList;

fn storage() -> Option<web_sys::Storage> {
    window().local_storage().ok().flatten()
}

/// Reads what was kept under a name.
pub fn recall<T: DeserializeOwned>(name: &str) -> Option<T> {
    let text = storage()?.get_item(&["gantry.", name].concat()).ok()??;
    crate::client::decode::decode(&text).ok()
}

/// Keeps something under a name; private windows may refuse, and that is no harm.
pub fn keep<T: Serialize>(name: &str, value: &T) {
    if let Some(storage) = storage() {
        let _ = storage.set_item(&["gantry.", name].concat(), &crate::client::http::json(value));
    }
}

pub fn forget(name: &str) {
    if let Some(storage) = storage() {
        let _ = storage.remove_item(&["gantry.", name].concat());
    }
}

/// Writes whether the system is dark now, and whenever that changes while the page lives.
fn follow_system(media: &MediaQueryList, dark: RwSignal<bool>) {
    let query = media.clone();
    let changed = Closure::<dyn Fn()>::new(move || dark.set(query.matches()));
    let _ = media.add_event_listener_with_callback("change", changed.as_ref().unchecked_ref());
    changed.forget();
}

/// The choices of the appearance page.
#[derive(Clone, Copy)]
pub struct Preferences {
    /// `system`, `light` or `dark`.
    pub theme: RwSignal<String>,
    /// Rows of 28 pixels instead of 36.
    pub compact: RwSignal<bool>,
    /// The rail shows icons only.
    pub narrow_rail: RwSignal<bool>,
    /// Single letters do things.
    pub letter_keys: RwSignal<bool>,
    system_dark: RwSignal<bool>,
}

impl Preferences {
    pub fn load() -> Self {
        let media = window().match_media("(prefers-color-scheme: dark)").ok().flatten();
        let preferences = Self {
            theme: RwSignal::new(recall("theme").unwrap_or_else(|| "system".to_owned())),
            compact: RwSignal::new(recall("compact").unwrap_or(false)),
            narrow_rail: RwSignal::new(recall("narrow_rail").unwrap_or(false)),
            letter_keys: RwSignal::new(recall("letter_keys").unwrap_or(true)),
            system_dark: RwSignal::new(media.as_ref().is_some_and(MediaQueryList::matches)),
        };
        if let Some(media) = media {
            follow_system(&media, preferences.system_dark);
        }
        Effect::new(move || {
            keep("theme", &preferences.theme.get());
            keep("compact", &preferences.compact.get());
            keep("narrow_rail", &preferences.narrow_rail.get());
            keep("letter_keys", &preferences.letter_keys.get());
        });
        Effect::new(move || {
            if let Some(root) = document().document_element() {
                let _ = root.set_attribute("data-theme", if preferences.is_dark() { "dark" } else { "light" });
                let _ = root.set_attribute(
                    "data-density",
                    if preferences.compact.get() { "compact" } else { "normal" },
                );
            }
        });
        preferences
    }

    /// Whether the panel is dark now.
    pub fn is_dark(self) -> bool {
        match self.theme.get().as_str() {
            "dark" => true,
            "light" => false,
            _ => self.system_dark.get(),
        }
    }

    /// The other theme, from whatever is shown.
    pub fn flip(self) {
        let dark = untrack(|| self.is_dark());
        self.theme.set(if dark { "light" } else { "dark" }.to_owned());
    }
}
