//! The bar for many at once, and the sheet that shows how each goes. The work is a task of
//! the server: it goes on when the sheet or the page is closed.

use super::ListView;
use crate::components::dialog::Dialog;
use crate::components::icon::icon;
use crate::format::number;
use crate::state::App;
use crate::state::actions::{Action, ask_for_many, take_all};
use crate::state::signal::{Peek, See};
use crate::table::KeySet;
use leptos::prelude::*;
use shared::container::Container;
use shared::session::Role;
use shared::task::{ItemState, Task, TaskItem, TaskState};
use std::sync::Arc;

/// The sheet of one task.
#[derive(Clone, Copy)]
struct Sheet {
    app: App,
    list: ListView,
    open: RwSignal<bool>,
    action: RwSignal<Action>,
    task: RwSignal<Option<String>>,
}

impl Sheet {
    fn follow(self, task: Task) {
        self.task.set(Some(task.id.clone()));
        self.app.tasks.take(task);
        self.open.set(true);
    }

    /// The task as it is now.
    fn now(self) -> Option<Task> {
        let id = self.task.get()?;
        self.app
            .tasks
            .items
            .see(|items| items.iter().find(|task| task.id == id).cloned())
    }

    fn act(self, action: Action, containers: Vec<Arc<Container>>) {
        self.action.set(action);
        ask_for_many(self.app, action, containers, move |task| self.follow(task));
    }

    fn retry(self, failed: &[TaskItem]) {
        let again = self.app.containers.items.peek(|items| {
            let known = failed.iter().filter_map(|item| items.get(&item.id).cloned());
            known.collect::<Vec<_>>()
        });
        take_all(self.app, self.action.get_untracked(), again, move |task| {
            self.follow(task);
        });
    }

    fn close(self) {
        self.open.set(false);
        self.list.selected.set(KeySet::new());
    }
}

/// Shown while something is selected.
#[component]
pub fn BulkBar(
    /// What is selected, and the rows that match now.
    list: ListView,
) -> impl IntoView {
    let (app, selected) = (list.app, list.selected);
    let sheet = Sheet {
        app,
        list,
        open: RwSignal::new(false),
        action: RwSignal::new(Action::Start),
        task: RwSignal::new(None),
    };
    let title = Signal::derive(move || [sheet.action.get().label(), ": results"].concat());
    view! {
        <Show when=move || !selected.see(KeySet::is_empty) && app.session.may(Role::Operator)>
            <div class="bulk" role="toolbar" aria-label="Selected containers">
                <strong data-testid="containers.bulk.count">{move || selected_words(list)}</strong>
                {actions(sheet)}
                <span class="grow"></span>
                <button
                    type="button"
                    class="button button--small button--quiet"
                    data-testid="containers.bulk.clear"
                    on:click=move |_| selected.set(KeySet::new())
                >
                    "Clear selection"
                </button>
            </div>
        </Show>
        <Dialog open=sheet.open title testid="containers.results">{results(sheet)}</Dialog>
    }
}

/// `300 selected, 12 in this list`.
fn selected_words(list: ListView) -> String {
    let all = list.selected.see(KeySet::len);
    let seen = list.shown.see(|rows| {
        list.selected
            .see(|selected| rows.iter().filter(|row| selected.contains(&row.id)).count())
    });
    let mut words = number::count(all as u64) + " selected";
    if seen < all {
        words += &[", ", &number::count(seen as u64), " in this list"].concat();
    }
    words
}

fn actions(sheet: Sheet) -> AnyView {
    let app = sheet.app;
    let act = move |action: Action| {
        let fitting: Vec<Arc<Container>> = app.containers.items.peek(|items| {
            sheet.list.selected.peek(|selected| {
                let chosen = selected.iter().filter_map(|id| items.get(id).cloned());
                chosen.filter(|item| action.fits(item.state.status)).collect()
            })
        });
        if fitting.is_empty() {
            let words = ["None of the selected containers can ", action.word()].concat();
            app.toasts.failed(words, "");
            return;
        }
        sheet.act(action, fitting);
    };
    [
        Action::Start,
        Action::Stop,
        Action::Restart,
        Action::Pause,
        Action::Remove,
    ]
    .into_iter()
    .map(|action| {
        view! {
            <button
                type="button"
                class="button button--small"
                title=move || app.connection.refusal()
                data-testid=["containers.bulk.", action.word()].concat()
                prop:disabled=move || app.connection.is_cut()
                on:click=move |_| act(action)
            >
                {icon(action.icon())}
                {action.label()}
            </button>
        }
    })
    .collect_view()
    .into_any()
}

fn results(sheet: Sheet) -> AnyView {
    let items = Memo::new(move |_| sheet.now().map(|task| task.items).unwrap_or_default());
    view! {
        <div class="dialog__body">
            <ul class="bulk__results">{move || items.get().into_iter().map(item).collect_view()}</ul>
        </div>
        {foot(sheet, items)}
    }
    .into_any()
}

fn item(item: TaskItem) -> AnyView {
    let reason = item
        .problem
        .map(|problem| crate::client::http::sentence(&problem.detail));
    let (shape, class, words) = match item.state {
        ItemState::Waiting => ("s-created", "muted", "waiting".to_owned()),
        ItemState::Running => ("s-starting", "muted", "running".to_owned()),
        ItemState::Done => ("check", "text-ok", "done".to_owned()),
        ItemState::Failed => ("s-failed", "text-bad", reason.unwrap_or_else(|| "failed".to_owned())),
        ItemState::Cancelled => ("s-stopped", "muted", "cancelled".to_owned()),
    };
    view! {
        <li class="row" data-testid="containers.results.item">
            <span class=class>{icon(shape)}</span>
            <strong class="truncate">{item.name}</strong>
            <span class=["grow ", class].concat()>{words}</span>
        </li>
    }
    .into_any()
}

fn foot(sheet: Sheet, items: Memo<Vec<TaskItem>>) -> AnyView {
    let running = move || sheet.now().is_some_and(|task| task.state == TaskState::Running);
    let failed = Memo::new(move |_| {
        items.see(|items| {
            let failed = items.iter().filter(|item| item.state == ItemState::Failed);
            failed.cloned().collect::<Vec<_>>()
        })
    });
    let cancel = move |_| {
        if let Some(id) = sheet.task.get_untracked() {
            sheet.app.tasks.cancel(id);
        }
    };
    view! {
        <footer class="dialog__foot">
            <Show when=running>
                <button type="button" class="button" data-testid="containers.results.cancel" on:click=cancel>
                    "Cancel the rest"
                </button>
            </Show>
            <Show when=move || !running() && !failed.see(Vec::is_empty)>
                <button
                    type="button"
                    class="button"
                    data-testid="containers.results.retry"
                    on:click=move |_| sheet.retry(&failed.get_untracked())
                >
                    {icon("refresh")}
                    {move || ["Retry the ", &failed.see(Vec::len).to_string(), " failed"].concat()}
                </button>
            </Show>
            <button
                type="button"
                class="button button--primary"
                data-testid="containers.results.done"
                on:click=move |_| sheet.close()
            >
                "Close"
            </button>
        </footer>
    }
    .into_any()
}
