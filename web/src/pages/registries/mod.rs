//! Registries: how each is reached, and as whom.

use super::frame::{Head, Reader};
use crate::client::http::{self, escape};
use crate::components::dialog::{Dialog, Question};
use crate::components::field::{Kind, check, field, given};
use crate::components::icon::icon;
use crate::components::notice::{Empty, note};
use crate::format::time;
use crate::state::App;
use leptos::prelude::*;
use leptos::task::spawn_local;
use shared::list::List;
use shared::registry::{Registry, RegistrySetup, Transport, Verdict};
use shared::session::Role;
use std::rc::Rc;

/// The page.
#[component]
pub fn Registries() -> impl IntoView {
    let app = App::get();
    let reader = Reader::<List<Registry>>::new("/registries");
    let form = Form::default();
    provide_context(form);
    view! {
        <div class="page">
            <Head title="Registries">
                <Show when=move || app.session.may(Role::Admin)>
                    <button type="button" class="button" data-testid="registries.head.import" on:click=move |_| form.importing.set(true)>
                        {icon("upload")}
                        "Import"
                    </button>
                    <button
                        type="button"
                        class="button button--primary"
                        data-testid="registries.head.new"
                        on:click=move |_| form.begin(None)
                    >
                        {icon("plus")}
                        "Add registry"
                    </button>
                </Show>
            </Head>
            <p class="page__lead">
                "Images can be pulled from any registry without adding it here. Add one to sign in to it, to trust its certificate authority, or to use it without TLS."
            </p>
            <section class="card">
                {reader.show("Registries could not be listed", table)}
            </section>
            <Dialog open=form.open title=Signal::derive(move || form.title()) testid="registries.edit">
                {edit(reader, form)}
            </Dialog>
            <Dialog open=form.importing title="Import sign-ins" testid="registries.import">
                {import(reader, form)}
            </Dialog>
        </div>
    }
}

/// What is being typed.
#[derive(Clone, Copy)]
struct Form {
    open: RwSignal<bool>,
    importing: RwSignal<bool>,
    /// Changes one that is there, whose host is fixed.
    changes: RwSignal<bool>,
    host: RwSignal<String>,
    username: RwSignal<String>,
    password: RwSignal<String>,
    unchecked: RwSignal<bool>,
    plain: RwSignal<bool>,
    ca: RwSignal<String>,
    /// One a line.
    mirrors: RwSignal<String>,
    mistake: RwSignal<String>,
}

impl Default for Form {
    fn default() -> Self {
        let text = || RwSignal::new(String::new());
        let flag = || RwSignal::new(false);
        Self {
            open: flag(),
            importing: flag(),
            changes: flag(),
            host: text(),
            username: text(),
            password: text(),
            unchecked: flag(),
            plain: flag(),
            ca: text(),
            mirrors: text(),
            mistake: text(),
        }
    }
}

impl Form {
    fn begin(self, registry: Option<&Registry>) {
        self.changes.set(registry.is_some());
        self.host
            .set(registry.map(|registry| registry.host.clone()).unwrap_or_default());
        self.username.set(
            registry
                .and_then(|registry| registry.username.clone())
                .unwrap_or_default(),
        );
        let transport = registry.map(|registry| registry.transport).unwrap_or_default();
        self.unchecked.set(transport == Transport::Unchecked);
        self.plain.set(transport == Transport::Plain);
        self.mirrors
            .set(registry.map(|registry| registry.mirrors.join("\n")).unwrap_or_default());
        for text in [self.password, self.ca, self.mistake] {
            text.set(String::new());
        }
        self.open.set(true);
    }

    fn title(self) -> String {
        if self.changes.get() {
            ["Registry ", &self.host.get()].concat()
        } else {
            "Add a registry".to_owned()
        }
    }

    fn setup(self) -> RegistrySetup {
        RegistrySetup {
            username: given(self.username),
            password: given(self.password),
            transport: match (self.plain.get_untracked(), self.unchecked.get_untracked()) {
                (true, _) => Transport::Plain,
                (false, true) => Transport::Unchecked,
                (false, false) => Transport::Checked,
            },
            ca: given(self.ca),
            mirrors: Some(
                self.mirrors
                    .get_untracked()
                    .split_whitespace()
                    .map(str::to_owned)
                    .collect(),
            ),
        }
    }
}

fn edit(reader: Reader<List<Registry>>, form: Form) -> AnyView {
    let app = App::get();
    let submit = move |event: web_sys::SubmitEvent| {
        event.prevent_default();
        let Some(host) = given(form.host) else {
            form.mistake.set("Name the registry's host.".to_owned());
            return;
        };
        let setup = form.setup();
        spawn_local(async move {
            let path = ["/registries/", &escape(&host)].concat();
            match http::send::<_, Registry>("PUT", &path, &setup).await {
                Ok(registry) => {
                    app.toasts.done([&registry.host, " is saved"].concat());
                    form.open.set(false);
                    reader.again();
                }
                Err(failure) => {
                    let _ = form.mistake.try_set(failure.to_string());
                }
            }
        });
    };
    let keeps = move || {
        form.changes
            .get()
            .then(|| note("info", "Leave password or certificate empty to keep the stored one."))
    };
    view! {
        <form on:submit=submit>
            <div class="dialog__body">
                <Show when=move || !form.changes.get()>
                    {field("Host", "registry.example.org:5000", Kind::Text, "registries.edit.host", form.host)}
                </Show>
                {field("User", "anonymous", Kind::Text, "registries.edit.user", form.username)}
                {field("Password or token", "", Kind::Password, "registries.edit.password", form.password)}
                {check("Skip certificate verification", "registries.edit.unchecked", form.unchecked)}
                {check("No TLS: traffic is not encrypted", "registries.edit.plain", form.plain)}
                {field("Its certificate authority (PEM)", "-----BEGIN CERTIFICATE-----", Kind::Area, "registries.edit.ca", form.ca)}
                {field("Mirrors asked first, one a line", "https://mirror.example.org", Kind::Area, "registries.edit.mirrors", form.mirrors)}
                {keeps}
                {move || (!form.mistake.get().is_empty()).then(|| note("bad", form.mistake.get()))}
            </div>
            <footer class="dialog__foot">
                <button type="button" class="button" data-testid="registries.edit.cancel" on:click=move |_| form.open.set(false)>
                    "Cancel"
                </button>
                <button type="submit" class="button button--primary" data-testid="registries.edit.save">
                    "Save"
                </button>
            </footer>
        </form>
    }
    .into_any()
}

/// A Docker `config.json`, pasted.
fn import(reader: Reader<List<Registry>>, form: Form) -> AnyView {
    let app = App::get();
    let text = RwSignal::new(String::new());
    let mistake = RwSignal::new(String::new());
    let submit = move |event: web_sys::SubmitEvent| {
        event.prevent_default();
        let body = text.get_untracked();
        spawn_local(async move {
            match http::request("POST", "/registries/import", Some(body)).await {
                Ok(_) => {
                    app.toasts.done("Sign-ins are imported".to_owned());
                    form.importing.set(false);
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
                <p>"Paste the file " <code>"~/.docker/config.json"</code> ". Sign-ins that a credential helper keeps are not in it."</p>
                {field("config.json", "{ \"auths\": { … } }", Kind::Area, "registries.import.text", text)}
                {move || (!mistake.get().is_empty()).then(|| note("bad", mistake.get()))}
            </div>
            <footer class="dialog__foot">
                <button type="button" class="button" data-testid="registries.import.cancel" on:click=move |_| form.importing.set(false)>
                    "Cancel"
                </button>
                <button type="submit" class="button button--primary" data-testid="registries.import.act">
                    "Import"
                </button>
            </footer>
        </form>
    }
    .into_any()
}

fn table(reader: Reader<List<Registry>>, list: List<Registry>) -> AnyView {
    let form: Form = expect_context();
    if list.items.is_empty() {
        return view! { <Empty icon="shield" text="No registry is configured: every registry is used anonymously over TLS."/> }
            .into_any();
    }
    view! {
        <div class="table-scroll" tabindex="0">
            <table class="table">
                <thead>
                    <tr>
                        <th scope="col">"Registry"</th>
                        <th scope="col">"User"</th>
                        <th scope="col">"Connection"</th>
                        <th scope="col" class="builds__wide">"Last used"</th>
                        <th scope="col"><span class="visually-hidden">"Actions"</span></th>
                    </tr>
                </thead>
                <tbody>{list.items.into_iter().map(|registry| row(reader, registry, form)).collect_view()}</tbody>
            </table>
        </div>
    }
    .into_any()
}

fn row(reader: Reader<List<Registry>>, registry: Registry, form: Form) -> AnyView {
    let app = App::get();
    let used = registry.used.as_deref().and_then(time::parse);
    let used = used.map_or_else(|| "never".to_owned(), |at| time::ago(at, app.now.get_untracked()));
    let (class, reached) = match registry.transport {
        Transport::Checked if registry.own_ca => ("badge badge--ok", "TLS, own authority"),
        Transport::Checked => ("badge badge--ok", "TLS"),
        Transport::Unchecked => ("badge badge--warn", "TLS, not verified"),
        Transport::Plain => ("badge badge--warn", "no TLS"),
    };
    let may = move || app.session.may(Role::Admin);
    let host = StoredValue::new(registry.host.clone());
    let shown = StoredValue::new(registry.clone());
    let verdict = RwSignal::new(None::<(bool, String)>);
    let try_it = move |_| {
        verdict.set(Some((true, "Testing…".to_owned())));
        spawn_local(async move {
            let path = ["/registries/", &escape(&host.get_value()), "/check"].concat();
            let answer = http::request("POST", &path, None).await;
            let told = answer.and_then(|text| {
                crate::client::decode::decode::<Verdict>(&text)
                    .map_err(|error| http::Failure::Unreadable(error.to_string()))
            });
            let _ = verdict.try_set(Some(match told {
                Ok(told) => (told.works, http::sentence(&told.detail)),
                Err(failure) => (false, failure.to_string()),
            }));
        });
    };
    let remove = move || {
        let name = host.get_value();
        app.asker.ask(Question {
            title: ["Remove ", &name, "?"].concat(),
            points: vec!["Its sign-in and certificate are deleted. Images from it stay.".to_owned()],
            action: "Remove registry".to_owned(),
            danger: true,
            typed: None,
            choice: None,
            act: Rc::new(move |_| {
                let name = name.clone();
                spawn_local(async move {
                    match http::act("DELETE", &["/registries/", &escape(&name)].concat()).await {
                        Ok(()) => reader.again(),
                        Err(failure) => app
                            .toasts
                            .failed([&name, " is still listed"].concat(), failure.to_string()),
                    }
                });
            }),
        });
    };
    let button = |word: &'static str, name: &'static str, testid: &'static str, act: Box<dyn Fn() + Send + Sync>| {
        view! {
            <button
                type="button"
                class="button button--quiet button--icon button--small"
                aria-label=[word, " ", &registry.host].concat()
                title=word
                data-testid=testid
                prop:disabled=move || !may()
                on:click=move |_| act()
            >
                {icon(name)}
            </button>
        }
    };
    view! {
        <tr data-testid="registries.row" data-name=registry.host.clone()>
            <td>
                <strong class="nowrap">{registry.host.clone()}</strong>
                {move || {
                    verdict
                        .get()
                        .map(|(works, text)| {
                            let class = if works { "muted" } else { "text-bad" };
                            view! { <div class=class aria-live="polite" data-testid="registries.row.verdict">{text}</div> }
                        })
                }}
            </td>
            <td>{registry.username.clone().unwrap_or_else(|| "anonymous".to_owned())}</td>
            <td><span class=class>{reached}</span></td>
            <td class="nowrap muted builds__wide">{used}</td>
            <td>
                <div class="row" style="gap:0;justify-content:flex-end">
                    <button type="button" class="button button--small" data-testid="registries.row.try" prop:disabled=move || !may() on:click=try_it>
                        "Test"
                    </button>
                    {button("Edit", "edit", "registries.row.change", Box::new(move || form.begin(Some(&shown.get_value()))))}
                    {button("Remove", "trash", "registries.row.forget", Box::new(remove))}
                </div>
            </td>
        </tr>
    }
    .into_any()
}
