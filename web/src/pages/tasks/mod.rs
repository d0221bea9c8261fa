//! Long work: one row for the tray and for the page, with a bar for each layer.

use super::frame::Head;
use crate::client::http::{self, sentence};
use crate::components::icon::icon;
use crate::components::meter::Meter;
use crate::components::notice::{Empty, note};
use crate::components::status_chip::{Status, Tone, status_chip};
use crate::format::{size, time};
use crate::state::App;
use crate::state::signal::See;
use leptos::prelude::*;
use leptos::task::spawn_local;
use shared::image::Pull;
use shared::task::{ItemState, LayerProgress, LayerState, Progress, Task, TaskKind, TaskState};

fn status(task: &Task) -> Status {
    match task.state {
        TaskState::Running => Status::new("Running", Tone::Info, "s-starting"),
        TaskState::Done => Status::new("Done", Tone::Ok, "check"),
        TaskState::Failed => Status::new("Failed", Tone::Bad, "s-failed"),
        TaskState::Cancelled => Status::new("Cancelled", Tone::Neutral, "s-stopped"),
    }
}

fn share(done: u64, total: u64) -> Option<f64> {
    (total > 0).then(|| done as f64 / total as f64)
}

/// Asks again for a pull that did not come to its end; layers that are here already are
/// not fetched twice.
fn retry(app: App, reference: String, shown: Option<RwSignal<Option<String>>>) {
    spawn_local(async move {
        let request = Pull {
            reference,
            ..Pull::default()
        };
        match http::send::<_, Task>("POST", "/images/pull", &request).await {
            Ok(begun) => {
                if let Some(shown) = shown {
                    let _ = shown.try_set(Some(begun.id.clone()));
                }
                app.tasks.take(begun);
            }
            Err(failure) => app.toasts.failed("The pull was not started", failure.to_string()),
        }
    });
}

/// The button that does so, for a pull that failed or was cancelled. `shown` gets the id of
/// the new task.
pub fn retry_button(app: App, task: &Task, shown: Option<RwSignal<Option<String>>>) -> Option<AnyView> {
    let over = matches!(task.state, TaskState::Failed | TaskState::Cancelled);
    let reference = task
        .title
        .strip_prefix("Pull ")
        .filter(|_| over && task.kind == TaskKind::Pull)?;
    let reference = reference.to_owned();
    Some(
        view! {
            <button
                type="button"
                class="button button--small"
                title=move || app.connection.refusal()
                data-testid="tasks.task.retry"
                prop:disabled=move || app.connection.is_cut()
                on:click=move |_| retry(app, reference.clone(), shown)
            >
                {icon("refresh")}
                "Retry"
            </button>
        }
        .into_any(),
    )
}

/// One task with its progress.
pub fn task_row(task: Task) -> AnyView {
    let app = App::get();
    let id = task.id.clone();
    let running = task.state == TaskState::Running;
    let began = time::parse(&task.started);
    let ended = task.ended.as_deref().and_then(time::parse);
    let elapsed = move || match (began, ended) {
        (Some(began), Some(ended)) => time::duration((ended - began) / 1000.0),
        (Some(began), None) => time::duration((app.now.get() - began) / 1000.0),
        (None, _) => String::new(),
    };
    view! {
        <article class="task" data-testid="tasks.task.row">
            <div class="row">
                {status_chip(status(&task))}
                <strong class="grow truncate">{task.title.clone()}</strong>
                <span class="muted nowrap">{elapsed}</span>
                {retry_button(app, &task, None)}
                {running
                    .then(|| {
                        view! {
                            <button
                                type="button"
                                class="button button--small"
                                data-testid="tasks.task.cancel"
                                on:click=move |_| app.tasks.cancel(id.clone())
                            >
                                "Cancel"
                            </button>
                        }
                    })}
            </div>
            {task.progress.clone().filter(|_| running).map(progress)}
            {running.then(|| last_lines(&task))}
            {items_words(&task).map(|words| view! { <p>{words}</p> })}
            {task.problem.as_ref().map(|problem| note("bad", sentence(&problem.detail)))}
            {(!task.owner.is_empty()).then(|| view! { <p class="muted">{["by ", &task.owner].concat()}</p> })}
        </article>
    }
    .into_any()
}

/// `12 of 40 done, 1 failed`, of a task that works on many things.
fn items_words(task: &Task) -> Option<String> {
    if task.items.is_empty() {
        return None;
    }
    let count = |state: ItemState| task.items.iter().filter(|item| item.state == state).count();
    let all = task.items.len().to_string();
    let mut words = [&count(ItemState::Done).to_string(), " of ", &all, " done"].concat();
    let failed = count(ItemState::Failed);
    if failed > 0 {
        words += &[", ", &failed.to_string(), " failed"].concat();
    }
    Some(words)
}

/// What a task said last, where it speaks.
pub fn last_lines(task: &Task) -> Option<AnyView> {
    let log = &task.progress.as_ref()?.log;
    (!log.is_empty()).then(|| view! { <pre class="task__log">{log.join("\n")}</pre> }.into_any())
}

/// The overall bar and a row for each layer.
pub fn progress(progress: Progress) -> AnyView {
    // Headings and digests are counted as they arrive; the total is of layers alone.
    let done = progress.bytes_done.min(progress.bytes_total);
    let whole = share(done, progress.bytes_total);
    let words = if progress.bytes_total > 0 {
        [size(done), size(progress.bytes_total)].join(" of ")
    } else {
        sentence(&progress.phase)
    };
    view! {
        <div class="progress">
            <div class="row">
                <div class="grow">
                    <Meter share=Signal::stored(whole) label="Progress" progress=true/>
                </div>
                <span class="muted nowrap">{words}</span>
            </div>
            {(!progress.layers.is_empty())
                .then(|| {
                    view! { <ul class="progress__layers">{progress.layers.into_iter().map(layer).collect_view()}</ul> }
                })}
        </div>
    }
    .into_any()
}

fn layer(layer: LayerProgress) -> AnyView {
    let digest = layer.digest.strip_prefix("sha256:").unwrap_or(&layer.digest);
    let short: String = digest.chars().take(12).collect();
    let (word, bar) = match layer.state {
        LayerState::Waiting => ("Waiting".to_owned(), Some(0.0)),
        LayerState::Downloading => (
            [size(layer.bytes_done), size(layer.bytes_total)].join(" of "),
            share(layer.bytes_done, layer.bytes_total),
        ),
        LayerState::Uploading => (
            ["sent ", &size(layer.bytes_done), " of ", &size(layer.bytes_total)].concat(),
            share(layer.bytes_done, layer.bytes_total),
        ),
        LayerState::Verifying => ("Verifying".to_owned(), Some(1.0)),
        LayerState::Extracting => ("Extracting".to_owned(), share(layer.bytes_done, layer.bytes_total)),
        LayerState::Done => ("Done".to_owned(), Some(1.0)),
        LayerState::AlreadyHere => ("Already here".to_owned(), Some(1.0)),
    };
    let finished = matches!(layer.state, LayerState::Done | LayerState::AlreadyHere);
    view! {
        <li class="progress__layer" class:progress__layer--done=finished>
            <code>{short}</code>
            <Meter share=Signal::stored(bar) label="Layer" progress=true/>
            <span class="muted nowrap">{word}</span>
        </li>
    }
    .into_any()
}

/// All tasks the server remembers.
#[component]
pub fn Tasks() -> impl IntoView {
    let app = App::get();
    view! {
        <div class="page">
            <Head title="Tasks"/>
            <Show
                when=move || !app.tasks.items.see(Vec::is_empty)
                fallback=|| {
                    view! {
                        <section class="card">
                            <Empty icon="task" text="No tasks yet. Pulls, uploads and other long work appear here."/>
                        </section>
                    }
                }
            >
                <div class="stack">
                    {move || app.tasks.items.get().into_iter().map(task_row).collect_view()}
                </div>
            </Show>
        </div>
    }
}
