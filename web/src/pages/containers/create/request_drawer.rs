//! The request as JSON and as a command, following the form.

use super::judge::Judged;
use crate::components::icon::icon;
use crate::components::watch::copy;
use crate::pages::containers::describe;
use crate::state::signal::See;
use leptos::prelude::*;

/// A drawer beside the form.
pub fn request_drawer(judged: Memo<Judged>) -> AnyView {
    let curl = RwSignal::new(false);
    let text = move || {
        judged.see(|judged| {
            let json = serde_json::to_string_pretty(&judged.request).unwrap_or_default();
            if curl.get() {
                [
                    "curl -X POST ",
                    &describe::origin(),
                    "/api/v1/containers \\\n  -H \"Authorization: Bearer $TOKEN\" \\\n  -H 'Content-Type: application/json' \\\n  -d '",
                    &json.replace('\'', "'\\''"),
                    "'",
                ]
                .concat()
            } else {
                json
            }
        })
    };
    view! {
        <aside class="card create__drawer" aria-label="Request">
            <header class="card__head">
                <div class="segments" role="group" aria-label="Form of the request">
                    <button
                        type="button"
                        class="segments__part"
                        aria-pressed=move || (!curl.get()).to_string()
                        data-testid="create.request.json"
                        on:click=move |_| curl.set(false)
                    >
                        "JSON"
                    </button>
                    <button
                        type="button"
                        class="segments__part"
                        aria-pressed=move || curl.get().to_string()
                        data-testid="create.request.curl"
                        on:click=move |_| curl.set(true)
                    >
                        "curl"
                    </button>
                </div>
                <span class="grow"></span>
                <button
                    type="button"
                    class="button button--small"
                    data-testid="create.request.copy"
                    on:click=move |_| copy(&untrack(text))
                >
                    {icon("copy")}
                    "Copy"
                </button>
            </header>
            <pre class="create__request" data-testid="create.request.text">{text}</pre>
        </aside>
    }
    .into_any()
}
