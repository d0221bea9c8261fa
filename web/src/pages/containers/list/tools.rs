//! The filter field and the state tabs.

use super::ListView;
use super::filter::{STATES, fits_state};
use crate::components::icon::icon;
use crate::state::signal::See;
use leptos::prelude::*;

pub fn tools(list: ListView) -> AnyView {
    let states = STATES.into_iter().map(|(word, key)| {
        let count = Memo::new(move |_| {
            list.matching
                .see(|rows| rows.iter().filter(|row| fits_state(row, key)).count())
        });
        view! {
            <button
                type="button"
                class="segments__part"
                aria-pressed=move || list.state.see(|state| state == key).to_string()
                data-testid=["containers.state.", if key.is_empty() { "all" } else { key }].concat()
                on:click=move |_| list.state.set(key.to_owned())
            >
                {word}
                <span class="tabs__count">{move || count.get()}</span>
            </button>
        }
    });
    let states = states.collect_view();
    view! {
        <div class="containers__tools">
            <div class="filter">
                {icon("filter")}
                <input
                    class="input"
                    type="search"
                    placeholder="Filter: name, image, label, state:running, port:8080"
                    aria-label="Filter containers"
                    data-filter="true"
                    data-testid="containers.filter.text"
                    prop:value=move || list.text.get()
                    on:input=move |event| list.text.set(event_target_value(&event))
                />
            </div>
            <div class="segments" role="group" aria-label="State">{states}</div>
        </div>
    }
    .into_any()
}
