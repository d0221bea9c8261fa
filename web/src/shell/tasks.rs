//! The task tray: what runs on the server, whoever started it.

use crate::components::icon::icon;
use crate::pages::tasks::task_row;
use crate::state::App;
use crate::state::signal::See;
use leptos::prelude::*;
use leptos_router::components::A;

/// A drawer at the right edge.
#[component]
pub fn TaskTray() -> impl IntoView {
    let app = App::get();
    let open = app.tasks.open;
    view! {
        <Show when=move || open.get()>
            <aside
                class="tray"
                aria-label="Tasks"
                on:keydown=move |event| {
                    if event.key() == "Escape" {
                        open.set(false);
                    }
                }
            >
                <header class="card__head">
                    <h2>"Tasks"</h2>
                    <A href="/tasks" attr:class="button button--small button--quiet" attr:data-testid="tray.tasks.all" on:click=move |_| open.set(false)>
                        "All"
                    </A>
                    <button
                        type="button"
                        class="button button--quiet button--icon button--small"
                        aria-label="Close tasks"
                        data-testid="tray.tasks.close"
                        on:click=move |_| open.set(false)
                    >
                        {icon("close")}
                    </button>
                </header>
                <div class="tray__list">
                    <Show
                        when=move || !app.tasks.items.see(Vec::is_empty)
                        fallback=|| view! { <p class="tray__none">"Nothing is running, and nothing has finished lately."</p> }
                    >
                        <For each=move || app.tasks.items.get() key=|task| (task.id.clone(), format!("{:?}", task.progress), task.state == shared::task::TaskState::Running) let:task>
                            {task_row(task)}
                        </For>
                    </Show>
                </div>
            </aside>
        </Show>
    }
}
