//! Volumes: directories that outlive containers.

use super::frame::{Head, Loaded, Reader};
use super::images::list::users;
use crate::client::http::{self, escape, sentence};
use crate::components::dialog::{Dialog, Question};
use crate::components::icon::icon;
use crate::components::notice::{Empty, note};
use crate::format::{size, time};
use crate::state::App;
use crate::state::signal::See;
use leptos::prelude::*;
use leptos::task::spawn_local;
use shared::list::List;
use shared::session::Role;
use shared::volume::{NewVolume, Volume};
use std::rc::Rc;

/// The page.
#[component]
pub fn Volumes() -> impl IntoView {
    let app = App::get();
    let reader = Reader::<List<Volume>>::new("/volumes");
    // Counted after the list is shown: that takes as long as volumes have files.
    Effect::new(move || {
        let uncounted = reader.value.see(|value| match value {
            Loaded::Ready(list) => list.items.iter().any(|volume| volume.size_bytes.is_none()),
            Loaded::Loading | Loaded::Failed(_) => false,
        });
        if uncounted {
            spawn_local(async move {
                if let Ok(list) = http::get::<List<Volume>>("/volumes?sizes=true").await {
                    let _ = reader.value.try_set(Loaded::Ready(list));
                }
            });
        }
    });
    let open = RwSignal::new(false);
    view! {
        <div class="page">
            <Head title="Volumes">
                <Show when=move || app.session.may(Role::Operator)>
                    <button type="button" class="button button--primary" data-testid="volumes.head.new" on:click=move |_| open.set(true)>
                        {icon("plus")}
                        "New volume"
                    </button>
                </Show>
            </Head>
            <section class="card">{reader.show("Volumes could not be listed", table)}</section>
            <Dialog open title="New volume" testid="volumes.new">{new_form(reader, open)}</Dialog>
        </div>
    }
}

fn new_form(reader: Reader<List<Volume>>, open: RwSignal<bool>) -> AnyView {
    let app = App::get();
    let name = RwSignal::new(String::new());
    let mistake = RwSignal::new(String::new());
    let submit = move |event: web_sys::SubmitEvent| {
        event.prevent_default();
        let wanted = name.get_untracked().trim().to_owned();
        if !model::mount::is_volume_name(&wanted) {
            let error = model::mount::InvalidMount::VolumeName(wanted);
            mistake.set(sentence(&error.to_string()));
            return;
        }
        spawn_local(async move {
            let request = NewVolume {
                name: wanted,
                ..NewVolume::default()
            };
            match http::send::<_, Volume>("POST", "/volumes", &request).await {
                Ok(volume) => {
                    app.toasts.done([&volume.name, " created"].concat());
                    open.set(false);
                    reader.again();
                }
                Err(failure) => {
                    let _ = mistake.try_set(failure.to_string());
                }
            }
        });
    };
    view! {
        <form on:submit=submit>
            <div class="dialog__body">
                <label class="field">
                    <span class="field__label">"Name"</span>
                    <input
                        class="input"
                        autofocus
                        autocomplete="off"
                        data-testid="volumes.new.name"
                        prop:value=move || name.get()
                        on:input=move |event| name.set(event_target_value(&event))
                    />
                </label>
                {move || (!mistake.get().is_empty()).then(|| note("bad", mistake.get()))}
            </div>
            <footer class="dialog__foot">
                <button type="button" class="button" data-testid="volumes.new.cancel" on:click=move |_| open.set(false)>
                    "Cancel"
                </button>
                <button type="submit" class="button button--primary" data-testid="volumes.new.create">
                    "Create volume"
                </button>
            </footer>
        </form>
    }
    .into_any()
}

fn table(reader: Reader<List<Volume>>, list: List<Volume>) -> AnyView {
    if list.items.is_empty() {
        return view! { <Empty icon="volume" text="No volumes yet. Create one here, or name one in a container's mounts."/> }.into_any();
    }
    let app = App::get();
    view! {
        <div class="table-scroll" tabindex="0">
            <table class="table">
                <thead>
                    <tr>
                        <th scope="col">"Name"</th>
                        <th scope="col" class="num">"Size"</th>
                        <th scope="col">"Used by"</th>
                        <th scope="col">"Created"</th>
                        <th scope="col"><span class="visually-hidden">"Actions"</span></th>
                    </tr>
                </thead>
                <tbody>{list.items.into_iter().map(|volume| row(app, reader, volume)).collect_view()}</tbody>
            </table>
        </div>
    }
    .into_any()
}

fn row(app: App, reader: Reader<List<Volume>>, volume: Volume) -> AnyView {
    let created = time::parse(&volume.created).map(time::local);
    let users = users(volume.used_by.clone(), 8);
    let used = !volume.used_by.is_empty();
    let removed = volume.clone();
    let remove = move |_| {
        let name = removed.name.clone();
        app.asker.ask(Question {
            title: ["Delete volume ", &name, "?"].concat(),
            points: vec![
                "Every file in it is deleted. This cannot be undone.".to_owned(),
                removed
                    .size_bytes
                    .map(|bytes| ["It holds ", &size(bytes), "."].concat())
                    .unwrap_or_default(),
            ],
            action: "Delete volume".to_owned(),
            danger: true,
            typed: Some(name.clone()),
            choice: None,
            act: Rc::new(move |_| {
                let name = name.clone();
                spawn_local(async move {
                    match http::act("DELETE", &["/volumes/", &escape(&name)].concat()).await {
                        Ok(()) => {
                            app.toasts.done([&name, " deleted"].concat());
                            reader.again();
                        }
                        Err(failure) => app
                            .toasts
                            .failed([&name, " was not deleted"].concat(), failure.to_string()),
                    }
                });
            }),
        });
    };
    view! {
        <tr data-testid="volumes.row" data-name=volume.name.clone()>
            <td title=volume.path.clone()><strong>{volume.name.clone()}</strong></td>
            <td class="num nowrap">{volume.size_bytes.map_or_else(|| "-".to_owned(), size)}</td>
            <td>{users} {(!used).then(|| view! { <span class="muted">"unused"</span> })}</td>
            <td class="nowrap muted">{created}</td>
            <td>
                <div class="row" style="justify-content:flex-end">
                    <button
                        type="button"
                        class="button button--quiet button--icon button--small"
                        aria-label=["Delete ", &volume.name].concat()
                        title=if used { "A container uses it" } else { "Delete" }
                        data-testid="volumes.row.delete"
                        prop:disabled=move || used || !app.session.may(Role::Operator)
                        on:click=remove
                    >
                        {icon("trash")}
                    </button>
                </div>
            </td>
        </tr>
    }
    .into_any()
}
