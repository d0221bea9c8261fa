//! The bar for many at once, and the sheet that says how each went.

use crate::components::dialog::Dialog;
use crate::components::icon::icon;
use crate::format::number;
use crate::state::App;
use crate::state::actions::{Action, Outcome, ask_for_many, take_all};
use crate::state::signal::{Peek, See};
use crate::table::KeySet;
use leptos::prelude::*;
use shared::container::Container;
use shared::session::Role;
use std::sync::Arc;

/// Shown while something is selected.
#[component]
pub fn BulkBar(
    /// The ids that are selected.
    selected: RwSignal<KeySet<String>>,
    /// The rows that match now, to say how many of the selected are seen.
    #[prop(into)]
    shown: Signal<Vec<Arc<Container>>>,
) -> impl IntoView {
    let app = App::get();
    let outcomes = RwSignal::new(Vec::<Outcome>::new());
    let sheet = RwSignal::new(false);
    let last = RwSignal::new(Action::Start);
    Effect::new(move || {
        if !outcomes.see(Vec::is_empty) {
            sheet.set(true);
        }
    });
    let chosen = move || {
        app.containers.items.peek(|items| {
            selected.peek(|selected| {
                selected
                    .iter()
                    .filter_map(|id| items.get(id).cloned())
                    .collect::<Vec<_>>()
            })
        })
    };
    let act = move |action: Action| {
        last.set(action);
        let fitting: Vec<Arc<Container>> = chosen()
            .into_iter()
            .filter(|container| action.fits(container.state.status))
            .collect();
        if fitting.is_empty() {
            app.toasts.failed(["None of them can ", action.word()].concat(), "");
            return;
        }
        ask_for_many(app, action, fitting, outcomes);
    };
    let count = move || {
        let all = selected.see(KeySet::len);
        let seen =
            shown.see(|rows| selected.see(|selected| rows.iter().filter(|row| selected.contains(&row.id)).count()));
        let mut words = number::count(all as u64) + " selected";
        if seen < all {
            words += &[", ", &number::count(seen as u64), " on screen"].concat();
        }
        words
    };
    view! {
        <Show when=move || !selected.see(KeySet::is_empty) && app.session.may(Role::Operator)>
            <div class="bulk" role="toolbar" aria-label="Selected containers">
                <strong data-testid="containers.bulk.count">{count}</strong>
                {[Action::Start, Action::Stop, Action::Restart, Action::Pause, Action::Remove]
                    .into_iter()
                    .map(|action| {
                        view! {
                            <button
                                type="button"
                                class="button button--small"
                                data-testid=["containers.bulk.", action.word()].concat()
                                on:click=move |_| act(action)
                            >
                                {icon(action.icon())}
                                {action.label()}
                            </button>
                        }
                    })
                    .collect_view()}
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
        <Dialog open=sheet title=Signal::derive(move || [last.get().label(), ": results"].concat()) testid="containers.results">
            {results(app, outcomes, last, sheet, selected)}
        </Dialog>
    }
}

fn results(
    app: App,
    outcomes: RwSignal<Vec<Outcome>>,
    last: RwSignal<Action>,
    sheet: RwSignal<bool>,
    selected: RwSignal<KeySet<String>>,
) -> AnyView {
    let failed = move || {
        outcomes.see(|outcomes| {
            outcomes
                .iter()
                .filter(|outcome| matches!(outcome.result, Some(Err(_))))
                .map(|outcome| outcome.id.clone())
                .collect::<Vec<_>>()
        })
    };
    let retry = move || {
        let ids = failed();
        let again = app
            .containers
            .items
            .peek(|items| ids.iter().filter_map(|id| items.get(id).cloned()).collect());
        take_all(app, last.get_untracked(), again, outcomes);
    };
    view! {
        <div class="dialog__body">
            <ul class="bulk__results">
                {move || {
                    outcomes
                        .get()
                        .into_iter()
                        .map(|outcome| {
                            let (shape, class, words) = match outcome.result {
                                None => ("s-starting", "muted", "waiting".to_owned()),
                                Some(Ok(())) => ("check", "text-ok", "done".to_owned()),
                                Some(Err(reason)) => ("s-failed", "text-bad", reason),
                            };
                            view! {
                                <li class="row">
                                    <span class=class>{icon(shape)}</span>
                                    <strong class="truncate">{outcome.name}</strong>
                                    <span class=["grow ", class].concat()>{words}</span>
                                </li>
                            }
                        })
                        .collect_view()
                }}
            </ul>
        </div>
        <footer class="dialog__foot">
            {move || {
                let count = failed().len();
                (count > 0)
                    .then(|| {
                        view! {
                            <button type="button" class="button" data-testid="containers.results.retry" on:click=move |_| retry()>
                                {icon("refresh")}
                                {["Retry the ", &count.to_string(), " failed"].concat()}
                            </button>
                        }
                    })
            }}
            <button
                type="button"
                class="button button--primary"
                data-testid="containers.results.done"
                on:click=move |_| {
                    sheet.set(false);
                    outcomes.set(Vec::new());
                    selected.set(KeySet::new());
                }
            >
                "Close"
            </button>
        </footer>
    }
    .into_any()
}
