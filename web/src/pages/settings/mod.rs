//! Settings: appearance of this browser, users, tokens; and the own account.

pub mod account;
mod appearance;
mod tokens;
mod users;

use super::frame::Head;
use crate::components::notice::Empty;
use crate::components::tabs::{Tab, Tabs};
use crate::state::App;
use crate::state::signal::See;
use leptos::prelude::*;
use leptos_router::hooks::use_params_map;
use shared::session::Role;

const SECTIONS: [(&str, &str); 3] = [
    ("appearance", "Appearance"),
    ("tokens", "API tokens"),
    ("users", "Users"),
];

/// The page.
#[component]
pub fn Settings() -> impl IntoView {
    let app = App::get();
    let params = use_params_map();
    let section = Memo::new(move |_| params.see(|params| params.get("section").unwrap_or_default()));
    let chosen = Memo::new(move |_| {
        let section = section.get();
        let wanted = if section.is_empty() { "appearance" } else { &section };
        SECTIONS
            .iter()
            .position(|(key, _)| *key == wanted)
            .unwrap_or(usize::MAX)
    });
    let tabs = Signal::derive(move || {
        SECTIONS
            .into_iter()
            .filter(|(key, _)| *key != "users" || app.session.may(Role::Admin))
            .map(|(key, word)| Tab {
                word,
                href: ["/settings/", key].concat(),
                testid: ["settings.tab.", key].concat(),
                count: None,
            })
            .collect::<Vec<_>>()
    });
    view! {
        <div class="page settings">
            <Head title="Settings"/>
            <Tabs tabs chosen label="Settings"/>
            {move || match section.get().as_str() {
                "" | "appearance" => appearance::appearance(),
                "tokens" => tokens::tokens(),
                "users" if app.session.may(Role::Admin) => users::users(),
                "users" => {
                    view! { <Empty icon="shield" text="Only administrators manage users. Ask one of them."/> }.into_any()
                }
                _ => view! { <Empty icon="search" text="This page has no such tab."/> }.into_any(),
            }}
        </div>
    }
}

/// What a role may do, in a sentence.
pub fn role_words(role: Role) -> (&'static str, &'static str) {
    match role {
        Role::Viewer => ("Viewer", "views everything"),
        Role::Operator => ("Operator", "works with containers, images and volumes"),
        Role::Admin => ("Administrator", "also manages users and tokens"),
    }
}

fn role_key(role: Role) -> &'static str {
    match role {
        Role::Viewer => "viewer",
        Role::Operator => "operator",
        Role::Admin => "admin",
    }
}

fn role_of(key: &str) -> Role {
    match key {
        "admin" => Role::Admin,
        "operator" => Role::Operator,
        _ => Role::Viewer,
    }
}

/// A choice among the roles up to `most`.
fn role_select(value: RwSignal<Role>, most: Role, testid: &'static str) -> AnyView {
    view! {
        <select
            class="select"
            aria-label="Role"
            data-testid=testid
            prop:value=move || role_key(value.get())
            on:change=move |event| value.set(role_of(&event_target_value(&event)))
        >
            {[Role::Viewer, Role::Operator, Role::Admin]
                .into_iter()
                .filter(|role| *role <= most)
                .map(|role| {
                    let (word, may) = role_words(role);
                    view! {
                        <option value=role_key(role) prop:selected=move || value.get() == role>
                            {[word, ": ", may].concat()}
                        </option>
                    }
                })
                .collect_view()}
        </select>
    }
    .into_any()
}

/// A labelled line of text for the dialogs here.
fn line(
    label: &'static str,
    kind: &'static str,
    complete: &'static str,
    testid: &'static str,
    value: RwSignal<String>,
) -> AnyView {
    view! {
        <label class="field">
            <span class="field__label">{label}</span>
            <input
                class="input"
                type=kind
                autocomplete=complete
                data-testid=testid
                prop:value=move || value.get()
                on:input=move |event| value.set(event_target_value(&event))
            />
        </label>
    }
    .into_any()
}
