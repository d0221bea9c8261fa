//! One container in the list. Its cells follow the live state on their own, so
//! a change redraws a cell and not the table.

use super::super::describe;
use crate::components::icon::icon;
use crate::components::meter::Meter;
use crate::components::sparkline::Sparkline;
use crate::components::status_chip::status_chip;
use crate::format::{number, size};
use crate::state::App;
use crate::state::actions::{Action, take};
use crate::state::containers::is_up;
use crate::state::signal::{Edit, Hold, See};
use crate::table::KeySet;
use leptos::prelude::*;
use leptos_router::NavigateOptions;
use leptos_router::components::A;
use leptos_router::hooks::use_navigate;
use shared::session::Role;
use std::rc::Rc;

/// The row of container `id`.
pub fn row(app: App, id: String, selected: RwSignal<KeySet<String>>, focused: RwSignal<Option<String>>) -> AnyView {
    let id = StoredValue::new(id);
    let key = move || id.get_value();
    let navigate = use_navigate();
    let go: StoredValue<Rc<dyn Fn(String)>, LocalStorage> =
        StoredValue::new_local(Rc::new(move |href: String| navigate(&href, NavigateOptions::default())));
    let item = Memo::new(move |_| app.containers.items.see(|items| id.hold(|id| items.get(id).cloned())));
    let pending = Memo::new(move |_| {
        app.containers
            .pending
            .see(|pending| id.hold(|id| pending.get(id).copied()))
    });
    let recent = Memo::new(move |_| {
        if item.see(|item| item.as_ref().is_some_and(|item| is_up(item))) {
            id.hold(|id| app.stats.of(id))
        } else {
            None
        }
    });
    let status = move || {
        item.get()
            .map(|item| status_chip(describe::status(&item, pending.get())))
    };
    let cpu = Signal::derive(move || recent.see(|recent| recent.as_ref().map(|r| r.cpu.clone()).unwrap_or_default()));
    let cpu_now = move || recent.see(|recent| recent.as_ref().map(|r| number::percent(r.last.cpu_cores * 100.0)));
    let memory = move || {
        recent.see(|recent| {
            recent.as_ref().map(|recent| match recent.last.memory_limit_bytes {
                Some(limit) => [size(recent.last.memory_bytes), size(limit)].join(" / "),
                None => size(recent.last.memory_bytes),
            })
        })
    };
    let memory_share = Signal::derive(move || {
        recent.see(|recent| {
            let last = &recent.as_ref()?.last;
            Some(last.memory_bytes as f64 / last.memory_limit_bytes? as f64)
        })
    });
    let href = move |tab: &str| id.hold(|id| ["/containers/", id, tab].concat());
    let is_selected = move || selected.see(|selected| id.hold(|id| selected.contains(id)));
    let open_menu = move |event: web_sys::MouseEvent| {
        if let Some(item) = item.get_untracked() {
            let items = describe::menu(app, &item, go.get_value());
            app.menus.open(&event, items);
        }
    };
    let main_action = move || {
        item.see(|item| {
            item.as_ref()
                .map(|item| if is_up(item) { Action::Stop } else { Action::Start })
        })
    };
    let act = move |action: Action| {
        if let Some(item) = item.get_untracked() {
            take(app, action, &item, || ());
        }
    };
    let quick = move || {
        let may = app.session.may(Role::Operator);
        view! {
            <A
                href=href("/logs")
                attr:class="button button--quiet button--icon button--small"
                attr:aria-label="Logs"
                attr:title="Logs"
                attr:data-testid="containers.row.logs"
            >
                {icon("logs")}
            </A>
            {move || {
                main_action()
                    .filter(|_| may)
                    .map(|action| {
                        view! {
                            <button
                                type="button"
                                class="button button--quiet button--icon button--small"
                                aria-label=action.label()
                                title=action.label()
                                data-testid=["containers.row.", action.word()].concat()
                                prop:disabled=move || pending.get().is_some()
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
    };
    view! {
        <tr
            id=["row-", &key()].concat()
            class="containers__row"
            class:containers__row--focused=move || focused.see(|focused| focused.as_deref() == Some(&key()))
            aria-selected=move || is_selected().to_string()
            data-testid="containers.row"
            data-name=move || item.get().map(|item| item.name.clone())
            on:click=move |event| {
                use wasm_bindgen::JsCast;
                focused.set(Some(key()));
                let target = event.target().and_then(|target| target.dyn_into::<web_sys::Element>().ok());
                let on_control = target
                    .and_then(|target| target.closest("a, button, input, label").ok().flatten())
                    .is_some();
                let chosen = window().get_selection().ok().flatten().is_some_and(|s| !s.is_collapsed());
                if !on_control && !chosen {
                    go.hold(|go| go(href("")));
                }
            }
        >
            <td class="containers__select">
                <input
                    type="checkbox"
                    aria-label=move || item.get().map(|item| ["Select ", &item.name].concat())
                    data-testid="containers.row.select"
                    prop:checked=is_selected
                    on:change=move |event| {
                        let on = event_target_checked(&event);
                        selected.edit(|selected| {
                            if on {
                                selected.insert(key());
                            } else {
                                selected.remove(&key());
                            }
                        });
                    }
                />
            </td>
            <td class="containers__status">{status}</td>
            <td class="containers__name">
                <A href=href("") attr:class="containers__link" attr:data-testid="containers.row.open">
                    {move || item.get().map(|item| item.name.clone())}
                </A>
            </td>
            <td class="containers__image">
                <span class="truncate" title=move || item.get().map(|item| item.image.clone())>
                    {move || item.get().map(|item| item.image.clone())}
                </span>
            </td>
            <td class="containers__cpu">
                <div class="containers__live" data-age-ms="0">
                    <span class="containers__spark"><Sparkline values=cpu least=5.0/></span>
                    <span class="containers__figure">{cpu_now}</span>
                </div>
            </td>
            <td class="containers__memory">
                <div class="containers__live">
                    <Show when=move || memory_share.get().is_some()>
                        <span class="containers__bar"><Meter share=memory_share label="Memory"/></span>
                    </Show>
                    <span>{memory}</span>
                </div>
            </td>
            <td class="containers__ports">{move || item.get().map(|item| describe::ports(&item.ports))}</td>
            <td class="containers__uptime">
                {move || item.get().map(|item| describe::uptime(&item, app.now.get()))}
            </td>
            <td class="containers__actions">
                <div class="row" style="gap:0;justify-content:flex-end">
                    {quick}
                    <button
                        type="button"
                        class="button button--quiet button--icon button--small"
                        aria-label=move || item.get().map(|item| ["Actions of ", &item.name].concat())
                        aria-haspopup="menu"
                        data-testid="containers.row.menu"
                        on:click=open_menu
                    >
                        {icon("more")}
                    </button>
                </div>
            </td>
        </tr>
    }
    .into_any()
}
