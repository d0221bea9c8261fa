//! An image made of a distribution's packages.

use crate::client::http::{self, sentence};
use crate::components::field::{Kind, field, given};
use crate::components::icon::icon;
use crate::components::notice::note;
use crate::state::App;
use leptos::prelude::*;
use leptos::task::spawn_local;
use model::image::Reference;
use shared::layer::Template;
use shared::task::Task;

/// The form; `task` is told what it began.
pub fn from_distribution(task: RwSignal<Option<String>>) -> AnyView {
    let app = App::get();
    let text = |text: &str| RwSignal::new(text.to_owned());
    let (distribution, suite, packages) = (text("debian"), text("bookworm"), text(""));
    let (mirror, reference, mistake) = (text(""), text("my-debian:bookworm"), text(""));
    let submit = move |event: web_sys::SubmitEvent| {
        event.prevent_default();
        let name = reference.get_untracked().trim().to_owned();
        if let Err(error) = Reference::parse(&name) {
            mistake.set(sentence(&error.to_string()));
            return;
        }
        mistake.set(String::new());
        let listed = packages.get_untracked();
        let request = Template {
            distribution: given(distribution).unwrap_or_default(),
            suite: given(suite).unwrap_or_default(),
            packages: listed
                .split([' ', ',', '\n'])
                .filter(|name| !name.is_empty())
                .map(str::to_owned)
                .collect(),
            mirror: given(mirror),
            reference: name,
        };
        spawn_local(async move {
            match http::send::<_, Task>("POST", "/images/templates", &request).await {
                Ok(begun) => {
                    let _ = task.try_set(Some(begun.id.clone()));
                    app.tasks.take(begun);
                }
                Err(failure) => {
                    let _ = mistake.try_set(failure.to_string());
                }
            }
        });
    };
    view! {
        <form class="card pull__form" on:submit=submit>
            <p class="muted">"Builds a root file system from a distribution's packages, for system containers. The host needs mmdebstrap or debootstrap."</p>
            <div class="create__pair">
                {field("Distribution", "debian", Kind::Text, "template.form.distribution", distribution)}
                {field("Suite", "bookworm", Kind::Text, "template.form.suite", suite)}
            </div>
            {field("Additional packages", "systemd-sysv openssh-server", Kind::Text, "template.form.packages", packages)}
            {field("Mirror", "the distribution's default", Kind::Text, "template.form.mirror", mirror)}
            {field("Image name", "my-debian:bookworm", Kind::Text, "template.form.reference", reference)}
            <div>
                <button type="submit" class="button button--primary" data-testid="template.form.submit">
                    {icon("plus")}
                    "Build image"
                </button>
            </div>
            <div role="alert">{move || (!mistake.get().is_empty()).then(|| note("bad", mistake.get()))}</div>
        </form>
    }
    .into_any()
}
