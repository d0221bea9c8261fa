//! One row of the list. Its cells follow the container it shows on their own, so a change
//! redraws a cell and not the table.

use super::super::describe;
use super::ListView;
use crate::components::icon::icon;
use crate::components::meter::Meter;
use crate::components::sparkline::Sparkline;
use crate::components::status_chip::status_chip;
use crate::format::{number, size};
use crate::state::actions::{Action, take};
use crate::state::containers::is_up;
use crate::state::signal::{Hold, See};
use crate::state::stats::Recent;
use leptos::prelude::*;
use leptos_router::NavigateOptions;
use leptos_router::components::A;
use leptos_router::hooks::use_navigate;
use shared::container::Container;
use shared::session::Role;
use std::rc::Rc;
use std::sync::Arc;
use wasm_bindgen::JsCast;
use web_sys::MouseEvent;

/// What the cells share.
#[derive(Clone, Copy)]
struct Row {
    list: ListView,
    /// The container in this place; none for a moment when the list becomes shorter.
    item: Memo<Option<Arc<Container>>>,
    recent: Memo<Option<Recent>>,
    go: StoredValue<Rc<dyn Fn(String)>, LocalStorage>,
}

impl Row {
    /// Something of the container, followed.
    fn of<T: Default>(self, part: impl FnOnce(&Container) -> T) -> T {
        self.item.see(|item| item.as_deref().map(part).unwrap_or_default())
    }

    fn id(self) -> String {
        self.of(|item| item.id.clone())
    }

    fn href(self, tab: &str) -> String {
        self.of(|item| ["/containers/", &item.id, tab].concat())
    }

    fn is_selected(self) -> bool {
        let list = self.list;
        list.selected
            .see(|selected| self.of(|item| selected.contains(&item.id)))
    }

    fn is_pending(self) -> bool {
        let pending = self.list.app.containers.pending;
        pending.see(|pending| self.of(|item| pending.contains_key(&item.id)))
    }
}

/// The row of one place.
pub fn row(list: ListView, item: Memo<Option<Arc<Container>>>) -> AnyView {
    let app = list.app;
    let navigate = use_navigate();
    let recent = Memo::new(move |_| {
        let id = item.see(|item| item.as_ref().filter(|item| is_up(item)).map(|item| item.id.clone()))?;
        app.stats.of(&id)
    });
    let row = Row {
        list,
        item,
        recent,
        go: StoredValue::new_local(Rc::new(move |href: String| navigate(&href, NavigateOptions::default()))),
    };
    let is_focused = move || {
        list.focused
            .see(|focused| row.of(|item| focused.as_deref() == Some(item.id.as_str())))
    };
    view! {
        <tr
            id=move || ["row-", &row.id()].concat()
            class="containers__row"
            class:containers__row--focused=is_focused
            aria-selected=move || row.is_selected().to_string()
            data-testid="containers.row"
            data-name=move || row.of(|item| item.name.clone())
            on:click=move |event| open(row, &event)
        >
            {select_cell(row)}
            <td class="containers__status">{status(row)}</td>
            <td class="containers__name">
                <A href=move || row.href("") attr:class="containers__link" attr:data-testid="containers.row.open">
                    {move || row.of(|item| item.name.clone())}
                </A>
            </td>
            <td class="containers__image">
                <span class="truncate" title=move || row.of(|item| item.image.clone())>
                    {move || row.of(|item| item.image.clone())}
                </span>
            </td>
            {cpu_cell(row)}
            {memory_cell(row)}
            <td class="containers__ports">{ports(row)}</td>
            <td class="containers__uptime">{move || row.of(|item| describe::uptime(item, app.now.get()))}</td>
            <td class="containers__actions">
                <div class="row" style="gap:0;justify-content:flex-end">{quick(row)} {menu_button(row)}</div>
            </td>
        </tr>
    }
    .into_any()
}

/// A click on the row, but on none of its controls and not at the end of a selection.
fn open(row: Row, event: &MouseEvent) {
    row.list.focused.set(Some(untrack(|| row.id())));
    let target = event
        .target()
        .and_then(|target| target.dyn_into::<web_sys::Element>().ok());
    let on_control = target
        .and_then(|target| target.closest("a, button, input, label").ok().flatten())
        .is_some();
    let selecting = window()
        .get_selection()
        .ok()
        .flatten()
        .is_some_and(|selection| !selection.is_collapsed());
    if !on_control && !selecting {
        row.go.hold(|go| go(untrack(|| row.href(""))));
    }
}

fn select_cell(row: Row) -> AnyView {
    view! {
        <td class="containers__select">
            <input
                type="checkbox"
                aria-label=move || row.of(|item| ["Select ", &item.name].concat())
                data-testid="containers.row.select"
                prop:checked=move || row.is_selected()
                on:change=move |event| row.list.select(&untrack(|| row.id()), event_target_checked(&event))
            />
        </td>
    }
    .into_any()
}

fn status(row: Row) -> AnyView {
    // Built again only when what it says changes.
    let shown = Memo::new(move |_| {
        let pending = row.list.app.containers.pending;
        let pending = pending.see(|pending| row.of(|item| pending.get(&item.id).copied()));
        row.item
            .see(|item| item.as_ref().map(|item| describe::status(item, pending)))
    });
    (move || shown.get().map(status_chip)).into_any()
}

fn ports(row: Row) -> AnyView {
    let ports = Memo::new(move |_| row.of(|item| item.ports.clone()));
    (move || ports.see(|ports| describe::ports(ports))).into_any()
}

fn cpu_cell(row: Row) -> AnyView {
    let values = Signal::derive(move || {
        row.recent
            .see(|recent| recent.as_ref().map(|r| r.cpu.clone()).unwrap_or_default())
    });
    let now = move || {
        row.recent
            .see(|recent| recent.as_ref().map(|r| number::percent(r.last.cpu_cores * 100.0)))
    };
    view! {
        <td class="containers__cpu">
            <div class="containers__live live">
                <span class="containers__spark"><Sparkline values least=5.0/></span>
                <span class="containers__figure">{now}</span>
            </div>
        </td>
    }
    .into_any()
}

fn memory_cell(row: Row) -> AnyView {
    let words = move || {
        row.recent.see(|recent| {
            recent.as_ref().map(|recent| match recent.last.memory_limit_bytes {
                Some(limit) => [size(recent.last.memory_bytes), size(limit)].join(" / "),
                None => size(recent.last.memory_bytes),
            })
        })
    };
    let share = Signal::derive(move || {
        row.recent.see(|recent| {
            let last = &recent.as_ref()?.last;
            Some(last.memory_bytes as f64 / last.memory_limit_bytes? as f64)
        })
    });
    view! {
        <td class="containers__memory">
            <div class="containers__live live">
                <Show when=move || share.get().is_some()>
                    <span class="containers__bar"><Meter share label="Memory"/></span>
                </Show>
                <span>{words}</span>
            </div>
        </td>
    }
    .into_any()
}

/// Logs, and the one action that fits most.
fn quick(row: Row) -> AnyView {
    let app = row.list.app;
    let action = Memo::new(move |_| {
        let may = app.session.may(Role::Operator);
        row.item.see(|item| {
            let action = item.as_ref().filter(|_| may)?;
            Some(if is_up(action) { Action::Stop } else { Action::Start })
        })
    });
    // Rows are places: the container in one can change while a button of it has the focus.
    let reached = StoredValue::new(String::new());
    let reach = move || reached.set_value(untrack(|| row.id()));
    let act = move |action: Action| {
        if reached.get_value() != untrack(|| row.id()) {
            return reach();
        }
        if let Some(item) = row.item.get_untracked() {
            take(app, action, &item, || ());
        }
    };
    view! {
        <A
            href=move || row.href("/logs")
            attr:class="button button--quiet button--icon button--small"
            attr:aria-label=move || row.of(|item| ["Logs of ", &item.name].concat())
            attr:title="Logs"
            attr:data-testid="containers.row.logs"
        >
            {icon("logs")}
        </A>
        {move || {
            action
                .get()
                .map(|action| {
                    view! {
                        <button
                            type="button"
                            class="button button--quiet button--icon button--small"
                            aria-label=move || row.of(|item| [action.label(), " ", &item.name].concat())
                            title=move || app.connection.refusal().unwrap_or(action.label())
                            data-testid=["containers.row.", action.word()].concat()
                            prop:disabled=move || row.is_pending() || app.connection.is_cut()
                            on:focus=move |_| reach()
                            on:pointerdown=move |_| reach()
                            on:click=move |event| {
                                event.stop_propagation();
                                act(action);
                            }
                        >
                            {icon(action.icon())}
                        </button>
                    }
                })
        }}
    }
    .into_any()
}

fn menu_button(row: Row) -> AnyView {
    let app = row.list.app;
    let open = move |event: MouseEvent| {
        if let Some(item) = row.item.get_untracked() {
            let items = describe::menu(app, &item, row.go.get_value());
            app.menus.open(&event, items);
        }
    };
    view! {
        <button
            type="button"
            class="button button--quiet button--icon button--small"
            aria-label=move || row.of(|item| ["Actions of ", &item.name].concat())
            aria-haspopup="menu"
            data-testid="containers.row.menu"
            on:click=open
        >
            {icon("more")}
        </button>
    }
    .into_any()
}
