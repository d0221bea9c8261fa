//! Keys that work on the rows of the list.

use super::ListView;
use crate::state::actions::{Action, take};
use crate::state::signal::{Edit, Peek};
use leptos::prelude::*;
use leptos_router::NavigateOptions;
use leptos_router::hooks::use_navigate;
use shared::container::Status;
use shared::session::Role;
use wasm_bindgen::JsCast;
use web_sys::{Element, KeyboardEvent};

/// Listens on the whole window while the page is shown.
pub fn listen(list: ListView) {
    let navigate = use_navigate();
    let go = move |href: String| navigate(&href, NavigateOptions::default());
    let keys = window_event_listener(leptos::ev::keydown, move |event: KeyboardEvent| {
        let modified = event.ctrl_key() || event.meta_key() || event.alt_key();
        if modified || is_elsewhere(&event) || !list.app.preferences.letter_keys.get_untracked() {
            return;
        }
        let handled = match event.key().as_str() {
            "j" | "ArrowDown" => step(list, 1),
            "k" | "ArrowUp" => step(list, -1),
            key => act(list, key, &go),
        };
        if handled {
            event.prevent_default();
        }
    });
    on_cleanup(move || keys.remove());
}

/// Moves the focused row.
fn step(list: ListView, by: isize) -> bool {
    let rows = list.shown.get_untracked();
    if rows.is_empty() {
        return true;
    }
    let at = list
        .focused
        .get_untracked()
        .and_then(|id| rows.iter().position(|row| row.id == id))
        .map_or(0, |at| at.saturating_add_signed(by).min(rows.len() - 1));
    list.focused.set(Some(rows[at].id.clone()));
    if let Some(row) = document().get_element_by_id(&["row-", &rows[at].id].concat()) {
        row.scroll_into_view_with_bool(false);
    }
    true
}

/// Does to the focused row what the key says; whether it says anything.
fn act(list: ListView, key: &str, go: &impl Fn(String)) -> bool {
    let app = list.app;
    let Some(item) = list
        .focused
        .get_untracked()
        .and_then(|id| app.containers.items.peek(|items| items.get(&id).cloned()))
    else {
        return false;
    };
    let (id, status) = (&item.id, item.state.status);
    let act = |action: Action| {
        let may = untrack(|| app.session.may(Role::Operator)) && !app.connection.link_is_cut();
        if may && action.fits(status) {
            take(app, action, &item, || ());
        }
    };
    match key {
        "Enter" => go(["/containers/", id].concat()),
        "l" => go(["/containers/", id, "/logs"].concat()),
        "t" => go(["/containers/", id, "/console"].concat()),
        "m" => go(["/containers/", id, "/stats"].concat()),
        "x" => list.selected.edit(|selected| {
            if !selected.remove(id) {
                selected.insert(id.clone());
            }
        }),
        "r" => act(Action::Restart),
        "s" if matches!(status, Status::Running | Status::Paused) => act(Action::Stop),
        "s" => act(Action::Start),
        "p" if status == Status::Paused => act(Action::Unpause),
        "p" => act(Action::Pause),
        "Delete" => act(Action::Remove),
        _ => return false,
    }
    true
}

/// Whether a key is meant for a field, a dialog or a menu.
fn is_elsewhere(event: &KeyboardEvent) -> bool {
    let Some(target) = event.target().and_then(|target| target.dyn_into::<Element>().ok()) else {
        return false;
    };
    target
        .closest("input, textarea, select, dialog, [role=menu]")
        .ok()
        .flatten()
        .is_some_and(|found| found.get_attribute("type").as_deref() != Some("checkbox"))
        || (event.key() == "Enter" && target.closest("a, button").ok().flatten().is_some())
}
