//! A new container: one page, sections at the left, the request in a drawer.

mod bring;
mod draft;
mod form;
mod judge;
mod sections;

use super::super::frame::{Head, Loaded, Reader};
use crate::client::http;
use crate::components::icon::icon;
use crate::components::notice::note;
use crate::components::watch::copy;
use crate::format::number;
use crate::pages::containers::describe;
use crate::state::App;
use crate::state::preferences::{forget, keep, recall};
use crate::state::signal::{Edit, Peek, See};
use crate::table::{KeySet, Table};
use bring::{bring, is_missing};
use draft::Draft;
use form::Form;
use judge::{Judged, judge};
use leptos::prelude::*;
use leptos::task::spawn_local;
use leptos_router::NavigateOptions;
use leptos_router::components::A;
use leptos_router::hooks::{use_navigate, use_query_map};
use model::container::limits::HostSize;
use sections::SECTIONS;
use shared::container::{Details, Variable};
use shared::create::Created;
use shared::list::List;
use shared::problem::Mistakes;
use shared::system::System;
use std::time::Duration;

/// After this long without a change the server is asked.
const PAUSE: Duration = Duration::from_millis(400);
const DRAFT: &str = "draft.container";

/// The server's view of the last request it judged.
#[derive(Debug, Clone, PartialEq, Default)]
struct Checked {
    mistakes: Table<String, String>,
    warnings: Vec<String>,
}

/// The fields of a request are named a little differently from the form's.
fn form_field(field: &str) -> String {
    let name = field.strip_prefix("limits.").unwrap_or(field);
    match name {
        "nano_cpus" => "cpu",
        "memory_bytes" => "memory",
        "memory_and_swap_bytes" => "memory_and_swap",
        "memory_reservation_bytes" => "memory_reservation",
        "shm_bytes" => "shm",
        "log.keep_bytes" | "log" => "log_keep",
        "restart.max_retries" => "max_retries",
        "restart.policy" => "restart",
        other => return other.split_inclusive(']').next().unwrap_or(other).to_owned(),
    }
    .to_owned()
}

fn fields(list: Vec<shared::problem::Mistake>) -> Table<String, String> {
    list.into_iter()
        .map(|mistake| (form_field(&mistake.field), http::sentence(&mistake.message)))
        .collect()
}

/// The page.
#[component]
pub fn Create() -> impl IntoView {
    let app = App::get();
    let query = use_query_map();
    let image = query.peek(|query| query.get("image"));
    let from = query.peek(|query| query.get("from"));
    let kept: Option<Draft> = recall(DRAFT);
    let restored = kept.is_some() && image.is_none() && from.is_none();
    let mut start = if restored {
        kept.unwrap_or_default()
    } else {
        Draft::default()
    };
    if let Some(image) = image {
        start.texts.insert("image".to_owned(), image);
    }
    let draft = RwSignal::new(start);
    if let Some(from) = from {
        spawn_local(async move {
            let path = ["/containers/", &http::escape(&from)].concat();
            if let Ok(mut details) = http::get_flat::<Details>(&path).await {
                let variables = http::get::<List<Variable>>(&[&path, "/environment"].concat()).await;
                if let Ok(variables) = variables {
                    details.spec.env = variables.items;
                }
                let _ = draft.try_set(Draft::like(&details));
            }
        });
    }
    let system = Reader::<System>::new("/system");
    let host = Memo::new(move |_| match system.value.get() {
        Loaded::Ready(system) => HostSize {
            memory_bytes: system.memory_bytes,
            cpus: system.cpus,
        },
        // Until the host's size is known, nothing is too large.
        Loaded::Loading | Loaded::Failed(_) => HostSize {
            memory_bytes: u64::MAX,
            cpus: 4096,
        },
    });
    let judged = Memo::new(move |_| draft.see(|draft| judge(draft, host.get())));
    let checked = RwSignal::new(Checked::default());
    let touched = RwSignal::new(KeySet::<String>::new());
    let tried = RwSignal::new(false);
    let mistakes = Memo::new(move |_| {
        let all = tried.get();
        let mut shown: Table<String, String> = judged.see(|judged| {
            touched.see(|touched| {
                judged
                    .mistakes
                    .iter()
                    .filter(|(field, _)| all || touched.contains(*field))
                    .map(|(field, words)| (field.clone(), words.clone()))
                    .collect()
            })
        });
        // The server's word counts for fields that were filled.
        checked.see(|checked| {
            for (field, words) in &checked.mistakes {
                let filled = all || touched.see(|touched| touched.contains(field)) || field.contains('[');
                if filled {
                    shown.or_insert_with(field.clone(), || words.clone());
                }
            }
        });
        shown
    });
    let form = Form {
        draft,
        mistakes,
        touched,
    };
    watch_server(judged, checked);
    let began = draft.get_untracked();
    Effect::new(move || {
        draft.see(|draft| {
            if *draft != began {
                keep(DRAFT, draft);
            }
        });
    });
    page(app, form, judged, checked, tried, restored)
}

/// Asks the server for a dry run when the request has come to rest.
fn watch_server(judged: Memo<Judged>, checked: RwSignal<Checked>) {
    let timer = StoredValue::new(None::<TimeoutHandle>);
    Effect::new(move || {
        let now = judged.get();
        if let Some(handle) = timer.get_value() {
            handle.clear();
        }
        if now.request.image.is_empty() {
            return;
        }
        let ask = move || {
            spawn_local(async move {
                let answer = http::send::<_, Mistakes>("POST", "/containers/check", &now.request).await;
                let Some(still) = judged.try_get_untracked() else {
                    return;
                };
                // A newer request is judged by its own answer.
                if still.request != now.request {
                    return;
                }
                let found = match answer {
                    Ok(found) => Checked {
                        mistakes: fields(found.mistakes),
                        warnings: found.warnings,
                    },
                    Err(failure) => Checked {
                        mistakes: fields(failure.mistakes()),
                        warnings: Vec::new(),
                    },
                };
                let _ = checked.try_set(found);
            });
        };
        timer.set_value(set_timeout_with_handle(ask, PAUSE).ok());
    });
    on_cleanup(move || {
        if let Some(handle) = timer.try_get_value().flatten() {
            handle.clear();
        }
    });
}

fn page(
    app: App,
    form: Form,
    judged: Memo<Judged>,
    checked: RwSignal<Checked>,
    tried: RwSignal<bool>,
    restored: bool,
) -> AnyView {
    let all = RwSignal::new(false);
    let drawer = RwSignal::new(false);
    let busy = RwSignal::new(false);
    let general = RwSignal::new(String::new());
    let offered = RwSignal::new(restored);
    let navigate = StoredValue::new_local(use_navigate());
    let submit = move |event: web_sys::SubmitEvent| {
        event.prevent_default();
        tried.set(true);
        general.set(String::new());
        let now = judged.get_untracked();
        if !now.mistakes.is_empty() {
            all.set(true);
            request_animation_frame(focus_first_mistake);
            return;
        }
        busy.set(true);
        spawn_local(async move {
            let create = async || http::send::<_, Created>("POST", "/containers", &now.request).await;
            let mut answer = create().await;
            if let Err(failure) = &answer
                && is_missing(failure)
            {
                answer = match bring(&now.request.image, |task| app.tasks.take(task)).await {
                    Ok(()) => create().await,
                    Err(failure) => Err(failure),
                };
            }
            let _ = busy.try_set(false);
            match answer {
                Ok(created) => {
                    forget(DRAFT);
                    for warning in &created.warnings {
                        app.toasts.done(http::sentence(warning));
                    }
                    app.containers.read(created.id.clone());
                    let href = [
                        "/containers/",
                        &created.id,
                        if now.request.start { "/logs" } else { "" },
                    ]
                    .concat();
                    let _ = navigate.try_with_value(|go| go(&href, NavigateOptions::default()));
                }
                Err(failure) => {
                    let found = fields(failure.mistakes());
                    if !found.is_empty() {
                        let _ = checked.try_update(|checked| checked.mistakes = found);
                        request_animation_frame(focus_first_mistake);
                    }
                    let _ = general.try_set(failure.to_string());
                }
            }
        });
    };
    let index = SECTIONS
        .iter()
        .filter(|section| !section.fields.is_empty())
        .map(|section| {
            let wrong = move || {
                form.mistakes.see(|mistakes| {
                    mistakes
                        .keys()
                        .filter(|field| {
                            let name = field.split('[').next().unwrap_or_default();
                            section.fields.contains(&name)
                        })
                        .count()
                })
            };
            view! {
                <li class:create__advanced=section.advanced hidden=move || section.advanced && !all.get()>
                    <a href=["#section-", section.word].concat() rel="external" data-testid=["create.index.", section.word].concat()>
                        {section.title}
                        {move || {
                            let wrong = wrong();
                            (wrong > 0).then(|| view! { <span class="badge badge--bad">{wrong}</span> })
                        }}
                    </a>
                </li>
            }
        })
        .collect_view();
    let bodies = SECTIONS
        .iter()
        .map(|section| {
            view! {
                <section
                    class="card create__section"
                    id=["section-", section.word].concat()
                    hidden=move || section.advanced && !all.get()
                >
                    <header class="card__head">
                        <h2>{section.title}</h2>
                    </header>
                    <div class="card__body create__fields">{(section.draw)(form)}</div>
                </section>
            }
        })
        .collect_view();
    let warnings = move || {
        checked.see(|checked| {
            checked
                .warnings
                .iter()
                .map(|words| note("info", http::sentence(words)))
                .collect_view()
        })
    };
    let choice = move |word: &'static str, value: bool, testid: &'static str| {
        view! {
            <button
                type="button"
                class="segments__part"
                aria-pressed=move || (all.get() == value).to_string()
                data-testid=testid
                on:click=move |_| all.set(value)
            >
                {word}
            </button>
        }
    };
    view! {
        <form class="page create" novalidate on:submit=submit on:keydown=move |event| {
            if event.key() == "Enter" && (event.ctrl_key() || event.meta_key()) {
                event.prevent_default();
                if let Some(form) = document().query_selector("form.create").ok().flatten() {
                    use wasm_bindgen::JsCast;
                    if let Ok(form) = form.dyn_into::<web_sys::HtmlFormElement>() {
                        let _ = form.request_submit();
                    }
                }
            }
        }>
            <Head title="New container">
                <div class="segments" role="group" aria-label="How much is shown">
                    {choice("Usual settings", false, "create.view.usual")}
                    {choice("All settings", true, "create.view.all")}
                </div>
                <button
                    type="button"
                    class="button"
                    aria-pressed=move || drawer.get().to_string()
                    data-testid="create.view.request"
                    on:click=move |_| drawer.edit(|drawer| *drawer = !*drawer)
                >
                    {icon("code")}
                    "Request"
                </button>
            </Head>
            <Show when=move || offered.get()>
                <p class="note note--info">
                    {icon("info")}
                    <span class="grow">"This is what you had typed before."</span>
                    <button
                        type="button"
                        class="button button--small"
                        data-testid="create.draft.discard"
                        on:click=move |_| {
                            forget(DRAFT);
                            form.draft.set(Draft::default());
                            form.touched.set(KeySet::new());
                            offered.set(false);
                        }
                    >
                        "Start afresh"
                    </button>
                </p>
            </Show>
            <div class="create__columns">
                <nav class="create__index" aria-label="Sections">
                    <ul>{index}</ul>
                </nav>
                <div class="create__main">
                    {bodies} <div aria-live="polite" class="stack">{warnings}</div>
                    <div role="alert">{move || (!general.get().is_empty()).then(|| note("bad", general.get()))}</div>
                </div>
                <Show when=move || drawer.get()>{request_drawer(judged)}</Show>
            </div>
            <footer class="create__foot">
                {form::switch(form, "start", "Start after creation", "")}
                <span class="grow"></span>
                <span class="text-bad" role="status">
                    {move || {
                        let count = form.mistakes.see(Table::len);
                        (count > 0).then(|| number::plural(count, "field") + " to mend")
                    }}
                </span>
                <A href="/containers" attr:class="button" attr:data-testid="create.form.cancel">"Cancel"</A>
                <button
                    type="submit"
                    class="button button--primary"
                    data-testid="create.form.submit"
                    prop:disabled=move || busy.get()
                >
                    {icon("check")}
                    {move || if busy.get() { "Creating" } else { "Create container" }}
                </button>
            </footer>
        </form>
    }
    .into_any()
}

fn focus_first_mistake() {
    use wasm_bindgen::JsCast;
    let wrong = document().query_selector("form.create [aria-invalid=true], form.create .field__mistake:not(:empty)");
    if let Some(element) = wrong.ok().flatten() {
        element.scroll_into_view_with_bool(false);
        if let Ok(element) = element.dyn_into::<web_sys::HtmlElement>() {
            let _ = element.focus();
        }
    }
}

/// The request as JSON and as a command, following the form.
fn request_drawer(judged: Memo<Judged>) -> AnyView {
    let curl = RwSignal::new(false);
    let text = move || {
        judged.see(|judged| {
            let json = serde_json::to_string_pretty(&judged.request).unwrap_or_default();
            if curl.get() {
                [
                    "curl -X POST ",
                    &describe::origin(),
                    "/api/v1/containers \\\n  -H \"Authorization: Bearer $TOKEN\" \\\n  -H 'Content-Type: application/json' \\\n  -d '",
                    &json.replace('\'', "'\\''"),
                    "'",
                ]
                .concat()
            } else {
                json
            }
        })
    };
    view! {
        <aside class="card create__drawer" aria-label="Request">
            <header class="card__head">
                <div class="segments" role="group" aria-label="Form of the request">
                    <button
                        type="button"
                        class="segments__part"
                        aria-pressed=move || (!curl.get()).to_string()
                        data-testid="create.request.json"
                        on:click=move |_| curl.set(false)
                    >
                        "JSON"
                    </button>
                    <button
                        type="button"
                        class="segments__part"
                        aria-pressed=move || curl.get().to_string()
                        data-testid="create.request.curl"
                        on:click=move |_| curl.set(true)
                    >
                        "curl"
                    </button>
                </div>
                <span class="grow"></span>
                <button
                    type="button"
                    class="button button--small"
                    data-testid="create.request.copy"
                    on:click=move |_| copy(&untrack(text))
                >
                    {icon("copy")}
                    "Copy"
                </button>
            </header>
            <pre class="create__request" data-testid="create.request.text">{text}</pre>
        </aside>
    }
    .into_any()
}
