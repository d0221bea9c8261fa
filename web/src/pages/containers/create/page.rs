//! The form as it is seen.

use super::DRAFT;
use super::draft::Draft;
use super::form::{self, Form};
use super::judge::Judged;
use super::request_drawer::request_drawer;
use super::sections::SECTIONS;
use super::server::Checked;
use super::unchanged::hidden;
use crate::client::http;
use crate::components::icon::icon;
use crate::components::notice::note;
use crate::format::number;
use crate::pages::frame::Head;
use crate::state::App;
use crate::state::preferences::forget;
use crate::state::signal::{Edit, See};
use crate::table::KeySet;
use leptos::prelude::*;
use leptos_router::components::A;
use wasm_bindgen::JsCast;

/// What the parts of the page share.
#[derive(Clone, Copy)]
pub struct Page {
    pub app: App,
    pub form: Form,
    pub judged: Memo<Judged>,
    pub checked: RwSignal<Checked>,
    /// The form was sent once: every mistake is shown from now on.
    pub tried: RwSignal<bool>,
    /// Why the server refused the whole.
    pub general: RwSignal<String>,
    /// All settings are shown, not only the usual ones.
    pub all: RwSignal<bool>,
    pub drawer: RwSignal<bool>,
    pub busy: RwSignal<bool>,
    /// The draft is one that was kept, and may be discarded.
    pub offered: RwSignal<bool>,
}

impl Page {
    pub fn view(self) -> AnyView {
        let submit = self.submit();
        view! {
            <form class="page create" novalidate on:submit=submit on:keydown=submit_by_key>
                {self.head()}
                {self.draft_note()}
                <div class="create__columns" class:create__columns--drawer=move || self.drawer.get()>
                    <nav class="create__index" aria-label="Sections">
                        <ul>{self.index()}</ul>
                    </nav>
                    <div class="create__main">
                        {self.sections()}
                        {self.kept_note()}
                        <div aria-live="polite" class="stack">{self.warnings()}</div>
                    </div>
                    <Show when=move || self.drawer.get()>{request_drawer(self.judged)}</Show>
                </div>
                {self.foot()}
            </form>
        }
        .into_any()
    }

    fn head(self) -> AnyView {
        let choice = move |word: &'static str, value: bool, testid: &'static str| {
            view! {
                <button
                    type="button"
                    class="segments__part"
                    aria-pressed=move || (self.all.get() == value).to_string()
                    data-testid=testid
                    on:click=move |_| self.all.set(value)
                >
                    {word}
                </button>
            }
        };
        view! {
            <Head title="New container">
                <div class="segments" role="group" aria-label="How much is shown">
                    {choice("Usual settings", false, "create.view.usual")}
                    {choice("All settings", true, "create.view.all")}
                </div>
                <button
                    type="button"
                    class="button"
                    aria-pressed=move || self.drawer.get().to_string()
                    data-testid="create.view.request"
                    on:click=move |_| self.drawer.edit(|drawer| *drawer = !*drawer)
                >
                    {icon("code")}
                    "Request"
                </button>
            </Head>
        }
        .into_any()
    }

    /// Says that the draft is an old one.
    fn draft_note(self) -> AnyView {
        let discard = move |_| {
            forget(DRAFT);
            self.form.draft.set(Draft::default());
            self.form.touched.set(KeySet::new());
            self.tried.set(false);
            self.offered.set(false);
        };
        view! {
            <Show when=move || self.offered.get()>
                <div class="note note--info" data-testid="create.draft.note">
                    {icon("info")}
                    <span class="grow">"Unsaved draft restored"</span>
                    <button type="button" class="button button--small" data-testid="create.draft.discard" on:click=discard>
                        "Discard draft"
                    </button>
                </div>
            </Show>
        }
        .into_any()
    }

    /// Names what a copy has that no field shows.
    fn kept_note(self) -> AnyView {
        let fields = Memo::new(move |_| self.form.draft.see(|draft| draft.base.as_ref().map(hidden)));
        (move || {
            let fields = fields.get().filter(|fields| !fields.is_empty())?;
            let words = ["Also copied, without a field here: ", &fields.join(", "), "."].concat();
            Some(note("info", words))
        })
        .into_any()
    }

    fn index(self) -> AnyView {
        SECTIONS
            .iter()
            .filter(|section| !section.fields.is_empty())
            .map(|section| {
                let wrong = move || {
                    self.form.mistakes.see(|mistakes| {
                        let name = |field: &&String| field.split('[').next().unwrap_or_default().to_owned();
                        let fields = mistakes.keys();
                        fields
                            .filter(|field| section.fields.contains(&name(field).as_str()))
                            .count()
                    })
                };
                view! {
                    <li class:create__advanced=section.advanced hidden=move || section.advanced && !self.all.get()>
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
            .collect_view()
            .into_any()
    }

    fn sections(self) -> AnyView {
        SECTIONS
            .iter()
            .map(|section| {
                view! {
                    <section
                        class="card create__section"
                        id=["section-", section.word].concat()
                        hidden=move || section.advanced && !self.all.get()
                    >
                        <header class="card__head">
                            <h2>{section.title}</h2>
                        </header>
                        <div class="card__body create__fields">{(section.draw)(self.form)}</div>
                    </section>
                }
            })
            .collect_view()
            .into_any()
    }

    fn warnings(self) -> AnyView {
        (move || {
            self.checked.see(|checked| {
                let warnings = checked.warnings.iter();
                warnings.map(|words| note("info", http::sentence(words))).collect_view()
            })
        })
        .into_any()
    }

    /// Always in view, and with it why the server refused the form.
    fn foot(self) -> AnyView {
        let count = move || {
            let count = self.mistakes();
            let verb = if count == 1 {
                " needs attention"
            } else {
                " need attention"
            };
            (count > 0).then(|| number::plural(count, "field") + verb)
        };
        let refusal = move || self.app.connection.refusal();
        view! {
            <footer class="create__foot">
                <div class="create__refused" role="alert" data-testid="create.form.refused">
                    {move || (!self.general.get().is_empty()).then(|| note("bad", self.general.get()))}
                </div>
                {form::switch(self.form, "start", "Start after creation", "")}
                <span class="grow"></span>
                <span class="text-bad" role="status" data-testid="create.form.count">{count}</span>
                <A href="/containers" attr:class="button" attr:data-testid="create.form.cancel">"Cancel"</A>
                <button
                    type="submit"
                    class="button button--primary"
                    title=refusal
                    data-testid="create.form.submit"
                    prop:disabled=move || self.busy.get() || refusal().is_some()
                >
                    {icon("check")}
                    {move || if self.busy.get() { "Creating" } else { "Create container" }}
                </button>
            </footer>
        }
        .into_any()
    }
}

/// Ctrl Enter sends the form from every field.
fn submit_by_key(event: web_sys::KeyboardEvent) {
    if event.key() != "Enter" || !(event.ctrl_key() || event.meta_key()) {
        return;
    }
    event.prevent_default();
    let form = document().query_selector("form.create").ok().flatten();
    if let Some(form) = form.and_then(|form| form.dyn_into::<web_sys::HtmlFormElement>().ok()) {
        let _ = form.request_submit();
    }
}
