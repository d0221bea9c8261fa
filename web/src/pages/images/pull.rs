//! Getting an image: from a registry, or from a file of this computer.

use super::super::frame::Head;
use super::super::tasks::{last_lines, progress, retry_button};
use super::list::short;
use super::template::from_distribution;
use crate::client::http::{self, escape, sentence};
use crate::client::upload::{self, Upload};
use crate::components::field::{Kind, field, given};
use crate::components::icon::icon;
use crate::components::meter::Meter;
use crate::components::notice::note;
use crate::components::status_chip::{Status, Tone, status_chip};
use crate::format::number;
use crate::state::App;
use crate::state::signal::{Peek, See};
use leptos::prelude::*;
use leptos::task::spawn_local;
use leptos_router::components::A;
use leptos_router::hooks::use_query_map;
use model::image::Reference;
use shared::image::Pull;
use shared::task::{Task, TaskState};
use web_sys::{File, HtmlInputElement};

/// Where an image comes from.
#[derive(Clone, Copy, PartialEq, Eq)]
enum From {
    Registry,
    File,
    Distribution,
}

/// The page.
#[component]
pub fn PullImage() -> impl IntoView {
    let query = use_query_map();
    let from = RwSignal::new(match query.peek(|query| query.get("from")).as_deref() {
        Some("file") => From::File,
        Some("distribution") => From::Distribution,
        _ => From::Registry,
    });
    let reference = query.peek(|query| query.get("reference").unwrap_or_default());
    let task = RwSignal::new(None::<String>);
    view! {
        <div class="page pull">
            <Head title="Add image"/>
            <div class="segments" role="group" aria-label="Where from" style="justify-self:start">
                {part("From a registry", "pull", "pull.from.registry", from, From::Registry)}
                {part("From a file", "upload", "pull.from.file", from, From::File)}
                {part("From a distribution", "volume", "pull.from.distribution", from, From::Distribution)}
            </div>
            {move || match from.get() {
                From::Registry => from_registry(reference.clone(), task),
                From::File => from_archive(task),
                From::Distribution => from_distribution(task),
            }}
            {move || task.get().map(|id| follow(id, task))}
        </div>
    }
}

fn part(word: &'static str, shape: &'static str, testid: &'static str, from: RwSignal<From>, own: From) -> AnyView {
    view! {
        <button
            type="button"
            class="segments__part"
            aria-pressed=move || (from.get() == own).to_string()
            data-testid=testid
            on:click=move |_| from.set(own)
        >
            {icon(shape)}
            {word}
        </button>
    }
    .into_any()
}

fn from_registry(reference: String, task: RwSignal<Option<String>>) -> AnyView {
    let app = App::get();
    let reference = RwSignal::new(reference);
    let (platform, user, password) = (
        RwSignal::new(String::new()),
        RwSignal::new(String::new()),
        RwSignal::new(String::new()),
    );
    let mistake = RwSignal::new(String::new());
    let busy = RwSignal::new(false);
    let submit = move |event: web_sys::SubmitEvent| {
        event.prevent_default();
        let text = reference.get_untracked().trim().to_owned();
        if let Err(error) = Reference::parse(&text) {
            mistake.set(sentence(&error.to_string()));
            return;
        }
        mistake.set(String::new());
        busy.set(true);
        let request = Pull {
            reference: text,
            platform: given(platform),
            username: given(user),
            password: given(password),
        };
        spawn_local(async move {
            let answer = http::send::<_, Task>("POST", "/images/pull", &request).await;
            let _ = busy.try_set(false);
            match answer {
                Ok(begun) => {
                    let _ = task.try_set(Some(begun.id.clone()));
                    app.tasks.take(begun);
                }
                Err(failure) => {
                    let _ = mistake.try_set(failure.to_string());
                }
            }
        });
    };
    view! {
        <form class="card pull__form" on:submit=submit>
            <label class="field">
                <span class="field__label">"Image"</span>
                <input
                    class="input"
                    placeholder="nginx:1.27 or registry.example.org/team/app@sha256:…"
                    autocomplete="off"
                    spellcheck="false"
                    data-testid="pull.form.reference"
                    aria-invalid=move || (!mistake.get().is_empty()).to_string()
                    prop:value=move || reference.get()
                    on:input=move |event| reference.set(event_target_value(&event))
                />
                <span class="field__mistake" role="alert">{move || mistake.get()}</span>
            </label>
            <details>
                <summary>"Platform and sign-in"</summary>
                <div class="create__pair" style="margin-top:12px">
                    {field("Platform", "of this host", Kind::Text, "pull.form.platform", platform)}
                    <span></span>
                    {field("Registry user", "from the registry's settings", Kind::Text, "pull.form.user", user)}
                    {field("Registry password", "", Kind::Password, "pull.form.password", password)}
                </div>
            </details>
            <div>
                <button type="submit" class="button button--primary" data-testid="pull.form.submit" prop:disabled=move || busy.get() || app.connection.is_cut()>
                    {icon("pull")}
                    "Pull image"
                </button>
            </div>
        </form>
    }
    .into_any()
}

fn from_archive(task: RwSignal<Option<String>>) -> AnyView {
    let app = App::get();
    let sent = RwSignal::new(None::<f64>);
    let name = RwSignal::new(String::new());
    let reference = RwSignal::new(String::new());
    let root = RwSignal::new(false);
    let mistake = RwSignal::new(String::new());
    let upload = StoredValue::new_local(None::<Upload>);
    let over = RwSignal::new(false);
    let take = move |file: File| {
        mistake.set(String::new());
        name.set(file.name());
        let path = if root.get_untracked() {
            let tag = reference.get_untracked().trim().to_owned();
            if let Err(error) = Reference::parse(&tag) {
                mistake.set(sentence(&error.to_string()));
                return;
            }
            ["/images/import?reference=", &escape(&tag)].concat()
        } else {
            "/images/load".to_owned()
        };
        sent.set(Some(0.0));
        let begun = upload::start(
            &path,
            &file,
            move |share| {
                let _ = sent.try_set(Some(share));
            },
            move |answer| {
                let _ = sent.try_set(None);
                match answer.map(|text| crate::client::decode::decode::<Task>(&text)) {
                    Ok(Ok(begun)) => {
                        let _ = task.try_set(Some(begun.id.clone()));
                        app.tasks.take(begun);
                    }
                    Ok(Err(error)) => {
                        let _ = mistake.try_set(error.to_string());
                    }
                    Err(failure) => {
                        let _ = mistake.try_set(failure.to_string());
                    }
                }
            },
        );
        upload.set_value(begun);
    };
    view! {
        <section class="card pull__form">
            <label class="check">
                <input
                    type="checkbox"
                    data-testid="upload.form.root"
                    prop:checked=move || root.get()
                    on:change=move |event| root.set(event_target_checked(&event))
                />
                <span>"The file is a plain root file system, not a saved image"</span>
            </label>
            <Show when=move || root.get()>
                <label class="field">
                    <span class="field__label">"Name for it"</span>
                    <input
                        class="input"
                        placeholder="my-base:latest"
                        data-testid="upload.form.reference"
                        prop:value=move || reference.get()
                        on:input=move |event| reference.set(event_target_value(&event))
                    />
                </label>
            </Show>
            <label
                class="pull__drop"
                class:pull__drop--over=move || over.get()
                on:dragover=move |event| {
                    event.prevent_default();
                    over.set(true);
                }
                on:dragleave=move |_| over.set(false)
                on:drop=move |event| {
                    event.prevent_default();
                    over.set(false);
                    let file = event.data_transfer().and_then(|data| data.files()).and_then(|files| files.get(0));
                    if let Some(file) = file {
                        take(file);
                    }
                }
            >
                {icon("upload")}
                <span>"Drop an archive here, or "<span class="pull__pick">"choose a file"</span></span>
                <span class="muted">"From docker save, an OCI layout, or a root file system; tar, gzip or zstd"</span>
                <input
                    type="file"
                    class="visually-hidden"
                    data-testid="upload.form.file"
                    on:change=move |event| {
                        let input = event_target::<HtmlInputElement>(&event);
                        if let Some(file) = input.files().and_then(|files| files.get(0)) {
                            take(file);
                        }
                        input.set_value("");
                    }
                />
            </label>
            {move || {
                sent.get()
                    .map(|share| {
                        view! {
                            <div class="row">
                                <span class="truncate">{name.get()}</span>
                                <div class="grow">
                                    <Meter share=Signal::stored(Some(share)) label="Upload" progress=true/>
                                </div>
                                <span class="muted nowrap">{number::percent(share * 100.0)}</span>
                                <button
                                    type="button"
                                    class="button button--small"
                                    data-testid="upload.form.cancel"
                                    on:click=move |_| {
                                        upload.set_value(None);
                                        sent.set(None);
                                    }
                                >
                                    "Cancel"
                                </button>
                            </div>
                        }
                    })
            }}
            <div role="alert">{move || (!mistake.get().is_empty()).then(|| note("bad", mistake.get()))}</div>
        </section>
    }
    .into_any()
}

/// The task on its way, layer by layer, and what comes after it.
fn follow(id: String, shown: RwSignal<Option<String>>) -> AnyView {
    let app = App::get();
    let task = Memo::new(move |_| {
        app.tasks
            .items
            .see(|items| items.iter().find(|task| task.id == id).cloned())
    });
    (move || {
        task.get().map(|task| {
            let cancelled = task.id.clone();
            let status = match task.state {
                TaskState::Running => Status::new("Running", Tone::Info, "s-starting"),
                TaskState::Done => Status::new("Done", Tone::Ok, "check"),
                TaskState::Failed => Status::new("Failed", Tone::Bad, "s-failed"),
                TaskState::Cancelled => Status::new("Cancelled", Tone::Neutral, "s-stopped"),
            };
            let reference = task.title.strip_prefix("Pull ").map(str::to_owned);
            let made = task.result.clone().into_iter().map(|id| {
                let run = reference.clone().unwrap_or_else(|| id.clone());
                let words = ["Open ", &short(&id)].concat();
                view! {
                    <A href=["/containers/new?image=", &escape(&run)].concat() attr:class="button button--primary" attr:data-testid="pull.done.run">
                        {icon("play")}
                        "Run"
                    </A>
                    <A href=["/images/", &id].concat() attr:class="button" attr:data-testid="pull.done.open">
                        {words}
                    </A>
                }
            });
            let problem = task.problem.as_ref().map(|problem| {
                let hint = problem.hint.as_deref().map(sentence).unwrap_or_default();
                note("bad", [sentence(&problem.detail), hint].join(" "))
            });
            view! {
                <section class="card pull__form" aria-live="polite" data-testid="pull.task.state" data-state=format!("{:?}", task.state).to_ascii_lowercase()>
                    <div class="row">
                        {status_chip(status)} <strong class="grow truncate">{task.title.clone()}</strong>
                        {(task.state == TaskState::Running)
                            .then(|| {
                                view! {
                                    <button
                                        type="button"
                                        class="button button--small"
                                        data-testid="pull.task.cancel"
                                        on:click=move |_| app.tasks.cancel(cancelled.clone())
                                    >
                                        "Cancel"
                                    </button>
                                }
                            })}
                        {retry_button(app, &task, Some(shown))}
                    </div>
                    {task.progress.clone().map(progress)}
                    {last_lines(&task)}
                    {problem}
                    <div class="row row--wrap">{made.collect_view()}</div>
                </section>
            }
        })
    })
    .into_any()
}
