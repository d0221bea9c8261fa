//! What stands where content will be, or would be: loading, empty, failed.

use super::icon::icon;
use leptos::prelude::*;

/// Grey rows of the final height while a list loads. Seen only after 150 ms.
pub fn skeleton(rows: usize) -> AnyView {
    view! {
        <div class="skeleton" role="status" aria-label="Loading">
            {(0..rows).map(|_| view! { <div class="skeleton__row"></div> }).collect_view()}
        </div>
    }
    .into_any()
}

/// Nothing is there, and that is no failure: a sentence and what to do next.
#[component]
pub fn Empty(
    /// The icon above the sentence.
    icon: &'static str,
    /// One sentence.
    #[prop(into)]
    text: String,
    /// The one next step, if there is one.
    #[prop(optional)]
    children: Option<Children>,
) -> impl IntoView {
    view! {
        <div class="empty">
            <span class="empty__icon">{self::icon(icon)}</span>
            <p>{text}</p>
            {children.map(|children| view! { <div class="row row--wrap">{children()}</div> })}
        </div>
    }
}

/// A part that could not be shown: what, why, and again.
pub fn failure(title: &str, reason: String, retry: impl Fn() + 'static) -> AnyView {
    view! {
        <div class="failure" role="alert">
            {icon("s-failed")}
            <div class="grow">
                <h3>{title.to_owned()}</h3>
                <p>{reason}</p>
            </div>
            <button type="button" class="button button--small" data-testid="failure.retry" on:click=move |_| retry()>
                {icon("refresh")}
                "Retry"
            </button>
        </div>
    }
    .into_any()
}

/// A quiet sentence in a tinted box: `info`, `warn` or `bad`.
pub fn note(tone: &'static str, text: impl Into<String>) -> AnyView {
    let shape = if tone == "info" { "info" } else { "s-warning" };
    view! { <p class=["note note--", tone].concat()>{icon(shape)}<span>{text.into()}</span></p> }.into_any()
}
