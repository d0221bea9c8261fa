//! The overview tab: state, resources, recent log and configuration.

use super::super::describe;
use super::{Loaded, Subject};
use crate::client::http;
use crate::components::meter::Meter;
use crate::components::sparkline::Sparkline;
use crate::format::{number, size, time};
use crate::state::App;
use crate::state::signal::See;
use leptos::prelude::*;
use leptos::task::spawn_local;
use leptos_router::components::A;
use shared::container::{Details, HostIds, Status, Variable};
use shared::create::{MountKind, NetworkMode, Restart, RestartPolicy};
use shared::list::List;
use shared::logs::{Page, Stream};
use shared::session::Role;

/// Lines of the log shown here.
const TAIL: u32 = 10;

pub fn summary(subject: Subject) -> AnyView {
    let app = App::get();
    view! {
        <div class="columns">
            <div>{state_card(app, subject)} {use_card(app, subject)} {tail_card(subject)}</div>
            <div>{made_of(subject)}</div>
        </div>
    }
    .into_any()
}

/// A term with its description; nothing when there is nothing to say.
fn fact(term: &'static str, description: impl IntoView) -> AnyView {
    view! {
        <dt>{term}</dt>
        <dd>{description}</dd>
    }
    .into_any()
}

fn state_card(app: App, subject: Subject) -> AnyView {
    let shown = move || {
        subject.item.get().map(|item| {
            let state = item.state.clone();
            let moment =
                |text: &str| time::parse(text).map(|at| view! { <span title=time::utc(at)>{time::local(at)}</span> });
            let up = matches!(state.status, Status::Running | Status::Paused);
            view! {
                <dl class="facts">
                    {fact("Created", moment(&item.created))}
                    {state.started.as_deref().map(|started| fact("Started", moment(started)))}
                    {(!up && state.status != Status::Created).then(|| fact("Ended", moment(&state.since)))}
                    {state.pid.filter(|_| up).map(|pid| fact("Process", pid.to_string()))}
                    {state
                        .exit_code
                        .filter(|_| !up)
                        .map(|code| {
                            let meaning = match &state.stopped_by {
                                Some(by) => describe::stopped_words(by),
                                None if state.oom_killed => "killed: out of memory".to_owned(),
                                None => describe::exit_meaning(code).unwrap_or("set by the program").to_owned(),
                            };
                            fact("Exit code", [code.to_string().as_str(), " - ", &meaning].concat())
                        })}
                    {state.reason.clone().map(|reason| fact("Reason", http::sentence(&reason)))}
                    {fact("Restarts", number::count(u64::from(item.restart_count)))}
                </dl>
            }
        })
    };
    let _ = app;
    view! {
        <section class="card">
            <header class="card__head">
                <h2>"State"</h2>
            </header>
            <div class="card__body">{shown}</div>
        </section>
    }
    .into_any()
}

fn use_card(app: App, subject: Subject) -> AnyView {
    let recent = Memo::new(move |_| {
        let id = subject.item.see(|item| item.as_ref().map(|item| item.id.clone()))?;
        app.stats.of(&id)
    });
    let cpu = Signal::derive(move || recent.see(|recent| recent.as_ref().map(|r| r.cpu.clone()).unwrap_or_default()));
    let last = move || recent.get().map(|recent| recent.last);
    let memory_share = Signal::derive(move || {
        let last = last()?;
        Some(last.memory_bytes as f64 / last.memory_limit_bytes? as f64)
    });
    let up = move || {
        subject
            .item
            .see(|item| item.as_ref().is_some_and(|item| crate::state::containers::is_up(item)))
    };
    let dash = || "-".to_owned();
    view! {
        <section class="card">
            <header class="card__head">
                <h2>"Resources"</h2>
                <A href=["/containers/", &subject.id(), "/stats"].concat() attr:data-testid="container.overview.stats">"Charts"</A>
            </header>
            <div class="card__body">
                <Show when=up fallback=|| view! { <p class="muted">"Not running."</p> }>
                    <div class="figures">
                        <div class="figure">
                            <span class="figure__word">"CPU"</span>
                            <span class="figure__value">
                                {move || last().map_or_else(dash, |last| number::percent(last.cpu_cores * 100.0))}
                            </span>
                            <div class="figure__spark"><Sparkline values=cpu least=5.0/></div>
                        </div>
                        <div class="figure">
                            <span class="figure__word">"Memory"</span>
                            <span class="figure__value">{move || last().map_or_else(dash, |last| size(last.memory_bytes))}</span>
                            <Show when=move || memory_share.get().is_some()>
                                <Meter share=memory_share label="Memory"/>
                            </Show>
                            <span class="figure__note">
                                {move || match last().and_then(|last| last.memory_limit_bytes) {
                                    Some(limit) => ["of ", &size(limit)].concat(),
                                    None => "no limit".to_owned(),
                                }}
                            </span>
                        </div>
                        <div class="figure">
                            <span class="figure__word">"Network"</span>
                            <span class="figure__value">
                                {move || last().map_or_else(dash, |last| number::rate(last.network_received_rate))}
                            </span>
                            <span class="figure__note">
                                {move || last().map(|last| ["in, ", &number::rate(last.network_sent_rate), " out"].concat())}
                            </span>
                        </div>
                        <div class="figure">
                            <span class="figure__word">"Disk"</span>
                            <span class="figure__value">{move || last().map_or_else(dash, |last| number::rate(last.io_read_rate))}</span>
                            <span class="figure__note">
                                {move || last().map(|last| ["read, ", &number::rate(last.io_write_rate), " written"].concat())}
                            </span>
                        </div>
                    </div>
                </Show>
            </div>
        </section>
    }
    .into_any()
}

/// The last lines, read once for each change of state.
fn tail_card(subject: Subject) -> AnyView {
    let lines = RwSignal::new(Vec::new());
    Effect::new(move || {
        subject.item.track();
        let path = ["/containers/", &subject.id(), "/logs?tail=", &TAIL.to_string()].concat();
        spawn_local(async move {
            if let Ok(page) = http::get::<Page>(&path).await {
                let _ = lines.try_set(page.lines);
            }
        });
    });
    view! {
        <section class="card">
            <header class="card__head">
                <h2>"Recent log"</h2>
                <A href=["/containers/", &subject.id(), "/logs"].concat() attr:data-testid="container.overview.logs">"Open log"</A>
            </header>
            <pre class="tail">
                {move || {
                    let lines = lines.get();
                    if lines.is_empty() {
                        return view! { <span class="muted">"No output yet."</span> }.into_any();
                    }
                    lines
                        .into_iter()
                        .map(|line| {
                            let class = if line.stream == Stream::Stderr { "text-warn" } else { "" };
                            view! { <span class=class>{model::terminal::text(&line.text).into_owned()} "\n"</span> }
                        })
                        .collect_view()
                        .into_any()
                }}
            </pre>
        </section>
    }
    .into_any()
}

fn made_of(subject: Subject) -> AnyView {
    (move || match subject.details.get() {
        Loaded::Ready(details) => cards(details),
        Loaded::Loading | Loaded::Failed(_) => ().into_any(),
    })
    .into_any()
}

/// `unless stopped`, as a person says it.
pub fn restart_words(restart: Restart) -> String {
    match (restart.policy, restart.max_retries) {
        (RestartPolicy::No, _) => "never".to_owned(),
        (RestartPolicy::OnFailure, None) => "on failure".to_owned(),
        (RestartPolicy::OnFailure, Some(most)) => ["on failure, at most ", &most.to_string(), " times"].concat(),
        (RestartPolicy::Always, _) => "always".to_owned(),
        (RestartPolicy::UnlessStopped, _) => "unless stopped".to_owned(),
    }
}

/// `0 is 100000 of the host, …`, as a person says it.
fn host_ids_words(ids: HostIds) -> String {
    let last = ids.first_user + (ids.count - 1);
    [
        "0 is ",
        &ids.first_user.to_string(),
        " of the host, to ",
        &last.to_string(),
        if ids.shared { ", shared" } else { ", of its own" },
    ]
    .concat()
}

/// The names of the variables. Values come from the server when they are asked for, which
/// it records, and only for those whose role may see them.
fn environment(id: String, hidden: Vec<Variable>) -> AnyView {
    let app = App::get();
    let is_empty = hidden.is_empty();
    let hidden = StoredValue::new(hidden);
    let revealed = RwSignal::new(None::<Vec<Variable>>);
    let path = StoredValue::new(["/containers/", &http::escape(&id), "/environment"].concat());
    let toggle = move |_| {
        if revealed.get_untracked().is_some() {
            revealed.set(None);
            return;
        }
        spawn_local(async move {
            match http::get::<List<Variable>>(&path.get_value()).await {
                Ok(list) => {
                    let _ = revealed.try_set(Some(list.items));
                }
                Err(failure) => app.toasts.failed("The values could not be read", failure.to_string()),
            }
        });
    };
    let button = move || {
        (!is_empty && app.session.may(Role::Operator)).then(|| {
            view! {
                <button
                    type="button"
                    class="button button--small"
                    aria-pressed=move || revealed.get().is_some().to_string()
                    data-testid="container.env.reveal"
                    on:click=toggle
                >
                    {move || if revealed.get().is_some() { "Hide values" } else { "Show values" }}
                </button>
            }
        })
    };
    let rows = move || {
        let variables = revealed.get().unwrap_or_else(|| hidden.get_value());
        variables
            .into_iter()
            .map(|variable| {
                view! {
                    <dt class="mono">{variable.name}</dt>
                    <dd class="mono">{variable.value.unwrap_or_else(|| "••••••".to_owned())}</dd>
                }
            })
            .collect_view()
    };
    view! {
        <section class="card">
            <header class="card__head">
                <h2>"Environment"</h2>
                {button}
            </header>
            <div class="card__body">
                <dl class="facts">{rows}</dl>
                {is_empty.then(|| view! { <p class="muted">"None."</p> })}
            </div>
        </section>
    }
    .into_any()
}

fn cards(details: Details) -> AnyView {
    let item = details.container;
    let details = details.spec;
    let line = details
        .entrypoint
        .iter()
        .chain(&details.arguments)
        .map(|part| {
            if part.contains(' ') || part.is_empty() {
                format!("{part:?}")
            } else {
                part.clone()
            }
        })
        .collect::<Vec<_>>()
        .join(" ");
    let network = match details.network {
        NetworkMode::Bridge => "bridge",
        NetworkMode::None => "none",
        NetworkMode::Host => "host",
    };
    let image_href = ["/images/", &item.image_id].concat();
    let mounts = details.mounts.into_iter().map(|mount| {
        let kind = match mount.kind {
            MountKind::Bind => "bind",
            MountKind::Volume => "volume",
            MountKind::Tmpfs => "tmpfs",
        };
        view! {
            <li>
                <span class="badge">{kind}</span>
                " "
                <code>{mount.source}</code>
                " → "
                <code>{mount.target}</code>
                {mount.read_only.then_some(" read-only")}
            </li>
        }
    });
    let mounts = mounts.collect_view();
    let env = environment(item.id.clone(), details.env);
    let labels = item.labels;
    view! {
        <section class="card">
            <header class="card__head">
                <h2>"Configuration"</h2>
            </header>
            <div class="card__body">
                <dl class="facts">
                    {fact("Image", view! { <A href=image_href attr:data-testid="container.overview.image">{item.image}</A> })}
                    {fact("Command", view! { <code>{line}</code> })}
                    {fact("Working directory", view! { <code>{details.working_dir}</code> })}
                    {fact("User", if details.user.is_empty() { "root".to_owned() } else { details.user })}
                    {fact("Host name", details.hostname)}
                    {fact("Network", network)}
                    {item.address.map(|address| fact("Address", address))}
                    {fact("Restart", restart_words(details.restart))}
                    {fact("Stop", [&details.stop_signal, details.stop_timeout.map(|s| [", then SIGKILL after ", &s.to_string(), " s"].concat()).unwrap_or_default().as_str()].concat())}
                    {details.privileged.then(|| fact("Privileged", "yes"))}
                    {details.system.then(|| fact("System container", "yes"))}
                    {details.host_ids.map(|ids| fact("Users", host_ids_words(ids)))}
                    {fact("Id", view! { <code>{item.id}</code> })}
                </dl>
            </div>
        </section>
        <section class="card">
            <header class="card__head">
                <h2>"Mounts"</h2>
            </header>
            <div class="card__body">
                {if mounts.is_empty() {
                    view! { <p class="muted">"None."</p> }.into_any()
                } else {
                    view! { <ul class="stack" style="gap:6px">{mounts}</ul> }.into_any()
                }}
            </div>
        </section>
        {env}
        {(!labels.is_empty())
            .then(|| {
                view! {
                    <section class="card">
                        <header class="card__head">
                            <h2>"Labels"</h2>
                        </header>
                        <div class="card__body">
                            <dl class="facts">
                                {labels
                                    .into_iter()
                                    .map(|(key, value)| {
                                        view! {
                                            <dt class="mono">{key}</dt>
                                            <dd class="mono">{value}</dd>
                                        }
                                    })
                                    .collect_view()}
                            </dl>
                        </div>
                    </section>
                }
            })}
    }
    .into_any()
}
