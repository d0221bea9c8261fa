//! One image: what it says, its layers, its history, who uses it.

use super::super::frame::{Head, Loaded, Reader};
use super::list::{remove, short};
use crate::client::decode::FromTree;
use crate::client::http::{Failure, escape};
use crate::components::icon::icon;
use crate::components::meter::Meter;
use crate::components::notice::{Empty, failure, skeleton};
use crate::format::{number, size, time};
use crate::state::App;
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
    move || page(id.get())
}

fn page(id: String) -> AnyView {
    let app = App::get();
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
        Loaded::Ready(details) => columns(details),
    };
    let buttons = move || {
        let Loaded::Ready(details) = details.get() else {
            return None;
        };
        if !app.session.may(Role::Operator) {
            return None;
        }
        let run = ["/containers/new?image=", &escape(&title.get())].concat();
        Some(view! {
            <A href=run attr:class="button button--primary" attr:data-testid="image.head.run">
                {icon("play")}
                "Run"
            </A>
            <button
                type="button"
                class="button"
                data-testid="image.head.delete"
                on:click=move |_| {
                    remove(app, &details.image, move || {
                        let _ = navigate.try_with_value(|go| go("/images", NavigateOptions::default()));
                    });
                }
            >
                {icon("trash")}
                "Delete"
            </button>
        })
    };
    view! { <div class="page"><Head title>{buttons}</Head>{body}</div> }.into_any()
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
    let largest = details
        .layers
        .iter()
        .map(|layer| layer.size_bytes)
        .max()
        .unwrap_or(1)
        .max(1);
    let created = image.created.as_deref().and_then(time::parse).map(time::local);
    let layers = details
        .layers
        .into_iter()
        .enumerate()
        .map(|(at, layer)| {
            let share = Some(layer.size_bytes as f64 / largest as f64);
            view! {
                <tr>
                    <td class="num muted">{at + 1}</td>
                    <td><code>{short(&layer.digest)}</code></td>
                    <td class="layers__bar"><Meter share=Signal::stored(share.map(|s| s * 0.74)) label="Size among the layers"/></td>
                    <td class="num nowrap">{size(layer.size_bytes)}</td>
                    <td class="muted nowrap">
                        {(layer.shared_with > 0).then(|| ["shared by ", &number::plural(layer.shared_with as usize, "other image")].concat())}
                    </td>
                </tr>
            }
        })
        .collect_view();
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
                        <h2>"Layers"</h2>
                        <span class="muted">{size(image.size_bytes)}</span>
                    </header>
                    <div class="table-scroll"><table class="table"><tbody>{layers}</tbody></table></div>
                </section>
                <section class="card">
                    <header class="card__head">
                        <h2>"How it was made"</h2>
                    </header>
                    <div class="table-scroll"><table class="table"><tbody>{history}</tbody></table></div>
                </section>
            </div>
            <div>
                <section class="card">
                    <header class="card__head">
                        <h2>"What it says"</h2>
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
                    {unused.then(|| view! { <Empty icon="container" text="No container uses it."/> })}
                </section>
            </div>
        </div>
    }
    .into_any()
}
