//! One image: what it says, its layers, its history, who uses it.

use super::super::frame::{Head, Loaded, Reader};
use super::attached::attached;
use super::layers::layers;
use super::list::{IN_USE, remove, short};
use super::send::Names;
use crate::client::decode::FromTree;
use crate::client::http::{Failure, escape};
use crate::components::icon::icon;
use crate::components::menu::Item;
use crate::components::notice::{Empty, failure, skeleton};
use crate::components::tabs::{Tab, Tabs, no_such_tab};
use crate::format::{size, time};
use crate::state::App;
use crate::state::connection::CUT;
use crate::state::signal::See;
use leptos::prelude::*;
use leptos_router::NavigateOptions;
use leptos_router::components::A;
use leptos_router::hooks::{use_navigate, use_params_map};
use serde_json::Value;
use shared::image::Details;
use shared::session::Role;

/// The page.
#[component]
pub fn ImageDetail() -> impl IntoView {
    let params = use_params_map();
    let id = Memo::new(move |_| params.see(|params| params.get("id").unwrap_or_default()));
    let tab = Memo::new(move |_| params.see(|params| params.get("tab").unwrap_or_default()));
    move || page(id.get(), tab)
}

const TABS: [(&str, &str); 2] = [("overview", "Overview"), ("layers", "Layers and files")];

fn page(id: String, tab: Memo<String>) -> AnyView {
    let app = App::get();
    let names = Names::default();
    let reader = Reader::<Value>::new(["/images/", &escape(&id)].concat());
    let details = Memo::new(move |_| match reader.value.get() {
        Loaded::Loading => Loaded::Loading,
        Loaded::Failed(failure) => Loaded::Failed(failure),
        Loaded::Ready(value) => match Details::from_tree(&value) {
            Ok(details) => Loaded::Ready(details),
            Err(error) => Loaded::Failed(Failure::Unreadable(error.to_string())),
        },
    });
    let navigate = StoredValue::new_local(use_navigate());
    let address = StoredValue::new(["/images/", &escape(&id)].concat());
    let title = Signal::derive(move || {
        details.see(|value| match value {
            Loaded::Ready(details) => details.image.tags.first().cloned().unwrap_or_else(|| short(&id)),
            Loaded::Loading | Loaded::Failed(_) => short(&id),
        })
    });
    let body = move || match details.get() {
        Loaded::Loading => skeleton(6),
        Loaded::Failed(problem) if problem.status() == 404 => view! {
            <section class="card">
                <Empty icon="image" text="This image is not on this host.">
                    <A href="/images" attr:class="button">"All images"</A>
                </Empty>
            </section>
        }
        .into_any(),
        Loaded::Failed(problem) => failure("The image could not be read", problem.to_string(), move || {
            reader.again();
        }),
        Loaded::Ready(details) => match tab.get().as_str() {
            "" | "overview" => columns(details),
            "layers" => layers(&details),
            _ => no_such_tab(),
        },
    };
    let tabs = Signal::derive(move || {
        TABS.map(|(key, word)| Tab {
            word,
            href: [&address.get_value(), "/", key].concat(),
            testid: ["image.tab.", key].concat(),
            count: None,
        })
        .to_vec()
    });
    let chosen = Signal::derive(move || match tab.get().as_str() {
        "" | "overview" => 0,
        "layers" => 1,
        _ => usize::MAX,
    });
    let dialogs = move || {
        let Loaded::Ready(details) = details.get() else {
            return None;
        };
        let tag = details.image.tags.first().cloned().unwrap_or_default();
        Some(names.dialogs(&details.image.id, tag, move || reader.again()))
    };
    let buttons = move || {
        let Loaded::Ready(details) = details.get() else {
            return None;
        };
        if !app.session.may(Role::Operator) {
            return None;
        }
        let run = ["/containers/new?image=", &escape(&title.get())].concat();
        let menu = move |event: web_sys::MouseEvent| {
            let removed = details.image.clone();
            let download = |part: &'static str| {
                let path = ["/api/v1", &address.get_value(), part].concat();
                move || crate::components::watch::download(&path)
            };
            let items = vec![
                Item::new("tag", "Add tag", "image.menu.tag", move || {
                    names.tagging.set(true);
                }),
                Item::new("upload", "Push to a registry", "image.menu.push", move || {
                    names.pushing.set(true);
                }),
                Item::new("download", "Save as tar", "image.menu.save", download("/save")),
                Item::new(
                    "download",
                    "Packages as SPDX",
                    "image.menu.spdx",
                    download("/sbom?format=spdx"),
                ),
                Item::new(
                    "download",
                    "Packages as CycloneDX",
                    "image.menu.cyclonedx",
                    download("/sbom?format=cyclonedx"),
                ),
                Item::new("trash", "Delete", "image.menu.delete", move || {
                    remove(app, &removed, move || {
                        let _ = navigate.try_with_value(|go| go("/images", NavigateOptions::default()));
                    });
                })
                .danger()
                .refused_if(!details.image.used_by.is_empty(), IN_USE)
                .refused_if(app.connection.link_is_cut(), CUT),
            ];
            app.menus.open(&event, items);
        };
        Some(view! {
            <A href=run attr:class="button button--primary" attr:data-testid="image.head.run">
                {icon("play")}
                "Run"
            </A>
            <button
                type="button"
                class="button button--icon"
                aria-label="Actions"
                aria-haspopup="menu"
                data-testid="image.head.menu"
                on:click=menu
            >
                {icon("more")}
            </button>
        })
    };
    view! {
        <div class="page">
            <Head title>{buttons}</Head>
            <Tabs tabs chosen label="Of this image"/>
            {body}
            {dialogs}
        </div>
    }
    .into_any()
}

fn fact(term: &'static str, text: String) -> AnyView {
    let text = if text.is_empty() { "-".to_owned() } else { text };
    view! {
        <dt>{term}</dt>
        <dd class="mono">{text}</dd>
    }
    .into_any()
}

fn columns(details: Details) -> AnyView {
    let image = details.image;
    let details = details.spec;
    let attached = attached(&image.id);
    let created = image.created.as_deref().and_then(time::parse).map(time::local);
    let history = details
        .history
        .into_iter()
        .map(|step| {
            view! {
                <tr>
                    <td class="mono" class:muted=step.empty>{step.instruction}</td>
                    <td class="num nowrap">{if step.empty { "no layer".to_owned() } else { size(step.size_bytes) }}</td>
                </tr>
            }
        })
        .collect_view();
    let unused = image.used_by.is_empty();
    let users = image
        .used_by
        .into_iter()
        .map(|user| {
            view! {
                <li class="line">
                    <A href=["/containers/", &user.id].concat() attr:class="line__name grow">{user.name}</A>
                    <span class="muted">{if user.running { "running" } else { "not running" }}</span>
                </li>
            }
        })
        .collect_view();
    view! {
        <div class="columns">
            <div>
                <section class="card">
                    <header class="card__head">
                        <h2>"History"</h2>
                        <span class="muted">{size(image.size_bytes)}</span>
                    </header>
                    <div class="table-scroll" tabindex="0"><table class="table"><tbody>{history}</tbody></table></div>
                </section>
                {attached}
            </div>
            <div>
                <section class="card">
                    <header class="card__head">
                        <h2>"Configuration"</h2>
                    </header>
                    <div class="card__body">
                        <dl class="facts">
                            {fact("Tags", image.tags.join(", "))} {fact("Entry point", details.entrypoint.join(" "))}
                            {fact("Command", details.command.join(" "))} {fact("Directory", details.working_dir)}
                            {fact("User", details.user)} {fact("Ports", details.exposed_ports.join(", "))}
                            {fact("Volumes", details.volumes.join(", "))} {fact("Environment", details.env.join("  "))}
                            {fact("Platform", image.platform)} {fact("Created", created.unwrap_or_default())}
                            {fact("Id", image.id)} {fact("Manifest", details.manifest)}
                        </dl>
                    </div>
                </section>
                <section class="card">
                    <header class="card__head">
                        <h2>"Used by"</h2>
                    </header>
                    <ul>{users}</ul>
                    {unused.then(|| view! { <Empty icon="container" text="No container uses this image."/> })}
                </section>
            </div>
        </div>
    }
    .into_any()
}
