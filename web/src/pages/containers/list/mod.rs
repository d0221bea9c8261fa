//! The list of containers: live, filtered by the address, worked by keyboard.

mod bulk;
mod filter;
mod row;

use super::super::frame::Head;
use crate::components::icon::icon;
use crate::components::notice::{Empty, failure, skeleton};
use crate::state::App;
use crate::state::actions::{Action, take};
use crate::state::containers::Load;
use crate::state::signal::{Edit, Hold, Peek, See};
use crate::table::KeySet;
use bulk::BulkBar;
use filter::{Order, STATES, fits_state};
use leptos::prelude::*;
use leptos_router::components::A;
use leptos_router::hooks::{use_navigate, use_query_map};
use leptos_router::{NavigateOptions, hooks};
use row::row;
use shared::container::{Container, Status};
use shared::session::Role;
use std::sync::Arc;
use web_sys::KeyboardEvent;

/// More rows than this are drawn only where they are seen.
const WINDOW_FROM: usize = 100;

/// Columns with what sorts them.
const COLUMNS: [(&str, &str, Order); 7] = [
    ("Status", "status", Order::Status),
    ("Name", "name", Order::Name),
    ("Image", "image", Order::Image),
    ("CPU", "cpu", Order::Cpu),
    ("Memory", "memory", Order::Memory),
    ("Ports", "ports", Order::Ports),
    ("Uptime", "uptime", Order::Uptime),
];

/// The page.
#[component]
pub fn List() -> impl IntoView {
    let app = App::get();
    app.stats.watch();
    let query = use_query_map();
    let navigate = StoredValue::new_local(use_navigate());
    let path = hooks::use_location().pathname;

    let text = Memo::new(move |_| query.see(|query| query.get("q").unwrap_or_default()));
    let state = Memo::new(move |_| query.see(|query| query.get("state").unwrap_or_default()));
    let order = RwSignal::new((Order::Name, false));
    let selected = RwSignal::new(KeySet::<String>::new());
    let focused = RwSignal::new(None::<String>);

    // The address is the state: every change of filter or tab goes through it.
    let steer = move |text: &str, state: &str| {
        let mut parts = Vec::new();
        if !text.is_empty() {
            parts.push(["q=", &crate::client::http::escape(text)].concat());
        }
        if !state.is_empty() {
            parts.push(["state=", state].concat());
        }
        let mut href = path.get_untracked();
        if !parts.is_empty() {
            href = [&href, "?", &parts.join("&")].concat();
        }
        let options = NavigateOptions {
            replace: true,
            scroll: false,
            ..NavigateOptions::default()
        };
        navigate.hold(|go| go(&href, options));
    };
    let steer = StoredValue::new_local(steer);

    let matching = Memo::new(move |_| {
        let wanted = filter::Filter::parse(&text.get());
        app.containers.items.see(|items| {
            items
                .values()
                .filter(|item| wanted.takes(item))
                .cloned()
                .collect::<Vec<Arc<Container>>>()
        })
    });
    let shown = Memo::new(move |_| {
        let state = state.get();
        let mut rows: Vec<Arc<Container>> =
            matching.see(|rows| rows.iter().filter(|item| fits_state(item, &state)).cloned().collect());
        let (order, down) = order.get();
        filter::sort_rows(&mut rows, order, down, app);
        rows
    });
    let go = move |href: String| navigate.hold(|go| go(&href, NavigateOptions::default()));

    let step = move |by: isize| {
        let rows = shown.get_untracked();
        if rows.is_empty() {
            return;
        }
        let at = focused
            .get_untracked()
            .and_then(|id| rows.iter().position(|row| row.id == id))
            .map_or(0, |at| (at as isize + by).clamp(0, rows.len() as isize - 1) as usize);
        focused.set(Some(rows[at].id.clone()));
        if let Some(row) = document().get_element_by_id(&["row-", &rows[at].id].concat()) {
            row.scroll_into_view_with_bool(false);
        }
    };
    let keys = window_event_listener(leptos::ev::keydown, move |event: KeyboardEvent| {
        let modified = event.ctrl_key() || event.meta_key() || event.alt_key();
        if modified || is_elsewhere(&event) || !app.preferences.letter_keys.get_untracked() {
            return;
        }
        let key = event.key();
        match key.as_str() {
            "j" | "ArrowDown" => step(1),
            "k" | "ArrowUp" => step(-1),
            _ => {
                let Some(id) = focused.get_untracked() else { return };
                let Some(item) = app.containers.items.peek(|items| items.get(&id).cloned()) else {
                    return;
                };
                let status = item.state.status;
                let act = |action: Action| {
                    if app.session.may(Role::Operator) && action.fits(status) {
                        take(app, action, &item, || ());
                    }
                };
                match key.as_str() {
                    "Enter" => go(["/containers/", &id].concat()),
                    "l" => go(["/containers/", &id, "/logs"].concat()),
                    "t" => go(["/containers/", &id, "/console"].concat()),
                    "m" => go(["/containers/", &id, "/stats"].concat()),
                    "x" => selected.edit(|selected| {
                        if !selected.remove(&id) {
                            selected.insert(id.clone());
                        }
                    }),
                    "r" => act(Action::Restart),
                    "s" if matches!(status, Status::Running | Status::Paused) => act(Action::Stop),
                    "s" => act(Action::Start),
                    "p" if status == Status::Paused => act(Action::Unpause),
                    "p" => act(Action::Pause),
                    "Delete" => act(Action::Remove),
                    _ => return,
                }
            }
        }
        event.prevent_default();
    });
    on_cleanup(move || keys.remove());

    let all_selected = move || {
        let count = shown.see(Vec::len);
        count > 0 && selected.see(|selected| shown.see(|rows| rows.iter().all(|row| selected.contains(&row.id))))
    };
    let select_all = move |on: bool| {
        if on {
            selected.set(shown.peek(|rows| rows.iter().map(|row| row.id.clone()).collect()));
        } else {
            selected.set(KeySet::new());
        }
    };

    // Only the rows in sight are drawn when there are many.
    let scroll = RwSignal::new((0.0, 900.0));
    let row_height = move || if app.preferences.compact.get() { 28.0 } else { 36.0 };
    let span = Memo::new(move |_| {
        let count = shown.see(Vec::len);
        if count <= WINDOW_FROM {
            return (0, count);
        }
        let (top, height) = scroll.get();
        let index = |pixels: f64| usize::try_from(crate::format::number::whole(pixels / row_height())).unwrap_or(0);
        let first = index(top).saturating_sub(8).min(count);
        (first, (first + index(height) + 18).min(count))
    });
    let drawn = Memo::new(move |_| {
        let (from, to) = span.get();
        shown.see(|rows| {
            let to = to.min(rows.len());
            rows[from.min(to)..to].to_vec()
        })
    });
    let above = move || span.get().0 as f64 * row_height();
    let below = move || (shown.see(Vec::len).saturating_sub(span.get().1)) as f64 * row_height();

    let head = move || {
        COLUMNS
            .into_iter()
            .map(|(word, class, column)| {
                let sorted = move || match order.get() {
                    (now, false) if now == column => "ascending",
                    (now, true) if now == column => "descending",
                    _ => "none",
                };
                view! {
                    <th class=["containers__", class].concat() scope="col" aria-sort=sorted>
                        <button
                            type="button"
                            data-testid=["containers.sort.", class].concat()
                            on:click=move |_| order.edit(|(now, down)| {
                                *down = *now == column && !*down;
                                *now = column;
                            })
                        >
                            {word}
                            {move || match sorted() {
                                "ascending" => Some(icon("up")),
                                "descending" => Some(icon("down")),
                                _ => None,
                            }}
                        </button>
                    </th>
                }
            })
            .collect_view()
    };
    let table = move || {
        view! {
            <div
                class="containers__scroll"
                on:scroll=move |event| {
                    let element = event_target::<web_sys::HtmlElement>(&event);
                    scroll.set((f64::from(element.scroll_top()), f64::from(element.client_height())));
                }
            >
                <table class="table containers__table" aria-rowcount=move || shown.see(Vec::len).to_string()>
                    <thead>
                        <tr>
                            <th class="containers__select" scope="col">
                                <input
                                    type="checkbox"
                                    aria-label="Select all that match"
                                    data-testid="containers.select.all"
                                    prop:checked=all_selected
                                    on:change=move |event| select_all(event_target_checked(&event))
                                />
                            </th>
                            {head()}
                            <th class="containers__actions" scope="col">
                                <span class="visually-hidden">"Actions"</span>
                            </th>
                        </tr>
                    </thead>
                    <tbody>
                        <tr class="containers__space" aria-hidden="true" hidden=move || above() == 0.0>
                            <td colspan="9" style:height=move || format!("{}px", above())></td>
                        </tr>
                        <For each=move || drawn.get() key=|item| item.id.clone() let:item>
                            {row(app, item.id.clone(), selected, focused)}
                        </For>
                        <tr class="containers__space" aria-hidden="true" hidden=move || below() == 0.0>
                            <td colspan="9" style:height=move || format!("{}px", below())></td>
                        </tr>
                    </tbody>
                </table>
            </div>
        }
        .into_any()
    };
    let may = move || app.session.may(Role::Operator);
    // What stands in the place of the table changes seldom; rows change often.
    let face = Memo::new(move |_| match app.containers.load.get() {
        Load::Loading => 0,
        Load::Failed(_) => 1,
        Load::Ready if app.containers.items.see(|items| items.is_empty()) => 2,
        Load::Ready if shown.see(Vec::is_empty) => 3,
        Load::Ready => 4,
    });
    view! {
        <div class="page containers">
            <Head title="Containers">
                <Show when=may>
                    <A href="/containers/new" attr:class="button button--primary" attr:data-testid="containers.head.new">
                        {icon("plus")}
                        "New container"
                    </A>
                </Show>
            </Head>
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
                        prop:value=move || text.get()
                        on:input=move |event| {
                            steer.hold(|steer| steer(&event_target_value(&event), &state.get_untracked()));
                        }
                    />
                </div>
                <div class="segments" role="group" aria-label="State">
                    {STATES
                        .into_iter()
                        .map(|(word, key)| {
                            let count = move || matching.see(|rows| rows.iter().filter(|row| fits_state(row, key)).count());
                            view! {
                                <button
                                    type="button"
                                    class="segments__part"
                                    aria-pressed=move || (state.get() == key).to_string()
                                    data-testid=["containers.state.", if key.is_empty() { "all" } else { key }].concat()
                                    on:click=move |_| steer.hold(|steer| steer(&text.get_untracked(), key))
                                >
                                    {word}
                                    <span class="tabs__count">{count}</span>
                                </button>
                            }
                        })
                        .collect_view()}
                </div>
            </div>
            <BulkBar selected shown/>
            <section class="card containers__card">
                {move || match face.get() {
                    0 => skeleton(8),
                    1 => {
                        let reason = match app.containers.load.get_untracked() {
                            Load::Failed(reason) => reason,
                            Load::Loading | Load::Ready => String::new(),
                        };
                        failure("Containers could not be listed", reason, move || app.containers.start())
                    }
                    2 => {
                        view! {
                            <Empty icon="container" text="No containers yet. Create one from an image, or pull an image first.">
                                <A href="/containers/new" attr:class="button button--primary" attr:data-testid="containers.empty.new">
                                    {icon("plus")}
                                    "New container"
                                </A>
                                <A href="/images/pull" attr:class="button" attr:data-testid="containers.empty.pull">
                                    {icon("pull")}
                                    "Pull image"
                                </A>
                            </Empty>
                        }
                            .into_any()
                    }
                    3 => {
                        view! {
                            <Empty icon="filter" text="No container matches.">
                                <button
                                    type="button"
                                    class="button"
                                    data-testid="containers.filter.clear"
                                    on:click=move |_| steer.hold(|steer| steer("", ""))
                                >
                                    "Clear filters"
                                </button>
                            </Empty>
                        }
                            .into_any()
                    }
                    _ => table(),
                }}
            </section>
        </div>
    }
}

/// Whether a key is meant for a field, a dialog or a menu.
fn is_elsewhere(event: &KeyboardEvent) -> bool {
    use wasm_bindgen::JsCast;
    let Some(target) = event
        .target()
        .and_then(|target| target.dyn_into::<web_sys::Element>().ok())
    else {
        return false;
    };
    target
        .closest("input, textarea, select, dialog, [role=menu]")
        .ok()
        .flatten()
        .is_some_and(|found| found.get_attribute("type").as_deref() != Some("checkbox"))
        || (event.key() == "Enter" && target.closest("a, button").ok().flatten().is_some())
}
