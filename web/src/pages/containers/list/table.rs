//! The table. Its rows are places, not containers: when the order, the filter or the
//! scroll position changes, each place shows another container, and no row is made anew.

use super::ListView;
use super::filter::Order;
use super::row::row;
use crate::components::icon::icon;
use crate::format::number::whole;
use crate::state::signal::{Edit, Peek, See};
use crate::table::KeySet;
use leptos::prelude::*;
use std::sync::Arc;

/// More rows than this are drawn only where they are in sight.
const WINDOW_FROM: usize = 60;
/// Rows drawn beyond the edges.
const BEYOND: usize = 4;
/// The height of a row: normal, compact, and of a card on a phone.
const HEIGHTS: [f64; 3] = [36.0, 28.0, 68.0];

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

/// Whether the window is as narrow as a phone's, followed.
fn is_phone() -> RwSignal<bool> {
    let narrow = || {
        let width = window().inner_width().ok().and_then(|width| width.as_f64());
        width.is_some_and(|width| width < 640.0)
    };
    let phone = RwSignal::new(narrow());
    let resized = window_event_listener(leptos::ev::resize, move |_| {
        if phone.peek(|phone| *phone != narrow()) {
            phone.set(narrow());
        }
    });
    on_cleanup(move || resized.remove());
    phone
}

/// The table of the rows that are shown.
pub fn table(list: ListView) -> AnyView {
    let phone = is_phone();
    let height = Memo::new(move |_| match (phone.get(), list.app.preferences.compact.get()) {
        (true, _) => HEIGHTS[2],
        (false, true) => HEIGHTS[1],
        (false, false) => HEIGHTS[0],
    });
    // Top and height of what is in sight.
    let scroll = RwSignal::new((0.0, 900.0));
    let node = NodeRef::<leptos::html::Div>::new();
    let look = move || {
        if let Some(node) = node.get_untracked() {
            let seen = (f64::from(node.scroll_top()), f64::from(node.client_height()));
            if scroll.peek(|known| *known != seen) {
                scroll.set(seen);
            }
        }
    };
    crate::components::watch::on_resize(node, look);
    // First row and how many.
    let span = Memo::new(move |_| {
        let count = list.shown.see(Vec::len);
        if count <= WINDOW_FROM {
            return (0, count);
        }
        let (top, seen) = scroll.get();
        let index = |pixels: f64| usize::try_from(whole(pixels / height.get())).unwrap_or(0);
        let room = (index(seen) + 2 * BEYOND).min(count);
        (index(top).saturating_sub(BEYOND).min(count - room), room)
    });
    let places = Memo::new(move |_| span.get().1);
    let space = move |rows: usize| format!("{}px", rows as f64 * height.get());
    let above = move || span.get().0;
    let below = move || list.shown.see(Vec::len).saturating_sub(span.get().0 + span.get().1);
    view! {
        <div class="containers__scroll" tabindex="0" role="group" aria-label="Rows" node_ref=node on:scroll=move |_| look()>
            <table class="table containers__table" aria-rowcount=move || list.shown.see(Vec::len).to_string()>
                <thead>{head(list)}</thead>
                <tbody>
                    <tr class="containers__space" aria-hidden="true" hidden=move || above() == 0>
                        <td colspan="9" style:height=move || space(above())></td>
                    </tr>
                    <For each=move || 0..places.get() key=|place| *place let:place>
                        {
                            let item = Memo::new(move |_| {
                                let at = span.get().0 + place;
                                list.shown.see(|rows| rows.get(at).map(Arc::clone))
                            });
                            row(list, item)
                        }
                    </For>
                    <tr class="containers__space" aria-hidden="true" hidden=move || below() == 0>
                        <td colspan="9" style:height=move || space(below())></td>
                    </tr>
                </tbody>
            </table>
        </div>
    }
    .into_any()
}

fn head(list: ListView) -> AnyView {
    let all_selected = move || {
        let count = list.shown.see(Vec::len);
        let every =
            |selected: &KeySet<String>| list.shown.see(|rows| rows.iter().all(|row| selected.contains(&row.id)));
        count > 0 && list.selected.see(|selected| every(selected))
    };
    let select_all = move |on: bool| {
        let chosen = if on {
            list.shown.peek(|rows| rows.iter().map(|row| row.id.clone()).collect())
        } else {
            KeySet::new()
        };
        list.selected.set(chosen);
    };
    view! {
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
            {COLUMNS.into_iter().map(|(word, class, column)| column_head(list, word, class, column)).collect_view()}
            <th class="containers__actions" scope="col">
                <span class="visually-hidden">"Actions"</span>
            </th>
        </tr>
    }
    .into_any()
}

fn column_head(list: ListView, word: &'static str, class: &'static str, column: Order) -> AnyView {
    let sorted = move || match list.order.get() {
        (now, false) if now == column => "ascending",
        (now, true) if now == column => "descending",
        _ => "none",
    };
    let sort = move |_| {
        list.order.edit(|(now, down)| {
            *down = *now == column && !*down;
            *now = column;
        });
    };
    view! {
        <th class=["containers__", class].concat() scope="col" aria-sort=sorted>
            <button type="button" data-testid=["containers.sort.", class].concat() on:click=sort>
                {word}
                {move || match sorted() {
                    "ascending" => Some(icon("up")),
                    "descending" => Some(icon("down")),
                    _ => None,
                }}
            </button>
        </th>
    }
    .into_any()
}
