//! Search, filters and the ways out of the viewer: copy, share, download.

use super::row::Times;
use super::source::{Query, Streams};
use super::viewer::{Found, Viewer};
use crate::components::icon::icon;
use crate::format::number;
use crate::state::signal::{Edit, Hold, Peek, See};
use leptos::prelude::*;
use std::time::Duration;
use wasm_bindgen::JsCast;

/// Waits until typing pauses before the server is asked.
const PAUSE: Duration = Duration::from_millis(60);

/// The toolbar above the lines.
#[component]
pub fn Toolbar(
    /// What it steers.
    viewer: StoredValue<Viewer, LocalStorage>,
    /// The search field, so that `/` can focus it.
    field: NodeRef<leptos::html::Input>,
) -> impl IntoView {
    let controls = viewer.hold(|viewer| viewer.controls);
    let timer = StoredValue::new(None::<TimeoutHandle>);
    let ask = move |query: Query| {
        controls.query.set(query.clone());
        if let Some(handle) = timer.get_value() {
            handle.clear();
        }
        let handle = set_timeout_with_handle(move || viewer.hold(|viewer| viewer.search(query.clone())), PAUSE);
        timer.set_value(handle.ok());
    };
    let change = move |edit: &dyn Fn(&mut Query)| {
        let mut query = controls.query.get_untracked();
        edit(&mut query);
        ask(query);
    };
    let redraw = move || viewer.hold(Viewer::redraw);
    let found = move || match (controls.hits.get(), controls.hit.get()) {
        (
            Some(Ok(Found {
                total: Some(0),
                incomplete,
            })),
            _,
        ) => if incomplete { "no hit in time" } else { "no hit" }.to_owned(),
        (
            Some(Ok(Found {
                total: Some(total),
                incomplete,
            })),
            at,
        ) => {
            let at = at.map_or(0, |at| at + 1);
            let more = if incomplete { "+" } else { "" };
            number::count(at) + " of " + &number::count(total) + more
        }
        _ if controls.searching.get() => "searching".to_owned(),
        _ => String::new(),
    };
    let mistake = move || controls.hits.get().and_then(Result::err).unwrap_or_default();
    let download = viewer.hold(|viewer| viewer.source().download.clone());
    view! {
        <div class="log-view__tools" role="toolbar" aria-label="Log tools">
            <div class="log-view__search">
                {icon("search")}
                <input
                    class="input input--small"
                    type="search"
                    placeholder="Search all lines"
                    aria-label="Search all lines"
                    aria-describedby="log-mistake"
                    data-filter="true"
                    data-testid="logs.search.text"
                    node_ref=field
                    prop:value=move || controls.query.get().text
                    on:input=move |event| {
                        let text = event_target_value(&event);
                        change(&|query| query.text.clone_from(&text));
                    }
                    on:keydown=move |event| match event.key().as_str() {
                        "Enter" => {
                            event.prevent_default();
                            let step = if event.shift_key() { -1 } else { 1 };
                            viewer.hold(|viewer| viewer.step_hit(step));
                        }
                        "Escape" => {
                            event.stop_propagation();
                            if controls.query.peek(|query| query.text.is_empty()) {
                                // To the lines, where n, N and the other keys work.
                                let lines = document().get_element_by_id("log-lines");
                                if let Some(lines) = lines.and_then(|lines| lines.dyn_into::<web_sys::HtmlElement>().ok()) {
                                    let _ = lines.focus();
                                }
                            } else {
                                change(&|query| query.text.clear());
                            }
                        }
                        _ => {}
                    }
                />
                <button
                    type="button"
                    class="button button--small button--icon button--quiet mono"
                    title="Regular expression"
                    aria-label="Regular expression"
                    aria-pressed=move || controls.query.get().regex.to_string()
                    data-testid="logs.search.regex"
                    on:click=move |_| change(&|query| query.regex = !query.regex)
                >
                    ".*"
                </button>
                <button
                    type="button"
                    class="button button--small button--icon button--quiet mono"
                    title="Match case"
                    aria-label="Match case"
                    aria-pressed=move || controls.query.get().case_sensitive.to_string()
                    data-testid="logs.search.case"
                    on:click=move |_| change(&|query| query.case_sensitive = !query.case_sensitive)
                >
                    "Aa"
                </button>
            </div>
            <Show when=move || controls.hits.see(Option::is_some) || controls.searching.get()>
                <div class="row" style="gap:2px">
                    <span class="log-view__found" role="status" data-testid="logs.search.count">{found}</span>
                    <button
                        type="button"
                        class="button button--small button--icon button--quiet"
                        aria-label="Previous hit (N)"
                        title="Previous hit (N)"
                        data-testid="logs.search.previous"
                        on:click=move |_| viewer.hold(|viewer| viewer.step_hit(-1))
                    >
                        {icon("up")}
                    </button>
                    <button
                        type="button"
                        class="button button--small button--icon button--quiet"
                        aria-label="Next hit (n)"
                        title="Next hit (n)"
                        data-testid="logs.search.next"
                        on:click=move |_| viewer.hold(|viewer| viewer.step_hit(1))
                    >
                        {icon("down")}
                    </button>
                    <button
                        type="button"
                        class="button button--small button--quiet"
                        aria-pressed=move || controls.only_hits.get().to_string()
                        data-testid="logs.search.only"
                        on:click=move |_| {
                            controls.only_hits.edit(|only| *only = !*only);
                            controls.follow.set(false);
                            viewer
                                .hold(|viewer| {
                                    viewer.step_hit(0);
                                    viewer.redraw();
                                });
                        }
                    >
                        "Only hits"
                    </button>
                </div>
            </Show>
            <span class="grow"></span>
            <select
                class="select input--small log-view__select"
                aria-label="Streams"
                data-testid="logs.stream.select"
                on:change=move |event| {
                    controls
                        .streams
                        .set(
                            match event_target_value(&event).as_str() {
                                "stdout" => Streams::Stdout,
                                "stderr" => Streams::Stderr,
                                _ => Streams::Both,
                            },
                        );
                    redraw();
                }
            >
                <option value="">"All streams"</option>
                <option value="stdout">"stdout"</option>
                <option value="stderr">"stderr"</option>
            </select>
            <select
                class="select input--small log-view__select"
                aria-label="Times"
                data-testid="logs.times.select"
                prop:value=move || match controls.times.get() {
                    Times::Off => "off",
                    Times::Local => "local",
                    Times::Utc => "utc",
                }
                on:change=move |event| {
                    controls
                        .times
                        .set(
                            match event_target_value(&event).as_str() {
                                "off" => Times::Off,
                                "utc" => Times::Utc,
                                _ => Times::Local,
                            },
                        );
                    redraw();
                }
            >
                <option value="local">"Local time"</option>
                <option value="utc">"UTC"</option>
                <option value="off">"No time"</option>
            </select>
            <button
                type="button"
                class="button button--small button--icon"
                aria-label="Wrap long lines (w)"
                title="Wrap long lines (w)"
                aria-pressed=move || controls.wrap.get().to_string()
                data-testid="logs.view.wrap"
                on:click=move |_| {
                    controls.wrap.edit(|wrap| *wrap = !*wrap);
                    redraw();
                }
            >
                {icon("wrap")}
            </button>
            <a
                class="button button--small button--icon"
                href=download
                download=""
                rel="external"
                aria-label="Download the whole log"
                title="Download the whole log"
                data-testid="logs.file.download"
            >
                {icon("download")}
            </a>
            <button
                type="button"
                class="button button--small"
                aria-label="Follow (f)"
                title="Follow new lines (f)"
                aria-pressed=move || controls.follow.get().to_string()
                data-testid="logs.view.follow"
                on:click=move |_| {
                    if controls.follow.get_untracked() {
                        controls.follow.set(false);
                    } else {
                        viewer.hold(Viewer::go_to_end);
                    }
                }
            >
                {icon("follow")}
                <span class="log-view__word">"Follow"</span>
            </button>
            <p class="log-view__mistake" id="log-mistake" role="alert">{mistake}</p>
        </div>
    }
}
