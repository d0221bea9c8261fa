//! Sending the form: what is wrong with it is shown where it is, and in view.

use super::DRAFT;
use super::bring::{bring, is_missing};
use super::page::Page;
use super::server::fields;
use crate::client::http::{self, Failure};
use crate::state::preferences::forget;
use crate::state::signal::See;
use crate::table::Table;
use leptos::prelude::*;
use leptos::task::spawn_local;
use leptos_router::NavigateOptions;
use leptos_router::hooks::use_navigate;
use shared::create::{Created, NewContainer};
use wasm_bindgen::JsCast;

impl Page {
    /// What happens when the form is sent.
    pub fn submit(self) -> impl Fn(web_sys::SubmitEvent) + Copy + 'static {
        let navigate = StoredValue::new_local(use_navigate());
        move |event| {
            event.prevent_default();
            self.tried.set(true);
            self.general.set(String::new());
            let now = self.judged.get_untracked();
            if !now.mistakes.is_empty() {
                self.show_first_mistake();
                return;
            }
            self.busy.set(true);
            spawn_local(async move {
                let answer = self.create(&now.request).await;
                let _ = self.busy.try_set(false);
                match answer {
                    Ok(created) => {
                        self.welcome(&created);
                        let tab = if now.request.start { "/logs" } else { "" };
                        let href = ["/containers/", &created.id, tab].concat();
                        let _ = navigate.try_with_value(|go| go(&href, NavigateOptions::default()));
                    }
                    Err(failure) => {
                        let _ = self.general.try_set(failure.to_string());
                        let found = fields(&now, mistakes(&failure));
                        if !found.is_empty() {
                            let _ = self.checked.try_update(|checked| checked.mistakes = found);
                            self.show_first_mistake();
                        }
                    }
                }
            });
        }
    }

    /// Creates it, after pulling the image where that is missing.
    async fn create(self, request: &NewContainer) -> Result<Created, Failure> {
        let create = async || http::send::<_, Created>("POST", "/containers", request).await;
        match create().await {
            Err(failure) if is_missing(&failure) => {
                bring(&request.image, |task| self.app.tasks.take(task)).await?;
                create().await
            }
            answer => answer,
        }
    }

    fn welcome(self, created: &Created) {
        forget(DRAFT);
        for warning in &created.warnings {
            self.app.toasts.done(http::sentence(warning));
        }
        self.app.containers.read(created.id.clone());
    }

    /// Brings the first field with a mistake into view, also one of the settings that are
    /// not shown at first.
    fn show_first_mistake(self) {
        let in_advanced = self.form.mistakes.with_untracked(|mistakes| {
            let name = |field: &String| field.split('[').next().unwrap_or_default().to_owned();
            let sections = super::sections::SECTIONS.iter().filter(|section| section.advanced);
            sections
                .flat_map(|section| section.fields)
                .any(|known| mistakes.keys().any(|field| name(field) == **known))
        });
        if in_advanced {
            self.all.set(true);
        }
        request_animation_frame(focus_first_mistake);
    }

    /// How many fields have a mistake that is shown.
    pub fn mistakes(self) -> usize {
        self.form.mistakes.see(Table::len)
    }
}

/// A name that is taken is told as a conflict of its own.
fn mistakes(failure: &Failure) -> Vec<shared::problem::Mistake> {
    match failure {
        Failure::Refused(problem) if problem.code == "name_taken" && problem.mistakes.is_empty() => {
            vec![shared::problem::Mistake {
                field: "name".to_owned(),
                message: problem.detail.clone(),
            }]
        }
        other => other.mistakes(),
    }
}

fn focus_first_mistake() {
    let wrong = document().query_selector("form.create [aria-invalid=true], form.create .field__mistake:not(:empty)");
    if let Some(element) = wrong.ok().flatten() {
        element.scroll_into_view_with_bool(false);
        if let Ok(element) = element.dyn_into::<web_sys::HtmlElement>() {
            let _ = element.focus();
        }
    }
}
