//! Keys that work on every page, and the page that tells of them.

use super::Layers;
use super::rail::PLACES;
use crate::components::dialog::Dialog;
use crate::state::App;
use crate::state::signal::Hold;
use leptos::prelude::*;
use leptos_router::NavigateOptions;
use leptos_router::hooks::use_navigate;
use wasm_bindgen::JsCast;
use web_sys::{Element, HtmlElement, KeyboardEvent};

const HELP: [(&str, &str); 12] = [
    ("Ctrl K", "Search or run"),
    (
        "g then o c i b r v n s e t",
        "Go to overview, containers, images, builds, registries, volumes, networks, system, events, tasks",
    ),
    ("c", "New container"),
    ("/", "Filter a list, search a log"),
    ("j  k", "Next, previous row"),
    ("Enter  x", "Open, select the row"),
    (
        "s  r  p  Del",
        "Start or stop, restart, pause, remove the row's container",
    ),
    ("l  t  m", "Logs, terminal, metrics of the row or page"),
    ("1 to 9", "Tab of a container"),
    ("f  w  n  N", "In a log: follow, wrap, next and previous hit"),
    ("Home  End", "In a log: first and last line"),
    ("Ctrl Shift Esc", "Leave the console"),
];

/// Whether keys belong to what has focus: a field, the console, an open dialog.
pub fn is_typing(event: &KeyboardEvent) -> bool {
    let Some(target) = event.target().and_then(|target| target.dyn_into::<Element>().ok()) else {
        return false;
    };
    matches!(target.tag_name().as_str(), "INPUT" | "TEXTAREA" | "SELECT")
        || target.closest(".xterm, dialog[open]").ok().flatten().is_some()
}

/// Listens on the whole window.
#[component]
pub fn Keys(
    /// What can be opened.
    layers: Layers,
) -> impl IntoView {
    let app = App::get();
    let navigate = StoredValue::new_local(use_navigate());
    let go = move |href: &str| navigate.hold(|go| go(href, NavigateOptions::default()));
    let leading = StoredValue::new(false);
    let handle = window_event_listener(leptos::ev::keydown, move |event| {
        let key = event.key();
        if (event.ctrl_key() || event.meta_key()) && key.eq_ignore_ascii_case("k") {
            event.prevent_default();
            layers.palette.set(true);
            return;
        }
        let modified = event.ctrl_key() || event.meta_key() || event.alt_key();
        if modified || is_typing(&event) || !app.preferences.letter_keys.get_untracked() {
            return;
        }
        if leading.get_value() {
            leading.set_value(false);
            let place = PLACES
                .iter()
                .flat_map(|(_, places)| places.iter())
                .find(|place| place.key == key);
            if let Some(place) = place {
                event.prevent_default();
                go(place.href);
            }
            return;
        }
        match key.as_str() {
            "g" => leading.set_value(true),
            "c" => go("/containers/new"),
            "?" => layers.keys.set(true),
            "/" => {
                let field = document().query_selector("[data-filter]").ok().flatten();
                if let Some(field) = field.and_then(|field| field.dyn_into::<HtmlElement>().ok()) {
                    event.prevent_default();
                    let _ = field.focus();
                }
            }
            _ => {}
        }
    });
    on_cleanup(move || handle.remove());
    view! {
        <Dialog open=layers.keys title="Keyboard" testid="keys">
            <div class="dialog__body">
                <dl class="facts">
                    {HELP
                        .into_iter()
                        .map(|(keys, what)| {
                            view! {
                                <dt>
                                    <kbd>{keys}</kbd>
                                </dt>
                                <dd>{what}</dd>
                            }
                        })
                        .collect_view()}
                </dl>
            </div>
        </Dialog>
    }
}
