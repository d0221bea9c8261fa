//! The events tab: what happened to this container.

use super::Subject;
use crate::client::http;
use crate::components::notice::{Empty, skeleton};
use crate::pages::events::event_row;
use crate::state::App;
use crate::state::signal::{Peek, See};
use crate::table::Table;
use leptos::prelude::*;
use leptos::task::spawn_local;
use shared::event::Event;
use shared::list::List;

pub fn events(subject: Subject) -> AnyView {
    let app = App::get();
    let known = RwSignal::new(None::<Table<u64, Event>>);
    spawn_local(async move {
        let id = subject
            .item
            .peek(|item| item.as_ref().map(|item| item.id.clone()))
            .unwrap_or_else(|| subject.id());
        let path = ["/events?limit=500&subject=", &http::escape(&id)].concat();
        let list = http::get::<List<Event>>(&path)
            .await
            .map(|list| list.items)
            .unwrap_or_default();
        let _ = known.try_set(Some(list.into_iter().map(|event| (event.seq, event)).collect()));
    });
    // What comes while the tab is open is added from the live stream.
    let shown = Memo::new(move |_| {
        let mut all = known.get()?;
        let id = subject.item.see(|item| item.as_ref().map(|item| item.id.clone()));
        app.containers.events.see(|events| {
            for event in events {
                if Some(&event.subject) == id.as_ref() {
                    all.insert(event.seq, event.clone());
                }
            }
        });
        all.retain(|_, event| Some(&event.subject) == id.as_ref());
        Some(all.into_values().rev().collect::<Vec<_>>())
    });
    view! {
        <section class="card">
            {move || match shown.get() {
                None => skeleton(5),
                Some(events) if events.is_empty() => {
                    view! { <Empty icon="event" text="No events of this container are kept."/> }.into_any()
                }
                Some(events) => {
                    view! { <ul>{events.iter().map(|event| event_row(app, event)).collect_view()}</ul> }.into_any()
                }
            }}
        </section>
    }
    .into_any()
}
