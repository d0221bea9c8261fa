//! Cleaning up: what would be deleted, and how much that frees, before anything is.

use super::super::frame::{Head, Loaded};
use crate::client::http;
use crate::components::field::check;
use crate::components::icon::icon;
use crate::components::notice::{Empty, failure, skeleton};
use crate::format::{number, size, time};
use crate::state::App;
use crate::state::signal::{Edit, See};
use crate::table::KeySet;
use leptos::prelude::*;
use leptos::task::spawn_local;
use shared::layer::{Prune, Pruned, PrunedItem};

const AGES: [(&str, u64); 4] = [
    ("Any age", 0),
    ("Older than a day", 86_400),
    ("Older than a week", 604_800),
    ("Older than 30 days", 2_592_000),
];

/// The page.
#[component]
pub fn PruneImages() -> impl IntoView {
    let app = App::get();
    let unused = RwSignal::new(false);
    let cache = RwSignal::new(false);
    let age = RwSignal::new(0_u64);
    let preview = RwSignal::new(Loaded::<Pruned>::Loading);
    let spared = RwSignal::new(KeySet::<String>::new());
    let wanted = move |preview: bool, only: Option<Vec<String>>| Prune {
        preview,
        unused: unused.get_untracked(),
        older_than_seconds: Some(age.get_untracked()).filter(|seconds| *seconds > 0),
        only,
        build_cache: cache.get_untracked(),
        ..Prune::default()
    };
    let look = move || {
        let request = wanted(true, None);
        spawn_local(async move {
            let answer = http::send::<_, Pruned>("POST", "/images/prune", &request).await;
            let _ = preview.try_set(match answer {
                Ok(found) => Loaded::Ready(found),
                Err(failure) => Loaded::Failed(failure),
            });
        });
    };
    Effect::new(move || {
        unused.track();
        cache.track();
        age.track();
        spared.set(KeySet::new());
        look();
    });
    // What the chosen ones free together only the server knows: what they share counts once.
    let freed = RwSignal::new(None::<u64>);
    Effect::new(move || {
        let only = preview.see(|preview| match preview {
            Loaded::Ready(found) => Some((chosen(found, &spared.get()), found.freed_bytes)),
            _ => None,
        });
        let Some((ids, all)) = only else { return };
        if spared.see(KeySet::is_empty) {
            freed.set(Some(all));
            return;
        }
        freed.set(None);
        let request = wanted(true, Some(ids));
        spawn_local(async move {
            if let Ok(found) = http::send::<_, Pruned>("POST", "/images/prune", &request).await {
                let _ = freed.try_set(Some(found.freed_bytes));
            }
        });
    });
    let act = move |_| {
        let only = preview.see(|preview| match preview {
            Loaded::Ready(found) => chosen(found, &spared.get_untracked()),
            _ => Vec::new(),
        });
        let request = wanted(false, Some(only));
        spawn_local(async move {
            match http::send::<_, Pruned>("POST", "/images/prune", &request).await {
                Ok(done) => {
                    let images = number::plural(done.items.len(), "image");
                    let words = [
                        images.as_str(),
                        if request.build_cache {
                            " and the build cache"
                        } else {
                            ""
                        },
                        " deleted, ",
                        &size(done.freed_bytes),
                        " freed",
                    ];
                    app.toasts.done(words.concat());
                    look();
                }
                Err(failure) => app
                    .toasts
                    .failed("The clean-up stopped".to_owned(), failure.to_string()),
            }
        });
    };
    let count = move || {
        preview.see(|preview| match preview {
            Loaded::Ready(found) => found.items.len() - spared.see(KeySet::len).min(found.items.len()),
            _ => 0,
        })
    };
    let label = move || {
        let bytes = freed.get().map_or_else(|| "…".to_owned(), size);
        let with = if cache.get() { " and the build cache" } else { "" };
        ["Delete ", &number::plural(count(), "image"), with, ", free ", &bytes].concat()
    };
    let steps = move || {
        preview.see(|preview| match preview {
            Loaded::Ready(found) => found.build_cache.steps,
            _ => 0,
        })
    };
    let kept = move || {
        preview.see(|preview| match preview {
            Loaded::Ready(found) => {
                let steps = number::plural(usize::try_from(found.build_cache.steps).unwrap_or(usize::MAX), "step");
                [&steps, ", ", &size(found.build_cache.freed_bytes)].concat()
            }
            _ => String::new(),
        })
    };
    let body = move || match preview.get() {
        Loaded::Loading => skeleton(6),
        Loaded::Failed(problem) => failure("Could not load the preview", problem.to_string(), look),
        Loaded::Ready(found) if found.items.is_empty() => {
            view! { <Empty icon="check" text="Nothing to clean up."/> }.into_any()
        }
        Loaded::Ready(found) => table(found.items, spared),
    };
    view! {
        <div class="page">
            <Head title="Clean up images">
                <button
                    type="button"
                    class="button button--danger"
                    data-testid="prune.head.act"
                    prop:disabled=move || {
                        (count() == 0 && !(cache.get() && steps() > 0)) || freed.get().is_none() || app.connection.is_cut()
                    }
                    on:click=act
                >
                    {icon("trash")}
                    {label}
                </button>
            </Head>
            <div class="containers__tools">
                {check("Also tagged images that no container uses", "prune.show.unused", unused)}
                {check("Also the build cache", "prune.show.cache", cache)}
                <span class="muted nowrap" data-testid="prune.show.cached">{kept}</span>
                <select
                    class="select"
                    style="width:auto"
                    aria-label="Age"
                    data-testid="prune.show.age"
                    on:change=move |event| age.set(event_target_value(&event).parse().unwrap_or(0))
                >
                    {AGES.map(|(word, seconds)| view! { <option value=seconds.to_string()>{word}</option> })}
                </select>
            </div>
            <section class="card">{body}</section>
        </div>
    }
}

fn chosen(found: &Pruned, spared: &KeySet<String>) -> Vec<String> {
    let ids = found.items.iter().map(|item| item.id.clone());
    ids.filter(|id| !spared.contains(id)).collect()
}

fn table(items: Vec<PrunedItem>, spared: RwSignal<KeySet<String>>) -> AnyView {
    view! {
        <div class="table-scroll" tabindex="0">
            <table class="table">
                <thead>
                    <tr>
                        <th scope="col"><span class="visually-hidden">"Delete"</span></th>
                        <th scope="col">"Image"</th>
                        <th scope="col" class="num">"Size"</th>
                        <th scope="col">"Last used"</th>
                    </tr>
                </thead>
                <tbody>{items.into_iter().map(|item| row(item, spared)).collect_view()}</tbody>
            </table>
        </div>
    }
    .into_any()
}

fn row(item: PrunedItem, spared: RwSignal<KeySet<String>>) -> AnyView {
    let app = App::get();
    let used = item.used.as_deref().and_then(time::parse);
    let used = used.map_or_else(|| "never".to_owned(), |at| time::ago(at, app.now.get_untracked()));
    let (id, ticked) = (item.id.clone(), item.id.clone());
    let name = item.name.clone();
    view! {
        <tr data-testid="prune.row" data-name=name>
            <td style="width:36px">
                <input
                    type="checkbox"
                    aria-label=["Delete ", &item.name].concat()
                    data-testid="prune.row.choose"
                    prop:checked=move || !spared.see(|spared| spared.contains(&ticked))
                    on:change=move |_| {
                        spared.edit(|spared| {
                            if !spared.remove(&id) {
                                spared.insert(id.clone());
                            }
                        });
                    }
                />
            </td>
            <td>{item.name}</td>
            <td class="num nowrap">{size(item.size_bytes)}</td>
            <td class="nowrap muted">{used}</td>
        </tr>
    }
    .into_any()
}
