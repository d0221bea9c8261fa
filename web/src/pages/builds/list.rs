//! The list of builds, newest first.

use super::super::frame::{Head, Reader};
use super::{elapsed, status, steps_done};
use crate::client::http::{self, escape};
use crate::client::socket::{self, Heard};
use crate::components::dialog::Question;
use crate::components::icon::icon;
use crate::components::notice::Empty;
use crate::components::status_chip::status_chip;
use crate::format::{number, size, time};
use crate::state::App;
use leptos::prelude::*;
use leptos::task::spawn_local;
use leptos_router::components::A;
use shared::build::{Build, CacheEntry, CachePrune, CachePruned};
use shared::list::List;
use shared::session::Role;
use shared::socket::{Data, Topic};
use std::rc::Rc;

/// The page.
#[component]
pub fn Builds() -> impl IntoView {
    let app = App::get();
    let reader = Reader::<List<Build>>::new("/builds");
    let following = socket::open(Topic::Builds { build: None }, None, move |heard| {
        if let Heard::Data(Data::Builds(_)) | Heard::Reset = heard {
            reader.again();
        }
    });
    let following = StoredValue::new_local(Some(following));
    on_cleanup(move || following.set_value(None));
    view! {
        <div class="page">
            <Head title="Builds">
                <Show when=move || app.session.may(Role::Operator)>
                    <button type="button" class="button" data-testid="builds.head.cache" on:click=move |_| clear_cache(app)>
                        {icon("trash")}
                        "Clear cache"
                    </button>
                    <A href="/builds/new" attr:class="button button--primary" attr:data-testid="builds.head.new">
                        {icon("plus")}
                        "New build"
                    </A>
                </Show>
            </Head>
            <section class="card">{reader.show("Builds could not be listed", table)}</section>
        </div>
    }
}

/// Tells what the cache holds, and forgets it when that is wanted.
fn clear_cache(app: App) {
    spawn_local(async move {
        let entries = match http::get::<List<CacheEntry>>("/builds/cache").await {
            Ok(list) => list.items,
            Err(failure) => {
                return app
                    .toasts
                    .failed("The cache could not be read".to_owned(), failure.to_string());
            }
        };
        let bytes: u64 = entries.iter().map(|entry| entry.size_bytes).sum();
        app.asker.ask(Question {
            title: "Clear the build cache?".to_owned(),
            points: vec![
                [
                    &number::plural(entries.len(), "step"),
                    " cached, with ",
                    &size(bytes),
                    " of layers.",
                ]
                .concat(),
                "Layers of images stay. The next builds run every step again.".to_owned(),
            ],
            action: "Clear cache".to_owned(),
            danger: true,
            typed: None,
            choice: None,
            act: Rc::new(move |_| {
                spawn_local(async move {
                    match http::send::<_, CachePruned>("POST", "/builds/cache/prune", &CachePrune::default()).await {
                        Ok(done) => app
                            .toasts
                            .done(["Build cache cleared, ", &size(done.freed_bytes), " freed"].concat()),
                        Err(failure) => app
                            .toasts
                            .failed("The cache was not cleared".to_owned(), failure.to_string()),
                    }
                });
            }),
        });
    });
}

fn table(_: Reader<List<Build>>, list: List<Build>) -> AnyView {
    if list.items.is_empty() {
        return view! {
            <Empty icon="build" text="No builds yet. Build an image from a Dockerfile, here or with docker build.">
                <A href="/builds/new" attr:class="button button--primary" attr:data-testid="builds.empty.new">
                    {icon("plus")}
                    "New build"
                </A>
            </Empty>
        }
        .into_any();
    }
    view! {
        <div class="table-scroll" tabindex="0">
            <table class="table">
                <thead>
                    <tr>
                        <th scope="col">"State"</th>
                        <th scope="col">"Image"</th>
                        <th scope="col">"Steps"</th>
                        <th scope="col" class="num">"Took"</th>
                        <th scope="col" class="num builds__wide">"Size"</th>
                        <th scope="col" class="builds__wide">"By"</th>
                        <th scope="col">"Started"</th>
                    </tr>
                </thead>
                <tbody>{list.items.into_iter().map(row).collect_view()}</tbody>
            </table>
        </div>
    }
    .into_any()
}

fn row(build: Build) -> AnyView {
    let app = App::get();
    let began = time::parse(&build.started);
    let took = {
        let build = build.clone();
        move || elapsed(&build, if build.ended.is_some() { 0.0 } else { app.now.get() })
    };
    let title = build.title.clone();
    let named = title.clone();
    view! {
        <tr data-testid="builds.row" data-name=named>
            <td>{status_chip(status(&build))}</td>
            <td>
                <A href=["/builds/", &escape(&build.id)].concat() attr:class="containers__link" attr:data-testid="builds.row.open">
                    {title}
                </A>
            </td>
            <td class="muted nowrap">{steps_done(&build)}</td>
            <td class="num nowrap">{took}</td>
            <td class="num nowrap builds__wide">{build.size_bytes.map_or_else(|| "-".to_owned(), size)}</td>
            <td class="muted builds__wide">{build.owner.clone()}</td>
            <td class="muted nowrap">{began.map(|at| time::ago(at, app.now.get_untracked()))}</td>
        </tr>
    }
    .into_any()
}
