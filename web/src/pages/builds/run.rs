//! One build: its steps at the left, what the chosen one wrote at the right.

use super::super::frame::{Head, Loaded, Reader};
use super::steps::{Steps, running_or_failed};
use super::{elapsed, status, steps_done};
use crate::client::http::{self, escape, sentence};
use crate::client::socket::{self, Heard};
use crate::components::icon::icon;
use crate::components::notice::{Empty, failure, note, skeleton};
use crate::components::status_chip::status_chip;
use crate::format::size;
use crate::pages::images::list::short;
use crate::state::App;
use crate::state::signal::{Edit, See};
use leptos::prelude::*;
use leptos::task::spawn_local;
use leptos_router::components::A;
use leptos_router::hooks::use_params_map;
use shared::build::{BuildState, Details, Line, LinePage};
use shared::socket::{Data, Topic};

/// Lines kept in the page; the beginning of a longer step is fetched by itself.
const KEPT: usize = 20_000;

/// The page.
#[component]
pub fn BuildRun() -> impl IntoView {
    let params = use_params_map();
    let id = Memo::new(move |_| params.see(|params| params.get("id").unwrap_or_default()));
    move || page(id.get())
}

fn page(id: String) -> AnyView {
    let path = ["/builds/", &escape(&id)].concat();
    let reader = Reader::<Details>::new(path.clone());
    let lines = RwSignal::new(Vec::<Line>::new());
    follow(&id, &path, reader, lines);
    let face = Memo::new(move |_| {
        reader.value.see(|value| match value {
            Loaded::Loading => 0,
            Loaded::Failed(problem) if problem.status() == 404 => 1,
            Loaded::Failed(_) => 2,
            Loaded::Ready(_) => 3,
        })
    });
    let details = Memo::new(move |_| match reader.value.get() {
        Loaded::Ready(details) => Some(details),
        Loaded::Loading | Loaded::Failed(_) => None,
    });
    let title = Signal::derive(move || {
        details.see(|details| {
            details
                .as_ref()
                .map_or_else(|| "Build".to_owned(), |it| it.build.title.clone())
        })
    });
    let chosen = RwSignal::new(None::<u32>);
    let body = move || match face.get() {
        0 => skeleton(8),
        1 => view! {
            <section class="card">
                <Empty icon="build" text="This build is not known here: only the newest are kept.">
                    <A href="/builds" attr:class="button">"All builds"</A>
                </Empty>
            </section>
        }
        .into_any(),
        2 => failure("The build could not be read", String::new(), move || reader.again()),
        _ => view! {
            <Facts details/>
            <div class="builds__run">
                <div><Steps details chosen/></div>
                {output(details, chosen, lines)}
            </div>
        }
        .into_any(),
    };
    view! {
        <div class="page">
            <Head title>{move || details.get().map(|details| buttons(&details))}</Head>
            {body}
        </div>
    }
    .into_any()
}

/// Keeps steps and lines as the server tells them; after a cut from where they stood.
fn follow(id: &str, path: &str, reader: Reader<Details>, lines: RwSignal<Vec<Line>>) {
    let topic = Topic::Builds {
        build: Some(id.to_owned()),
    };
    let steps = socket::open(topic, None, move |heard| match heard {
        Heard::Data(Data::Builds(news)) => reader.value.edit(|value| {
            let Loaded::Ready(details) = value else { return };
            // The Dockerfile is known when the context has arrived.
            if details.dockerfile.is_empty() {
                reader.again();
            }
            for news in news {
                details.build = news.build;
                for step in news.steps {
                    match details.steps.iter_mut().find(|known| known.number == step.number) {
                        Some(known) => *known = step,
                        None => details.steps.push(step),
                    }
                }
            }
        }),
        Heard::Reset => reader.again(),
        _ => {}
    });
    let take = move |more: Vec<Line>| {
        lines.edit(|lines| {
            let next = lines.last().map_or(0, |line| line.seq + 1);
            lines.extend(more.into_iter().filter(|line| line.seq >= next));
            let surplus = lines.len().saturating_sub(KEPT);
            lines.drain(..surplus);
        });
    };
    let following = StoredValue::new_local(vec![steps]);
    let (id, path) = (id.to_owned(), path.to_owned());
    spawn_local(async move {
        let page = http::get::<LinePage>(&[&path, "/log?max=5000"].concat()).await;
        let from = page.as_ref().map_or(1, |page| page.next);
        if let Ok(page) = page {
            take(page.lines);
        }
        let log = socket::open(Topic::BuildLog { build: id }, Some(from), move |heard| {
            if let Heard::Data(Data::BuildLines(more)) = heard {
                take(more);
            }
        });
        following.try_update_value(|following| following.push(log));
    });
    on_cleanup(move || following.set_value(Vec::new()));
}

fn buttons(details: &Details) -> AnyView {
    let app = App::get();
    let build = &details.build;
    let (id, image) = (build.id.clone(), build.image.clone());
    let run = build.tags.first().cloned().or_else(|| image.clone());
    let cancel = move |_| {
        let path = ["/builds/", &escape(&id), "/cancel"].concat();
        spawn_local(async move {
            if let Err(failure) = http::act("POST", &path).await {
                app.toasts.failed("The build goes on".to_owned(), failure.to_string());
            }
        });
    };
    view! {
        {(build.state == BuildState::Running)
            .then(|| {
                view! {
                    <button type="button" class="button" data-testid="build.head.cancel" on:click=cancel>
                        {icon("stop")}
                        "Cancel"
                    </button>
                }
            })}
        {image
            .map(|image| {
                view! {
                    <A href=["/images/", &image].concat() attr:class="button" attr:data-testid="build.head.image">
                        {icon("image")}
                        {["Open ", &short(&image)].concat()}
                    </A>
                    <A
                        href=["/containers/new?image=", &escape(&run.unwrap_or_default())].concat()
                        attr:class="button button--primary"
                        attr:data-testid="build.head.run"
                    >
                        {icon("play")}
                        "Run"
                    </A>
                }
            })}
    }
    .into_any()
}

/// The line of facts under the title.
#[component]
fn Facts(
    /// The build as it is now.
    details: Memo<Option<Details>>,
) -> impl IntoView {
    let app = App::get();
    move || {
        let details = details.get()?;
        let build = details.build;
        let problem = build.problem.as_ref().map(|problem| {
            let hint = problem.hint.as_deref().map(sentence).unwrap_or_default();
            note("bad", [sentence(&problem.detail), hint].join(" "))
        });
        let took = {
            let build = build.clone();
            move || elapsed(&build, if build.ended.is_some() { 0.0 } else { app.now.get() })
        };
        Some(view! {
            <div class="row row--wrap" data-testid="build.head.state" data-state=format!("{:?}", build.state).to_ascii_lowercase()>
                {status_chip(status(&build))}
                <span class="detail__fact">{icon("clock")} {took}</span>
                <span class="detail__fact">{icon("task")} {steps_done(&build)}</span>
                {build.size_bytes.map(|bytes| view! { <span class="detail__fact">{icon("volume")} {size(bytes)}</span> })}
                <span class="detail__fact">{icon("user")} {build.owner.clone()}</span>
            </div>
            {problem}
            {details
                .warnings
                .into_iter()
                .map(|warning| note("warn", ["Line ", &warning.line.to_string(), ": ", &sentence(&warning.message)].concat()))
                .collect_view()}
        })
    }
}

fn output(details: Memo<Option<Details>>, chosen: RwSignal<Option<u32>>, lines: RwSignal<Vec<Line>>) -> AnyView {
    // Until somebody picks a step, the one that runs or failed is shown.
    let step = Memo::new(move |_| {
        chosen
            .get()
            .or_else(|| details.see(|details| details.as_ref().and_then(|details| running_or_failed(&details.steps))))
    });
    let pane = NodeRef::<leptos::html::Pre>::new();
    let text = Memo::new(move |_| {
        let wanted = step.get();
        lines.see(|lines| {
            let mut text = String::new();
            for line in lines
                .iter()
                .filter(|line| wanted.is_none_or(|wanted| line.step == wanted))
            {
                text.push_str(&line.text);
                text.push('\n');
            }
            text
        })
    });
    Effect::new(move || {
        text.track();
        if let Some(pane) = pane.get() {
            let away = pane.scroll_height() - pane.scroll_top() - pane.client_height();
            // Whoever scrolled up wants to read there.
            if away < 400 {
                request_animation_frame(move || pane.set_scroll_top(pane.scroll_height()));
            }
        }
    });
    let heading = move || match step.get() {
        Some(number) => ["Step ", &number.to_string()].concat(),
        None => "Output".to_owned(),
    };
    let source = move || {
        let number = step.get()?;
        details.see(|details| {
            let details = details.as_ref()?;
            let step = details.steps.iter().find(|step| step.number == number)?;
            let from = (step.first_line as usize).checked_sub(1)?;
            let shown: Vec<&str> = details
                .dockerfile
                .lines()
                .skip(from)
                .take((step.last_line as usize).saturating_sub(from))
                .collect();
            Some(view! { <pre class="builds__source" aria-label="In the Dockerfile">{shown.join("\n")}</pre> })
        })
    };
    view! {
        <section class="card builds__output">
            <header class="card__head">
                <h2>{heading}</h2>
                <Show when=move || chosen.get().is_some()>
                    <button type="button" class="button button--small" data-testid="build.output.follow" on:click=move |_| chosen.set(None)>
                        {icon("follow")}
                        "Follow"
                    </button>
                </Show>
            </header>
            {source}
            <pre class="builds__log" node_ref=pane tabindex="0" role="log" aria-live="off" data-testid="build.output.lines">
                {move || {
                    let text = text.get();
                    if text.is_empty() { "No output.".to_owned() } else { text }
                }}
            </pre>
        </section>
    }
    .into_any()
}
