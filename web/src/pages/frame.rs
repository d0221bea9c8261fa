//! The head every page has, and the ways pages read from the server.

use crate::client::http::{self, Failure};
use leptos::prelude::*;
use leptos::task::spawn_local;
use serde::de::DeserializeOwned;
use std::cell::Cell;

thread_local! {
    /// No page was shown before.
    static FIRST_PAGE: Cell<bool> = const { Cell::new(true) };
}

/// The page's title with its actions. Tells the browser's tab the name, and
/// takes the focus, so that a screen reader announces the new page.
#[component]
pub fn Head(
    /// The page's name.
    #[prop(into)]
    title: Signal<String>,
    /// The part of the page that is shown, for the browser's tab.
    #[prop(optional, into)]
    part: Signal<String>,
    /// Buttons at the right.
    #[prop(optional)]
    children: Option<Children>,
) -> impl IntoView {
    let heading = NodeRef::<leptos::html::H1>::new();
    Effect::new(move || {
        let part = part.get();
        let dash = if part.is_empty() { "" } else { " - " };
        document().set_title(&[&title.get(), dash, &part, " - Gantry"].concat());
    });
    heading.on_load(|heading| {
        // Not on the first page: there the browser's own order is right. And not away from a
        // field or a dialog, where somebody is typing.
        let first = FIRST_PAGE.with(|first| first.replace(false));
        let typing = document()
            .active_element()
            .and_then(|active| active.closest("input, textarea, select, dialog[open]").ok().flatten())
            .is_some();
        if !first && !typing {
            let _ = heading.focus();
        }
    });
    view! {
        <header class="page__head">
            <h1 tabindex="-1" node_ref=heading>{move || title.get()}</h1>
            {children.map(|children| children())}
        </header>
    }
}

/// Something read from the server: on its way, there, or failed.
#[derive(Debug, Clone, PartialEq)]
pub enum Loaded<T> {
    Loading,
    Ready(T),
    Failed(Failure),
}

/// Reads a path now and whenever `again` is called. What was there stays
/// until the new answer is.
pub struct Reader<T: Send + Sync + 'static> {
    pub value: RwSignal<Loaded<T>>,
    path: StoredValue<String>,
}

// By hand, since deriving would ask the same of `T`.
impl<T: Send + Sync + 'static> Clone for Reader<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T: Send + Sync + 'static> Copy for Reader<T> {}

impl<T> Reader<T>
where
    T: DeserializeOwned + Clone + Send + Sync + 'static,
{
    pub fn new(path: impl Into<String>) -> Self {
        let reader = Self {
            value: RwSignal::new(Loaded::Loading),
            path: StoredValue::new(path.into()),
        };
        reader.again();
        reader
    }

    pub fn again(self) {
        let path = self.path.get_value();
        spawn_local(async move {
            let answer = http::get::<T>(&path).await;
            let _ = self.value.try_update(|value| match answer {
                Ok(ready) => *value = Loaded::Ready(ready),
                // A list already seen is better than an error in its place.
                Err(_) if matches!(value, Loaded::Ready(_)) => {}
                Err(failure) => *value = Loaded::Failed(failure),
            });
        });
    }

    /// Draws what is there, with the usual faces for the rest.
    pub fn show(self, title: &'static str, draw: fn(Self, T) -> AnyView) -> AnyView {
        (move || match self.value.get() {
            Loaded::Loading => crate::components::notice::skeleton(6),
            Loaded::Failed(failure) => {
                crate::components::notice::failure(title, failure.to_string(), move || self.again())
            }
            Loaded::Ready(value) => draw(self, value),
        })
        .into_any()
    }
}
