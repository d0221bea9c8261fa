//! The list of images.

use super::super::frame::{Head, Loaded, Reader};
use crate::client::http::{self, escape};
use crate::components::dialog::Question;
use crate::components::icon::icon;
use crate::components::menu::Item;
use crate::components::notice::{Empty, failure, skeleton};
use crate::format::order::sort;
use crate::format::{number, size, time};
use crate::state::App;
use crate::state::connection::CUT;
use crate::state::signal::{Hold, See};
use leptos::prelude::*;
use leptos::task::spawn_local;
use leptos_router::NavigateOptions;
use leptos_router::components::A;
use leptos_router::hooks::{use_navigate, use_query_map};
use shared::image::{Image, Removed, UsedBy};
use shared::list::List;
use shared::order::natural;
use shared::session::Role;
use std::rc::Rc;

/// Why an image cannot be deleted.
pub const IN_USE: &str = "Containers use this image; remove them first";
const VIEW_ONLY: &str = "Your role may only view";

const KINDS: [(&str, &str); 4] = [
    ("All", ""),
    ("In use", "used"),
    ("Unused", "unused"),
    ("Untagged", "untagged"),
];

fn fits(image: &Image, kind: &str) -> bool {
    match kind {
        "used" => !image.used_by.is_empty(),
        "unused" => image.used_by.is_empty(),
        "untagged" => image.tags.is_empty(),
        _ => true,
    }
}

/// The twelve digits people know an image by.
pub fn short(id: &str) -> String {
    id.strip_prefix("sha256:").unwrap_or(id).chars().take(12).collect()
}

fn title(image: &Image) -> String {
    image.tags.first().cloned().unwrap_or_else(|| short(&image.id))
}

/// Asks, then removes; says what became free.
pub fn remove(app: App, image: &Image, then: impl Fn() + Clone + 'static) {
    let (id, name) = (image.id.clone(), title(image));
    let mut points = Vec::new();
    if image.tags.len() > 1 {
        points.push(["Its tags go: ", &image.tags.join(", ")].concat());
    }
    let own = image.size_bytes.saturating_sub(image.shared_bytes);
    points.push(["About ", &size(own), " become free; layers of other images stay."].concat());
    app.asker.ask(Question {
        title: ["Delete image ", &name, "?"].concat(),
        points,
        action: "Delete image".to_owned(),
        danger: true,
        typed: None,
        choice: None,
        act: Rc::new(move |_| {
            let (id, name, then) = (id.clone(), name.clone(), then.clone());
            spawn_local(async move {
                match http::request("DELETE", &["/images/", &escape(&id)].concat(), None).await {
                    Ok(answer) => {
                        let freed =
                            crate::client::decode::decode::<Removed>(&answer).map_or(0, |removed| removed.freed_bytes);
                        app.toasts.done([&name, " deleted, ", &size(freed), " freed"].concat());
                        then();
                    }
                    Err(failure) => app
                        .toasts
                        .failed([&name, " was not deleted"].concat(), failure.to_string()),
                }
            });
        }),
    });
}

/// The page.
#[component]
pub fn Images() -> impl IntoView {
    let app = App::get();
    let reader = Reader::<List<Image>>::new("/images");
    let query = use_query_map();
    let navigate = StoredValue::new_local(use_navigate());
    let text = Memo::new(move |_| query.see(|query| query.get("q").unwrap_or_default()));
    let kind = Memo::new(move |_| query.see(|query| query.get("show").unwrap_or_default()));
    // What a task brought is in the list as soon as the task is done.
    Effect::new(move |before: Option<()>| {
        app.tasks.finished.track();
        if before.is_some() {
            reader.again();
        }
    });
    Effect::new(move |before: Option<usize>| {
        let count = app.containers.items.see(|items| items.len());
        if before.is_some_and(|before| before != count) {
            reader.again();
        }
        count
    });
    let steer = move |text: &str, kind: &str| {
        let href = ["/images?q=", &escape(text), "&show=", kind].concat();
        let options = NavigateOptions {
            replace: true,
            scroll: false,
            ..NavigateOptions::default()
        };
        navigate.hold(|go| go(&href, options));
    };
    let matching = Memo::new(move |_| {
        let wanted = text.get().to_ascii_lowercase();
        reader.value.see(|value| match value {
            Loaded::Ready(list) => list
                .items
                .iter()
                .filter(|image| {
                    wanted.is_empty()
                        || image.tags.iter().any(|tag| tag.to_ascii_lowercase().contains(&wanted))
                        || image.id.contains(&wanted)
                })
                .cloned()
                .collect::<Vec<_>>(),
            Loaded::Loading | Loaded::Failed(_) => Vec::new(),
        })
    });
    let shown = Memo::new(move |_| {
        let kind = kind.get();
        let mut rows: Vec<Image> =
            matching.see(|rows| rows.iter().filter(|image| fits(image, &kind)).cloned().collect());
        sort(&mut rows, &mut |a, b| natural(&title(a), &title(b)));
        rows
    });
    let face = Memo::new(move |_| {
        reader.value.see(|value| match value {
            Loaded::Loading => 0,
            Loaded::Failed(_) => 1,
            Loaded::Ready(list) if list.items.is_empty() => 2,
            Loaded::Ready(_) if shown.see(Vec::is_empty) => 3,
            Loaded::Ready(_) => 4,
        })
    });
    let total = move || {
        shown.see(|rows| {
            let bytes: u64 = rows.iter().map(|image| image.size_bytes).sum();
            [number::plural(rows.len(), "image"), size(bytes)].join(", ")
        })
    };
    let table = move || {
        view! {
            <div class="table-scroll" tabindex="0">
                <table class="table images">
                    <thead>
                        <tr>
                            <th scope="col">"Image"</th>
                            <th scope="col" class="images__id">"Id"</th>
                            <th scope="col" class="num">"Size"</th>
                            <th scope="col" class="num images__wide">"Shared"</th>
                            <th scope="col" class="images__wide">"Platform"</th>
                            <th scope="col">"Used by"</th>
                            <th scope="col" class="images__wide">"Created"</th>
                            <th scope="col"><span class="visually-hidden">"Actions"</span></th>
                        </tr>
                    </thead>
                    <tbody>
                        <For each=move || shown.get() key=|image| (image.id.clone(), image.tags.clone(), image.used_by.len()) let:image>
                            {row(app, reader, image)}
                        </For>
                    </tbody>
                </table>
            </div>
        }
        .into_any()
    };
    view! {
        <div class="page">
            <Head title="Images">
                <A href="/images/tree" attr:class="button" attr:data-testid="images.head.tree">
                    {icon("tree")}
                    "Layers"
                </A>
                <Show when=move || app.session.may(Role::Operator)>
                    <A href="/images/prune" attr:class="button" attr:data-testid="images.head.prune">
                        {icon("trash")}
                        "Clean up"
                    </A>
                    <A href="/images/pull?from=file" attr:class="button" attr:data-testid="images.head.upload">
                        {icon("upload")}
                        "Upload"
                    </A>
                    <A href="/images/pull" attr:class="button button--primary" attr:data-testid="images.head.pull">
                        {icon("pull")}
                        "Pull image"
                    </A>
                </Show>
            </Head>
            <div class="containers__tools">
                <div class="filter">
                    {icon("filter")}
                    <input
                        class="input"
                        type="search"
                        placeholder="Filter: tag or id"
                        aria-label="Filter images"
                        data-filter="true"
                        data-testid="images.filter.text"
                        prop:value=move || text.get()
                        on:input=move |event| steer(&event_target_value(&event), &kind.get_untracked())
                    />
                </div>
                <div class="segments" role="group" aria-label="Which images">
                    {KINDS
                        .into_iter()
                        .map(|(word, key)| {
                            let count = move || matching.see(|rows| rows.iter().filter(|image| fits(image, key)).count());
                            view! {
                                <button
                                    type="button"
                                    class="segments__part"
                                    aria-pressed=move || (kind.get() == key).to_string()
                                    data-testid=["images.show.", if key.is_empty() { "all" } else { key }].concat()
                                    on:click=move |_| steer(&text.get_untracked(), key)
                                >
                                    {word}
                                    <span class="tabs__count">{count}</span>
                                </button>
                            }
                        })
                        .collect_view()}
                </div>
                <span class="grow"></span>
                <span class="muted">{total}</span>
            </div>
            <section class="card">
                {move || match face.get() {
                    0 => skeleton(6),
                    1 => {
                        let reason = match reader.value.get_untracked() {
                            Loaded::Failed(failure) => failure.to_string(),
                            _ => String::new(),
                        };
                        failure("Images could not be listed", reason, move || reader.again())
                    }
                    2 => {
                        view! {
                            <Empty icon="image" text="No images yet. Pull one from a registry, or upload an archive.">
                                <A href="/images/pull" attr:class="button button--primary" attr:data-testid="images.empty.pull">
                                    {icon("pull")}
                                    "Pull image"
                                </A>
                            </Empty>
                        }
                            .into_any()
                    }
                    3 => view! { <Empty icon="filter" text="No image matches."/> }.into_any(),
                    _ => table(),
                }}
            </section>
        </div>
    }
}

/// The first few containers that use something, as links.
pub fn users(list: Vec<UsedBy>, most: usize) -> AnyView {
    list.into_iter()
        .take(most)
        .map(|user| {
            let class = if user.running { "badge badge--ok" } else { "badge" };
            view! {
                <A href=["/containers/", &user.id].concat() attr:class=class>{user.name}</A>
                " "
            }
        })
        .collect_view()
        .into_any()
}

fn row(app: App, reader: Reader<List<Image>>, image: Image) -> AnyView {
    let href = ["/images/", &image.id].concat();
    let run = ["/containers/new?image=", &escape(&title(&image))].concat();
    let created = image.created.as_deref().and_then(time::parse);
    let more = image.tags.len().saturating_sub(1);
    let navigate = StoredValue::new_local(use_navigate());
    let menu = {
        let (image, run) = (image.clone(), run.clone());
        move |event: web_sys::MouseEvent| {
            let may = untrack(|| app.session.may(Role::Operator));
            let (removed, run, id, tag) = (image.clone(), run.clone(), image.id.clone(), title(&image));
            let pull = ["/images/pull?reference=", &escape(&tag)].concat();
            let items = vec![
                Item::new("play", "Run", "images.menu.run", move || {
                    navigate.hold(|go| go(&run, NavigateOptions::default()));
                })
                .refused_if(!may, VIEW_ONLY),
                Item::new("pull", "Pull newer", "images.menu.pull", move || {
                    navigate.hold(|go| go(&pull, NavigateOptions::default()));
                })
                .refused_if(!may || image.tags.is_empty(), "It has no tag to pull"),
                Item::new("copy", "Copy id", "images.menu.copy-id", move || {
                    crate::components::watch::copy(&id);
                }),
                Item::new("trash", "Delete", "images.menu.delete", move || {
                    remove(app, &removed, move || reader.again());
                })
                .danger()
                .refused_if(!image.used_by.is_empty(), IN_USE)
                .refused_if(!may, VIEW_ONLY)
                .refused_if(app.connection.link_is_cut(), CUT),
            ];
            app.menus.open(&event, items);
        }
    };
    let users = users(image.used_by.clone(), 2);
    let hidden = image.used_by.len().saturating_sub(2);
    let unused = image.used_by.is_empty();
    let name = title(&image);
    let shown = if image.tags.is_empty() {
        "untagged".to_owned()
    } else {
        name.clone()
    };
    view! {
        <tr data-testid="images.row" data-name=name.clone()>
            <td>
                <A href=href attr:class="containers__link" attr:data-testid="images.row.open">
                    {shown}
                    {(more > 0).then(|| view! { " " <span class="badge">{["+", &more.to_string()].concat()}</span> })}
                </A>
            </td>
            <td class="images__id"><code class="muted">{short(&image.id)}</code></td>
            <td class="num nowrap">{size(image.size_bytes)}</td>
            <td class="num nowrap images__wide muted">{size(image.shared_bytes)}</td>
            <td class="images__wide muted">{image.platform.clone()}</td>
            <td>
                {users}
                {(hidden > 0).then(|| ["+", &hidden.to_string()].concat())}
                {unused.then(|| view! { <span class="muted">"unused"</span> })}
            </td>
            <td class="images__wide nowrap muted">{created.map(|at| time::ago(at, app.now.get_untracked()))}</td>
            <td>
                <div class="row" style="gap:0;justify-content:flex-end">
                    <A
                        href=run
                        attr:class="button button--quiet button--icon button--small"
                        attr:aria-label="Run"
                        attr:title="Run"
                        attr:data-testid="images.row.run"
                    >
                        {icon("play")}
                    </A>
                    <button
                        type="button"
                        class="button button--quiet button--icon button--small"
                        aria-label="Actions"
                        aria-haspopup="menu"
                        data-testid="images.row.menu"
                        on:click=menu
                    >
                        {icon("more")}
                    </button>
                </div>
            </td>
        </tr>
    }
    .into_any()
}
