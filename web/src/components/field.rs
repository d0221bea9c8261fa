//! One labelled line of a form.

use leptos::prelude::*;

/// What kind of line it is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Text,
    Password,
    /// Several lines, in even letters.
    Area,
}

/// A labelled line bound to `value`.
pub fn field(
    label: &'static str,
    placeholder: &'static str,
    kind: Kind,
    testid: &'static str,
    value: RwSignal<String>,
) -> AnyView {
    let input = if kind == Kind::Area {
        view! {
            <textarea
                class="textarea"
                placeholder=placeholder
                spellcheck="false"
                data-testid=testid
                prop:value=move || value.get()
                on:input=move |event| value.set(event_target_value(&event))
            ></textarea>
        }
        .into_any()
    } else {
        view! {
            <input
                class="input"
                type=if kind == Kind::Password { "password" } else { "text" }
                placeholder=placeholder
                autocomplete=if kind == Kind::Password { "new-password" } else { "off" }
                spellcheck="false"
                data-testid=testid
                prop:value=move || value.get()
                on:input=move |event| value.set(event_target_value(&event))
            />
        }
        .into_any()
    };
    view! {
        <label class="field">
            <span class="field__label">{label}</span>
            {input}
        </label>
    }
    .into_any()
}

/// A box to tick, bound to `value`.
pub fn check(label: &'static str, testid: &'static str, value: RwSignal<bool>) -> AnyView {
    view! {
        <label class="check">
            <input
                type="checkbox"
                data-testid=testid
                prop:checked=move || value.get()
                on:change=move |event| value.set(event_target_checked(&event))
            />
            <span>{label}</span>
        </label>
    }
    .into_any()
}

/// What is in a line, without the spaces around it; nothing where it is empty.
pub fn given(value: RwSignal<String>) -> Option<String> {
    Some(value.get_untracked().trim().to_owned()).filter(|text| !text.is_empty())
}
