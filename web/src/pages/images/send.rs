//! Giving an image another name, and sending it to a registry.

use crate::client::http::{self, escape, sentence};
use crate::components::dialog::Dialog;
use crate::components::field::{Kind, check, field, given};
use crate::components::notice::note;
use crate::state::App;
use leptos::prelude::*;
use leptos::task::spawn_local;
use model::image::Reference;
use shared::image::NewTag;
use shared::registry::Push;
use shared::task::Task;

/// Both dialogs of one image.
#[derive(Clone, Copy)]
pub struct Names {
    pub tagging: RwSignal<bool>,
    pub pushing: RwSignal<bool>,
}

impl Default for Names {
    fn default() -> Self {
        Self {
            tagging: RwSignal::new(false),
            pushing: RwSignal::new(false),
        }
    }
}

impl Names {
    /// The dialogs; `changed` is called when the image has another name.
    pub fn dialogs(self, image: &str, tag: String, changed: impl Fn() + Copy + Send + Sync + 'static) -> AnyView {
        let id = StoredValue::new(image.to_owned());
        let tag = StoredValue::new(tag);
        view! {
            <Dialog open=self.tagging title="Add tag" testid="image.tag">
                {tag_form(id, self.tagging, changed)}
            </Dialog>
            <Dialog open=self.pushing title="Push to a registry" testid="image.push">
                {push_form(id, tag.get_value(), self.pushing)}
            </Dialog>
        }
        .into_any()
    }
}

fn tag_form(
    id: StoredValue<String>,
    open: RwSignal<bool>,
    changed: impl Fn() + Copy + Send + Sync + 'static,
) -> AnyView {
    let name = RwSignal::new(String::new());
    let mistake = RwSignal::new(String::new());
    let submit = move |event: web_sys::SubmitEvent| {
        event.prevent_default();
        let reference = name.get_untracked().trim().to_owned();
        if let Err(error) = Reference::parse(&reference) {
            mistake.set(sentence(&error.to_string()));
            return;
        }
        let path = ["/images/", &escape(&id.get_value()), "/tag"].concat();
        spawn_local(async move {
            match http::tell("POST", &path, &NewTag { reference }).await {
                Ok(()) => {
                    open.set(false);
                    changed();
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
                {field("Name", "team/app:1.2", Kind::Text, "image.tag.name", name)}
                {move || (!mistake.get().is_empty()).then(|| note("bad", mistake.get()))}
            </div>
            <footer class="dialog__foot">
                <button type="button" class="button" data-testid="image.tag.cancel" on:click=move |_| open.set(false)>
                    "Cancel"
                </button>
                <button type="submit" class="button button--primary" data-testid="image.tag.act">
                    "Add tag"
                </button>
            </footer>
        </form>
    }
    .into_any()
}

fn push_form(id: StoredValue<String>, tag: String, open: RwSignal<bool>) -> AnyView {
    let app = App::get();
    let text = || RwSignal::new(String::new());
    let (reference, user, password, mistake) = (RwSignal::new(tag), text(), text(), text());
    let referrers = RwSignal::new(true);
    let submit = move |event: web_sys::SubmitEvent| {
        event.prevent_default();
        let wanted = reference.get_untracked().trim().to_owned();
        if let Err(error) = Reference::parse(&wanted) {
            mistake.set(sentence(&error.to_string()));
            return;
        }
        let request = Push {
            reference: wanted,
            referrers: referrers.get_untracked(),
            username: given(user),
            password: given(password),
        };
        let path = ["/images/", &escape(&id.get_value()), "/push"].concat();
        spawn_local(async move {
            match http::send::<_, Task>("POST", &path, &request).await {
                Ok(begun) => {
                    app.tasks.take(begun);
                    app.tasks.open.set(true);
                    open.set(false);
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
                {field("Reference", "registry.example.org/team/app:1.2", Kind::Text, "image.push.reference", reference)}
                {check("With signatures and other attached artifacts", "image.push.referrers", referrers)}
                <details>
                    <summary>"Credentials for this push only"</summary>
                    <div class="stack" style="margin-top:12px">
                        {field("User", "from the registry's settings", Kind::Text, "image.push.user", user)}
                        {field("Password or token", "", Kind::Password, "image.push.password", password)}
                    </div>
                </details>
                {move || (!mistake.get().is_empty()).then(|| note("bad", mistake.get()))}
            </div>
            <footer class="dialog__foot">
                <button type="button" class="button" data-testid="image.push.cancel" on:click=move |_| open.set(false)>
                    "Cancel"
                </button>
                <button type="submit" class="button button--primary" data-testid="image.push.act">
                    "Push"
                </button>
            </footer>
        </form>
    }
    .into_any()
}
