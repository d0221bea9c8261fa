//! The list of containers: live, filtered by the address, worked by keyboard.

mod bulk;
mod filter;
mod keys;
mod row;
mod table;
mod tools;

use super::super::frame::Head;
use crate::components::icon::icon;
use crate::components::notice::{Empty, failure, skeleton};
use crate::state::App;
use crate::state::containers::Load;
use crate::state::signal::{Edit, Peek, See};
use crate::table::KeySet;
use bulk::BulkBar;
use filter::{Filter, Order, fits_state};
use leptos::prelude::*;
use leptos_router::NavigateOptions;
use leptos_router::components::A;
use leptos_router::hooks::{use_navigate, use_query_map};
use shared::container::Container;
use shared::session::Role;
use std::sync::Arc;
use std::time::Duration;

/// The address follows what is typed after this pause: a browser takes few changes a second.
const STEER_AFTER: Duration = Duration::from_millis(250);

/// What the parts of the page share.
#[derive(Clone, Copy)]
pub struct ListView {
    app: App,
    /// The filter as typed.
    text: RwSignal<String>,
    /// The chosen state; empty for all.
    state: RwSignal<String>,
    order: RwSignal<(Order, bool)>,
    selected: RwSignal<KeySet<String>>,
    focused: RwSignal<Option<String>>,
    /// What the filter takes, whatever its state.
    matching: Memo<Vec<Arc<Container>>>,
    /// The rows, in order.
    shown: Memo<Vec<Arc<Container>>>,
}

impl ListView {
    fn new(app: App) -> Self {
        let query = use_query_map();
        let part = move |name: &'static str| query.peek(|query| query.get(name).unwrap_or_default());
        let text = RwSignal::new(part("q"));
        let state = RwSignal::new(part("state"));
        let order = RwSignal::new((Order::Name, false));
        let matching = Memo::new(move |_| {
            let wanted = text.see(|text| Filter::parse(text));
            app.containers.items.see(|items| {
                let fitting = items.values().filter(|item| wanted.takes(item));
                fitting.cloned().collect::<Vec<Arc<Container>>>()
            })
        });
        let shown = Memo::new(move |_| {
            let mut rows: Vec<Arc<Container>> = state.see(|state| {
                matching.see(|rows| rows.iter().filter(|item| fits_state(item, state)).cloned().collect())
            });
            let (order, down) = order.get();
            filter::sort_rows(&mut rows, order, down, app);
            rows
        });
        let list = Self {
            app,
            text,
            state,
            order,
            selected: RwSignal::new(KeySet::new()),
            focused: RwSignal::new(None),
            matching,
            shown,
        };
        list.follow_address();
        list.forget_removed();
        list
    }

    /// The address is the state, both ways.
    fn follow_address(self) {
        let query = use_query_map();
        let navigate = StoredValue::new_local(use_navigate());
        let of_address = Memo::new(move |_| {
            query.see(|query| {
                (
                    query.get("q").unwrap_or_default(),
                    query.get("state").unwrap_or_default(),
                )
            })
        });
        Effect::new(move || {
            let (text, state) = of_address.get();
            if self.text.peek(|now| *now != text) {
                self.text.set(text);
            }
            if self.state.peek(|now| *now != state) {
                self.state.set(state);
            }
        });
        let timer = StoredValue::new(None::<TimeoutHandle>);
        Effect::new(move |before: Option<()>| {
            let (text, state) = (self.text.get(), self.state.get());
            if let Some(handle) = timer.get_value() {
                handle.clear();
            }
            if before.is_none() || of_address.peek(|known| (&known.0, &known.1) == (&text, &state)) {
                return;
            }
            let steer = move || {
                let _ = navigate.try_with_value(|go| go(&address(&text, &state), quietly()));
            };
            timer.set_value(set_timeout_with_handle(steer, STEER_AFTER).ok());
        });
        on_cleanup(move || {
            if let Some(handle) = timer.try_get_value().flatten() {
                handle.clear();
            }
        });
    }

    /// What is gone cannot be selected.
    fn forget_removed(self) {
        Effect::new(move || {
            let gone = self.app.containers.items.see(|items| {
                let selected = self
                    .selected
                    .peek(|selected| selected.iter().cloned().collect::<Vec<_>>());
                let gone = selected.into_iter().filter(|id| !items.contains_key(id));
                gone.collect::<Vec<_>>()
            });
            if !gone.is_empty() {
                self.selected.edit(|selected| {
                    for id in &gone {
                        selected.remove(id);
                    }
                });
            }
        });
    }

    fn select(self, id: &str, on: bool) {
        self.selected.edit(|selected| {
            if on {
                selected.insert(id.to_owned());
            } else {
                selected.remove(id);
            }
        });
    }

    fn clear_filter(self) {
        self.text.set(String::new());
        self.state.set(String::new());
    }
}

fn address(text: &str, state: &str) -> String {
    let mut parts = Vec::new();
    if !text.is_empty() {
        parts.push(["q=", &crate::client::http::escape(text)].concat());
    }
    if !state.is_empty() {
        parts.push(["state=", state].concat());
    }
    let mark = if parts.is_empty() { "" } else { "?" };
    ["/containers", mark, &parts.join("&")].concat()
}

fn quietly() -> NavigateOptions {
    NavigateOptions {
        replace: true,
        scroll: false,
        ..NavigateOptions::default()
    }
}

/// The page.
#[component]
pub fn List() -> impl IntoView {
    let app = App::get();
    app.stats.watch();
    let list = ListView::new(app);
    keys::listen(list);
    // What stands in the place of the table changes seldom; rows change often.
    let face = Memo::new(move |_| match app.containers.load.get() {
        Load::Loading => 0,
        Load::Failed(_) => 1,
        Load::Ready if app.containers.items.see(|items| items.is_empty()) => 2,
        Load::Ready if list.shown.see(Vec::is_empty) => 3,
        Load::Ready => 4,
    });
    let may = move || app.session.may(Role::Operator);
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
            {tools::tools(list)}
            <BulkBar list/>
            <section class="card containers__card" aria-label="Containers">
                {move || match face.get() {
                    0 => skeleton(8),
                    1 => failed(app),
                    2 => none_yet(),
                    3 => none_matches(list),
                    _ => table::table(list),
                }}
            </section>
        </div>
    }
}

fn failed(app: App) -> AnyView {
    let reason = match app.containers.load.get_untracked() {
        Load::Failed(reason) => reason,
        Load::Loading | Load::Ready => String::new(),
    };
    failure("Containers could not be listed", reason, move || app.containers.start())
}

fn none_yet() -> AnyView {
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

fn none_matches(list: ListView) -> AnyView {
    view! {
        <Empty icon="filter" text="No container matches.">
            <button type="button" class="button" data-testid="containers.filter.clear" on:click=move |_| list.clear_filter()>
                "Clear filters"
            </button>
        </Empty>
    }
    .into_any()
}
