//! One container, with tabs.

mod config;
pub mod console;
mod events;
pub mod limits;
mod logs;
mod processes;
mod stats;
mod summary;

use super::super::frame::{Head, Loaded};
use super::describe;
use crate::client::http::{self, Failure};
use crate::components::icon::icon;
use crate::components::notice::{Empty, failure, skeleton};
use crate::components::status_chip::status_chip;
use crate::components::tabs::{Tab, Tabs, no_such_tab};
use crate::state::App;
use crate::state::actions::{Action, take};
use crate::state::containers::Pending;
use crate::state::signal::{Hold, See};
use leptos::prelude::*;
use leptos::task::spawn_local;
use leptos_router::NavigateOptions;
use leptos_router::components::A;
use leptos_router::hooks::{use_navigate, use_params_map};
use shared::container::{Container, Details};
use shared::session::Role;
use std::rc::Rc;
use std::sync::Arc;

/// Tabs in order: address part and word.
const TABS: [(&str, &str); 8] = [
    ("", "Overview"),
    ("logs", "Logs"),
    ("console", "Console"),
    ("stats", "Stats"),
    ("processes", "Processes"),
    ("limits", "Limits"),
    ("events", "Events"),
    ("config", "Config"),
];

/// What the tabs share of the container.
#[derive(Clone, Copy)]
pub struct Subject {
    pub id: StoredValue<String>,
    /// As the live list has it.
    pub item: Memo<Option<Arc<Container>>>,
    /// Everything, read again after each change.
    pub details: RwSignal<Loaded<Details>>,
}

impl Subject {
    pub fn id(self) -> String {
        self.id.get_value()
    }

    /// Reads everything again.
    pub fn read(self) {
        let path = ["/containers/", &self.id()].concat();
        spawn_local(async move {
            let answer = http::get_flat::<Details>(&path).await;
            let _ = self.details.try_update(|details| match answer {
                Ok(ready) => *details = Loaded::Ready(ready),
                Err(failure) if matches!(details, Loaded::Ready(_)) && failure == Failure::Unreachable => {}
                Err(failure) => *details = Loaded::Failed(failure),
            });
        });
    }
}

/// The page: built anew for each id, kept while tabs change.
#[component]
pub fn Detail() -> impl IntoView {
    let params = use_params_map();
    let id = Memo::new(move |_| params.see(|params| params.get("id").unwrap_or_default()));
    let tab = Memo::new(move |_| params.see(|params| params.get("tab").unwrap_or_default()));
    move || detail(id.get(), tab)
}

fn detail(id: String, tab: Memo<String>) -> AnyView {
    let app = App::get();
    app.stats.watch();
    let stored = StoredValue::new(id);
    let subject = Subject {
        id: stored,
        // The address may hold a name or the beginning of an id.
        item: Memo::new(move |_| {
            stored.hold(|id| {
                app.containers.items.see(|items| {
                    items
                        .get(id)
                        .or_else(|| items.values().find(|item| item.name == *id))
                        .cloned()
                })
            })
        }),
        details: RwSignal::new(Loaded::Loading),
    };
    // Each change of the live state reads the details again.
    Effect::new(move || {
        subject.item.track();
        subject.read();
    });
    provide_context(subject);
    let face = Memo::new(move |_| {
        subject.details.see(|details| match details {
            Loaded::Loading => 0,
            Loaded::Failed(failure) if failure.status() == 404 => 1,
            Loaded::Failed(_) => 2,
            Loaded::Ready(_) => 3,
        })
    });
    let gone = Memo::new(move |_| face.get() == 1);
    let shown = move || match face.get() {
        0 | 1 => skeleton(6),
        2 => {
            let reason = match subject.details.get_untracked() {
                Loaded::Failed(failure) => failure.to_string(),
                _ => String::new(),
            };
            failure("The container could not be read", reason, move || subject.read())
        }
        _ => body(subject, tab),
    };
    view! {
        <div class="page detail">
            {move || if gone.get() { not_there() } else { view! { {head(app, subject, tab)} {shown} }.into_any() }}
        </div>
    }
    .into_any()
}

/// Of a container that is not there, nothing else can be shown.
fn not_there() -> AnyView {
    view! {
        <Head title="Container not found"/>
        <section class="card">
            <Empty icon="container" text="This container was removed, or it never existed.">
                <A href="/containers" attr:class="button">"All containers"</A>
                <A href="/events" attr:class="button">"Events"</A>
            </Empty>
        </section>
    }
    .into_any()
}

fn name(subject: Subject) -> String {
    subject
        .item
        .see(|item| item.as_ref().map(|item| item.name.clone()))
        .unwrap_or_else(|| subject.id().chars().take(12).collect())
}

type Go = StoredValue<Rc<dyn Fn(String)>, LocalStorage>;

fn head(app: App, subject: Subject, tab: Memo<String>) -> AnyView {
    let navigate = use_navigate();
    let go: Go = StoredValue::new_local(Rc::new(move |href: String| navigate(&href, NavigateOptions::default())));
    let chosen = Memo::new(move |_| {
        let tab = tab.get();
        let wanted = if tab == "overview" { "" } else { &tab };
        TABS.iter().position(|(key, _)| *key == wanted).unwrap_or(usize::MAX)
    });
    let title = Signal::derive(move || name(subject));
    let part = Signal::derive(move || TABS.get(chosen.get()).map_or("", |(_, word)| *word).to_owned());
    let pending = Memo::new(move |_| {
        subject.item.see(|item| {
            let id = item.as_ref()?.id.clone();
            app.containers.pending.see(|pending| pending.get(&id).copied())
        })
    });
    let status = move || {
        subject
            .item
            .get()
            .map(|item| status_chip(describe::status(&item, pending.get())))
    };
    let menu = move |event: web_sys::MouseEvent| {
        if let Some(item) = subject.item.get_untracked() {
            app.menus.open(&event, describe::menu(app, &item, go.get_value()));
        }
    };
    listen(app, subject, go);
    view! {
        <div class="detail__head">
            <Head title part>
                {status}
                <span class="grow"></span>
                {buttons(app, subject, pending)}
                <button
                    type="button"
                    class="button button--icon"
                    aria-label="More actions"
                    aria-haspopup="menu"
                    data-testid="container.head.menu"
                    on:click=menu
                >
                    {icon("more")}
                </button>
            </Head>
            <div class="detail__facts">{facts(app, subject)}</div>
            <Tabs tabs=Signal::derive(move || tabs(subject)) chosen label="Parts of the container"/>
        </div>
    }
    .into_any()
}

fn facts(app: App, subject: Subject) -> AnyView {
    (move || {
        subject.item.get().map(|item| {
            view! {
                <span class="detail__fact" title="Image">{icon("image")} {item.image.clone()}</span>
                <span class="detail__fact" title="Time in this state">{icon("clock")} {describe::uptime(&item, app.now.get())}</span>
                {item.address.clone().map(|address| view! { <span class="detail__fact" title="Address">{icon("network")} {address}</span> })}
                {describe::ports(&item.ports)}
            }
        })
    })
    .into_any()
}

fn buttons(app: App, subject: Subject, pending: Memo<Option<Pending>>) -> AnyView {
    (move || {
        let may = app.session.may(Role::Operator);
        let status = subject.item.see(|item| item.as_ref().map(|item| item.state.status));
        [Action::Start, Action::Unpause, Action::Restart, Action::Stop]
            .into_iter()
            .filter(|action| may && status.is_some_and(|status| action.fits(status)))
            .map(|action| {
                view! {
                    <button
                        type="button"
                        class="button"
                        class:button--primary=action == Action::Start
                        aria-label=action.label()
                        title=move || app.connection.refusal()
                        data-testid=["container.head.", action.word()].concat()
                        prop:disabled=move || pending.get().is_some() || app.connection.is_cut()
                        on:click=move |_| {
                            if let Some(item) = subject.item.get_untracked() {
                                take(app, action, &item, || ());
                            }
                        }
                    >
                        {icon(action.icon())}
                        {action.label()}
                    </button>
                }
            })
            .collect_view()
    })
    .into_any()
}

fn tabs(subject: Subject) -> Vec<Tab> {
    let tab = |(key, word): (&str, &'static str)| {
        let mut href = ["/containers/", &subject.id()].concat();
        if !key.is_empty() {
            href += &["/", key].concat();
        }
        Tab {
            word,
            href,
            testid: ["container.tab.", if key.is_empty() { "overview" } else { key }].concat(),
            count: None,
        }
    };
    TABS.into_iter().map(tab).collect()
}

/// Keys that open a tab.
fn listen(app: App, subject: Subject, go: Go) {
    let keys = window_event_listener(leptos::ev::keydown, move |event| {
        let plain = !(event.ctrl_key() || event.meta_key() || event.alt_key());
        if !plain || crate::shell::is_typing(&event) || !app.preferences.letter_keys.get_untracked() {
            return;
        }
        let to = match event.key().as_str() {
            "l" => "logs",
            "t" => "console",
            "m" => "stats",
            digit => match digit.parse::<usize>() {
                Ok(number) if (1..=TABS.len()).contains(&number) => TABS[number - 1].0,
                _ => return,
            },
        };
        event.prevent_default();
        go.hold(|go| go(["/containers/", &subject.id(), "/", to].concat()));
    });
    on_cleanup(move || keys.remove());
}

fn body(subject: Subject, tab: Memo<String>) -> AnyView {
    (move || match tab.get().as_str() {
        "" | "overview" => summary::summary(subject),
        "logs" => logs::logs(subject),
        "console" => console::console(subject),
        "stats" => stats::stats(subject),
        "processes" => processes::processes(subject),
        "limits" => limits::limits(subject),
        "events" => events::events(subject),
        "config" => config::config(subject),
        _ => no_such_tab(),
    })
    .into_any()
}
