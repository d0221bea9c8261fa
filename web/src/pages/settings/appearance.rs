//! How the panel looks in this browser.

use crate::components::icon::icon;
use crate::state::App;
use leptos::prelude::*;

pub fn appearance() -> AnyView {
    let app = App::get();
    let preferences = app.preferences;
    let theme = |word: &'static str, key: &'static str, shape: &'static str| {
        let theme = preferences.theme;
        view! {
            <button
                type="button"
                class="segments__part"
                aria-pressed=move || (theme.get() == key).to_string()
                data-testid=["appearance.theme.", key].concat()
                on:click=move |_| theme.set(key.to_owned())
            >
                {icon(shape)}
                {word}
            </button>
        }
    };
    let switch = |label: &'static str, hint: &'static str, testid: &'static str, value: RwSignal<bool>| {
        view! {
            <label class="check field__switch">
                <input
                    type="checkbox"
                    data-testid=testid
                    prop:checked=move || value.get()
                    on:change=move |event| value.set(event_target_checked(&event))
                />
                <span>{label} <span class="field__hint">{hint}</span></span>
            </label>
        }
    };
    view! {
        <section class="card settings__card">
            <div class="field">
                <span class="field__label">"Theme"</span>
                <div class="segments" role="group" aria-label="Theme" style="justify-self:start">
                    {theme("System", "system", "system")} {theme("Light", "light", "sun")} {theme("Dark", "dark", "moon")}
                </div>
            </div>
            {switch("Compact rows", "More rows on a screen.", "appearance.rows.compact", preferences.compact)}
            {switch("Narrow rail", "Icons without words.", "appearance.rail.narrow", preferences.narrow_rail)}
            {switch(
                "Keys of a single letter",
                "Such as j, k, r and g c. The ? key lists them.",
                "appearance.keys.letters",
                preferences.letter_keys,
            )}
            <p class="muted">"Kept in this browser."</p>
        </section>
    }
    .into_any()
}
