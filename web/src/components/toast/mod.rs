//! Messages about things that finished out of sight. Each is kept in the history.

use super::icon::icon;
use super::status_chip::Tone;
use crate::state::signal::Edit;
use leptos::prelude::*;
use std::time::Duration;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Toast {
    pub number: u64,
    pub tone: Tone,
    pub text: String,
    /// What to do about it, or why.
    pub detail: String,
}

#[derive(Clone, Copy)]
pub struct Toasts {
    pub shown: RwSignal<Vec<Toast>>,
    counter: StoredValue<u64>,
}

impl Default for Toasts {
    fn default() -> Self {
        Self {
            shown: RwSignal::new(Vec::new()),
            counter: StoredValue::new(0),
        }
    }
}

impl Toasts {
    pub fn done(self, text: impl Into<String>) {
        self.push(Tone::Ok, text.into(), String::new());
    }

    pub fn failed(self, text: impl Into<String>, detail: impl Into<String>) {
        self.push(Tone::Bad, text.into(), detail.into());
    }

    fn push(self, tone: Tone, text: String, detail: String) {
        let number = self.counter.get_value() + 1;
        self.counter.set_value(number);
        self.shown.edit(|shown| {
            shown.push(Toast {
                number,
                tone,
                text,
                detail,
            });
            if shown.len() > 3 {
                shown.remove(0);
            }
        });
        // Errors stay until they are closed.
        if tone != Tone::Bad {
            set_timeout(move || self.close(number), Duration::from_secs(5));
        }
    }

    fn close(self, number: u64) {
        self.shown.edit(|shown| shown.retain(|toast| toast.number != number));
    }
}

/// Where toasts appear.
#[component]
pub fn ToastHost(
    /// What is shown.
    toasts: Toasts,
) -> impl IntoView {
    view! {
        <div class="toasts" role="status" aria-live="polite">
            <For each=move || toasts.shown.get() key=|toast| toast.number let:toast>
                <div class=["toast toast--", toast.tone.word()].concat()>
                    {icon(if toast.tone == Tone::Bad { "s-failed" } else { "check" })}
                    <div class="grow">
                        <p>{toast.text}</p>
                        <p class="toast__detail">{toast.detail}</p>
                    </div>
                    <button
                        type="button"
                        class="button button--quiet button--icon button--small"
                        aria-label="Dismiss"
                        data-testid="toast.close"
                        on:click=move |_| toasts.close(toast.number)
                    >
                        {icon("close")}
                    </button>
                </div>
            </For>
        </div>
    }
}
