//! The first page: how the host is, what needs attention, what happened last.

use super::containers::describe;
use super::events::event_row;
use super::frame::Head;
use crate::components::icon::icon;
use crate::components::meter::Meter;
use crate::components::notice::Empty;
use crate::components::sparkline::Sparkline;
use crate::components::status_chip::status_chip;
use crate::format::order::sort;
use crate::format::{number, size};
use crate::pages::tasks::task_row;
use crate::state::App;
use crate::state::containers::{has_failed, is_stopped, is_up};
use crate::state::signal::See;
use crate::state::stats::Recent;
use leptos::prelude::*;
use leptos_router::components::A;
use shared::container::{Container, Health};
use shared::task::TaskState;
use std::sync::Arc;

/// Rows of each list here.
const ROWS: usize = 8;

/// The page.
#[component]
pub fn Overview() -> impl IntoView {
    let app = App::get();
    app.stats.watch();
    app.stats.watch_host();
    view! {
        <div class="page">
            <Head title="Overview"/>
            <div class="tiles">{counts(app)} {cpu(app)} {memory(app)} {disk(app)}</div>
            {running_tasks(app)}
            <div class="columns">
                <div>{attention(app)} {events(app)}</div>
                <div>
                    {top(app, "Most CPU", |recent| recent.last.cpu_cores, |recent| number::percent(recent.last.cpu_cores * 100.0))}
                    {top(app, "Most memory", |recent| recent.last.memory_bytes as f64, |recent| size(recent.last.memory_bytes))}
                </div>
            </div>
        </div>
    }
}

fn counts(app: App) -> AnyView {
    let part = |word: &'static str, state: &'static str, tone: &'static str, wanted: fn(&Container) -> bool| {
        let count = move || app.containers.count(wanted);
        view! {
            <li>
                <A href=["/containers?state=", state].concat() attr:class="tile__count" attr:data-testid=["overview.count.", state].concat()>
                    <strong class=move || { if count() > 0 { tone } else { "" } }>{count}</strong>
                    <span>{word}</span>
                </A>
            </li>
        }
    };
    view! {
        <section class="card tile">
            <h2 class="tile__title">{icon("container")} "Containers"</h2>
            <ul class="tile__counts">
                {part("running", "running", "text-ok", is_up)}
                {part("unhealthy", "unhealthy", "text-warn", |item| item.state.health == Some(Health::Unhealthy))}
                {part("failed", "failed", "text-bad", has_failed)}
                {part("stopped", "stopped", "", is_stopped)}
            </ul>
        </section>
    }
    .into_any()
}

fn tile(
    shape: &'static str,
    title: &'static str,
    figure: impl Fn() -> Option<String> + Send + 'static,
    note: impl Fn() -> Option<String> + Send + 'static,
    picture: AnyView,
) -> AnyView {
    view! {
        <section class="card tile">
            <h2 class="tile__title">{icon(shape)} {title}</h2>
            <p class="tile__figure">{move || figure().unwrap_or_else(|| "-".to_owned())}</p>
            <div class="tile__picture">{picture}</div>
            <p class="tile__note">{note}</p>
        </section>
    }
    .into_any()
}

fn cpu(app: App) -> AnyView {
    let host = app.stats.host;
    let values =
        Signal::derive(move || host.see(|host| host.iter().map(|sample| sample.cpu_percent).collect::<Vec<_>>()));
    let picture = view! { <Sparkline values full=Signal::stored(Some(100.0))/> }.into_any();
    tile(
        "chart",
        "CPU",
        move || host.see(|host| host.back().map(|sample| number::percent(sample.cpu_percent))),
        move || {
            host.see(|host| {
                host.back().map(|sample| {
                    let load: Vec<String> = sample.load.iter().map(|load| number::cores(*load)).collect();
                    ["load ", &load.join("  ")].concat()
                })
            })
        },
        picture,
    )
}

fn memory(app: App) -> AnyView {
    let host = app.stats.host;
    let values = Signal::derive(move || {
        host.see(|host| {
            host.iter()
                .map(|sample| sample.memory_used_bytes as f64)
                .collect::<Vec<_>>()
        })
    });
    let full = Signal::derive(move || host.see(|host| host.back().map(|sample| sample.memory_total_bytes as f64)));
    let picture = view! { <Sparkline values full series=3/> }.into_any();
    tile(
        "limit",
        "Memory",
        move || host.see(|host| host.back().map(|sample| size(sample.memory_used_bytes))),
        move || {
            host.see(|host| {
                host.back()
                    .map(|sample| ["of ", &size(sample.memory_total_bytes)].concat())
            })
        },
        picture,
    )
}

fn disk(app: App) -> AnyView {
    let host = app.stats.host;
    let share = Signal::derive(move || {
        host.see(|host| {
            let last = host.back()?;
            Some(last.disk_used_bytes as f64 / (last.disk_total_bytes.max(1)) as f64)
        })
    });
    let picture = view! { <div class="tile__meter"><Meter share label="Disk"/></div> }.into_any();
    tile(
        "volume",
        "Disk",
        move || host.see(|host| host.back().map(|sample| size(sample.disk_used_bytes))),
        move || {
            host.see(|host| {
                host.back().map(|sample| {
                    let free = sample.disk_total_bytes.saturating_sub(sample.disk_used_bytes);
                    ["of ", &size(sample.disk_total_bytes), ", ", &size(free), " free"].concat()
                })
            })
        },
        picture,
    )
}

fn running_tasks(app: App) -> AnyView {
    (move || {
        let running: Vec<_> = app
            .tasks
            .items
            .get()
            .into_iter()
            .filter(|task| task.state == TaskState::Running)
            .collect();
        (!running.is_empty()).then(|| {
            view! { <section class="stack" aria-label="Running tasks">{running.into_iter().map(task_row).collect_view()}</section> }
        })
    })
    .into_any()
}

/// Why a container needs someone to look, most severe first.
fn concern(item: &Container) -> Option<(u8, String)> {
    if item.state.oom_killed && has_failed(item) {
        return Some((0, "Killed: it reached its memory limit".to_owned()));
    }
    if item.state.restarting {
        return Some((
            1,
            ["Restarting, ", &item.restart_count.to_string(), " times so far"].concat(),
        ));
    }
    if item.state.health == Some(Health::Unhealthy) {
        return Some((2, "Its health check fails".to_owned()));
    }
    if has_failed(item) {
        let words = match (&item.state.reason, item.state.exit_code) {
            (Some(reason), _) => crate::client::http::sentence(reason),
            (None, Some(code)) => {
                let meaning = describe::exit_meaning(code).unwrap_or("set by the program");
                ["Exited with ", &code.to_string(), ": ", meaning].concat()
            }
            (None, None) => "How it ended is not known".to_owned(),
        };
        return Some((3, words));
    }
    None
}

fn attention(app: App) -> AnyView {
    let concerns = Memo::new(move |_| {
        let mut found: Vec<(u8, String, Arc<Container>)> = app.containers.items.see(|items| {
            items
                .values()
                .filter_map(|item| concern(item).map(|(rank, words)| (rank, words, item.clone())))
                .collect()
        });
        sort(&mut found, &mut |a, b| {
            (a.0, &b.2.state.since).cmp(&(b.0, &a.2.state.since))
        });
        found
    });
    let rows = move || {
        let found = concerns.get();
        if found.is_empty() {
            return view! { <Empty icon="check" text="Nothing needs attention."/> }.into_any();
        }
        let more = found.len().saturating_sub(ROWS);
        view! {
            <ul>
                {found
                    .into_iter()
                    .take(ROWS)
                    .map(|(_, words, item)| {
                        let href = ["/containers/", &item.id].concat();
                        let logs = [&href, "/logs"].concat();
                        view! {
                            <li class="line">
                                {status_chip(describe::status(&item, None))}
                                <A href=href attr:class="line__name">{item.name.clone()}</A>
                                <span class="grow truncate muted" title=words.clone()>{words.clone()}</span>
                                <A href=logs attr:class="button button--small" attr:data-testid="overview.attention.logs">"Open log"</A>
                            </li>
                        }
                    })
                    .collect_view()}
                {(more > 0)
                    .then(|| {
                        view! {
                            <li class="line">
                                <A href="/containers?state=failed">{["and ", &more.to_string(), " more"].concat()}</A>
                            </li>
                        }
                    })}
            </ul>
        }
        .into_any()
    };
    view! {
        <section class="card">
            <header class="card__head">
                <h2>"Needs attention"</h2>
            </header>
            {rows}
        </section>
    }
    .into_any()
}

fn events(app: App) -> AnyView {
    let rows = move || {
        app.containers.events.see(|events| {
            events
                .iter()
                .rev()
                .take(10)
                .map(|event| event_row(app, event))
                .collect_view()
        })
    };
    view! {
        <section class="card">
            <header class="card__head">
                <h2>"Last events"</h2>
                <A href="/events" attr:data-testid="overview.events.all">"All events"</A>
            </header>
            <ul>{rows}</ul>
            {move || {
                app.containers.events.see(Vec::is_empty).then(|| view! { <Empty icon="event" text="Nothing has happened yet."/> })
            }}
        </section>
    }
    .into_any()
}

fn top(app: App, title: &'static str, figure: fn(&Recent) -> f64, words: fn(&Recent) -> String) -> AnyView {
    let by_memory = title == "Most memory";
    let rows = move || {
        let found = if by_memory {
            app.stats.top(5, |stats| stats.memory_bytes as f64)
        } else {
            app.stats.top(5, |stats| stats.cpu_cores)
        };
        found
            .into_iter()
            .filter_map(|recent| {
                let item = app
                    .containers
                    .items
                    .see(|items| items.get(&recent.last.id).filter(|item| is_up(item)).cloned())?;
                let _ = figure(&recent);
                let share = recent
                    .last
                    .memory_limit_bytes
                    .map(|limit| recent.last.memory_bytes as f64 / limit.max(1) as f64);
                let picture = if by_memory {
                    view! { <Meter share=Signal::stored(share) label="Memory"/> }.into_any()
                } else {
                    view! { <Sparkline values=Signal::stored(recent.cpu.clone()) least=5.0/> }.into_any()
                };
                Some(view! {
                    <li class="line">
                        <A href=["/containers/", &item.id, "/stats"].concat() attr:class="line__name grow truncate">{item.name.clone()}</A>
                        <span class="line__picture">{picture}</span>
                        <span class="line__figure">{words(&recent)}</span>
                    </li>
                })
            })
            .collect_view()
    };
    view! {
        <section class="card">
            <header class="card__head">
                <h2>{title}</h2>
            </header>
            <ul>{rows}</ul>
            {move || (app.containers.count(is_up) == 0).then(|| view! { <Empty icon="chart" text="No container runs."/> })}
        </section>
    }
    .into_any()
}
