//! A new container: one page, sections at the left, the request in a drawer.

mod bring;
mod draft;
mod env_file;
mod form;
mod judge;
mod page;
mod request_drawer;
mod sections;
mod server;
mod submit;
mod unchanged;

use super::super::frame::{Loaded, Reader};
use crate::client::http;
use crate::state::App;
use crate::state::preferences::{keep, recall};
use crate::state::signal::{Peek, See};
use crate::table::{KeySet, Table};
use draft::Draft;
use form::Form;
use judge::{ANY_HOST, Judged, judge};
use leptos::prelude::*;
use leptos::task::spawn_local;
use leptos_router::hooks::use_query_map;
use model::container::limits::HostSize;
use page::Page;
use server::Checked;
use shared::create::NewContainer;
use shared::system::System;

const DRAFT: &str = "draft.container";

/// Where the first draft of the page is from.
struct Start {
    draft: Draft,
    /// The container it is a copy of.
    copied: Option<String>,
    /// It was typed before, and kept in this browser.
    restored: bool,
}

fn start() -> Start {
    let query = use_query_map();
    let image = query.peek(|query| query.get("image"));
    let copied = query.peek(|query| query.get("from"));
    let kept: Option<Draft> = recall(DRAFT).filter(|_| image.is_none() && copied.is_none());
    let restored = kept.is_some();
    let mut draft = kept.unwrap_or_default();
    if let Some(image) = image {
        draft.texts.insert("image".to_owned(), image);
    }
    Start {
        draft,
        copied,
        restored,
    }
}

/// Fills the form from the stored specification of a container.
fn copy(container: &str, draft: RwSignal<Draft>, failed: RwSignal<String>) {
    let path = ["/containers/", &http::escape(container), "/spec"].concat();
    spawn_local(async move {
        match http::get::<NewContainer>(&path).await {
            Ok(spec) => {
                let _ = draft.try_set(Draft::copy_of(spec));
            }
            Err(failure) => {
                let words = ["The container could not be read: ", &failure.to_string()].concat();
                let _ = failed.try_set(words);
            }
        }
    });
}

/// Mistakes are shown of fields that were left, and of all once the form was sent.
fn shown_mistakes(
    judged: Memo<Judged>,
    checked: RwSignal<Checked>,
    touched: RwSignal<KeySet<String>>,
    tried: RwSignal<bool>,
) -> Memo<Table<String, String>> {
    Memo::new(move |_| {
        let all = tried.get();
        let mut shown = Table::new();
        touched.see(|touched| {
            let seen = |field: &str| all || touched.contains(field);
            judged.see(|judged| {
                for (field, words) in judged.mistakes.iter().filter(|(field, _)| seen(field)) {
                    shown.insert(field.clone(), words.clone());
                }
            });
            // Ports and mounts are checked while they are typed: only the server knows what is taken.
            checked.see(|checked| {
                for (field, words) in &checked.mistakes {
                    if seen(field) || field.contains('[') {
                        shown.or_insert_with(field.clone(), || words.clone());
                    }
                }
            });
        });
        shown
    })
}

/// The page.
#[component]
pub fn Create() -> impl IntoView {
    let app = App::get();
    let start = start();
    let general = RwSignal::new(String::new());
    let draft = RwSignal::new(start.draft);
    if let Some(container) = &start.copied {
        copy(container, draft, general);
    }
    let system = Reader::<System>::new("/system");
    let host = Memo::new(move |_| match system.value.get() {
        Loaded::Ready(system) => HostSize {
            memory_bytes: system.memory_bytes,
            cpus: system.cpus,
        },
        Loaded::Loading | Loaded::Failed(_) => ANY_HOST,
    });
    let judged = Memo::new(move |_| draft.see(|draft| judge(draft, host.get())));
    let checked = RwSignal::new(Checked::default());
    let touched = RwSignal::new(KeySet::<String>::new());
    let tried = RwSignal::new(false);
    let form = Form {
        draft,
        mistakes: shown_mistakes(judged, checked, touched, tried),
        touched,
    };
    server::watch(judged, checked);
    let began = draft.get_untracked();
    Effect::new(move || {
        draft.see(|draft| {
            if *draft != began {
                keep(DRAFT, draft);
            }
        });
    });
    Page {
        app,
        form,
        judged,
        checked,
        tried,
        general,
        all: RwSignal::new(start.copied.is_some()),
        drawer: RwSignal::new(false),
        busy: RwSignal::new(false),
        offered: RwSignal::new(start.restored),
    }
    .view()
}
