//! All containers, kept equal to the server's by its events.

use crate::client::http;
use crate::client::socket::{self, Heard, Subscription};
use crate::state::signal::{Edit, Peek, See};
use crate::table::{KeySet, Table};
use leptos::prelude::*;
use leptos::task::spawn_local;
use shared::container::{Container, Details, Status};
use shared::event::{Event, SubjectKind};
use shared::list::List;
use shared::socket::{Data, Topic};
use std::sync::Arc;
use std::time::Duration;

/// More changed containers than this are read as one list.
const SINGLY: usize = 6;
/// Events of one cause come together; they are answered together.
const PAUSE: Duration = Duration::from_millis(60);
/// How many past events are kept for the pages that list them.
const EVENTS: usize = 200;

#[derive(Debug, Clone, PartialEq)]
pub enum Load {
    Loading,
    Ready,
    Failed(String),
}

/// What was asked of a container and has not been answered by an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pending {
    Starting,
    Stopping,
    Restarting,
    Killing,
    Pausing,
    Unpausing,
    Removing,
}

#[derive(Clone, Copy)]
pub struct Containers {
    pub load: RwSignal<Load>,
    /// By id. Shared, since lists of thousands are filtered and sorted at each key.
    pub items: RwSignal<Table<String, Arc<Container>>>,
    pub pending: RwSignal<Table<String, Pending>>,
    /// The newest events, newest last.
    pub events: RwSignal<Vec<Event>>,
    changed: StoredValue<KeySet<String>>,
    waiting: StoredValue<bool>,
    following: StoredValue<Option<Subscription>, LocalStorage>,
}

impl Default for Containers {
    fn default() -> Self {
        Self {
            load: RwSignal::new(Load::Loading),
            items: RwSignal::new(Table::new()),
            pending: RwSignal::new(Table::new()),
            events: RwSignal::new(Vec::new()),
            changed: StoredValue::new(KeySet::new()),
            waiting: StoredValue::new(false),
            following: StoredValue::new_local(None),
        }
    }
}

impl Containers {
    /// Reads the list and follows the events from the moment it was true.
    pub fn start(self) {
        spawn_local(async move {
            match http::get::<List<Container>>("/containers?limit=5000").await {
                Ok(list) => {
                    self.take(list.items);
                    let topic = Topic::Events;
                    let following = socket::open(topic, Some(list.seq + 1), move |heard| self.hear(heard));
                    self.following.set_value(Some(following));
                }
                Err(failure) => self.load.set(Load::Failed(failure.to_string())),
            }
        });
        spawn_local(async move {
            if let Ok(list) = http::get::<List<Event>>("/events?limit=50").await {
                self.remember(list.items);
            }
        });
    }

    /// Forgets everything: another user may see other things.
    pub fn stop(self) {
        self.following.set_value(None);
        self.items.set(Table::new());
        self.load.set(Load::Loading);
        self.events.set(Vec::new());
    }

    fn take(self, containers: Vec<Container>) {
        self.items.set(
            containers
                .into_iter()
                .map(|item| (item.id.clone(), Arc::new(item)))
                .collect(),
        );
        self.load.set(Load::Ready);
    }

    /// Reads the whole list again.
    pub fn reload(self) {
        spawn_local(async move {
            match http::get::<List<Container>>("/containers?limit=5000").await {
                Ok(list) => self.take(list.items),
                Err(failure) => {
                    if self.items.peek(Table::is_empty) {
                        self.load.set(Load::Failed(failure.to_string()));
                    }
                }
            }
        });
    }

    fn hear(self, heard: Heard) {
        match heard {
            Heard::Data(Data::Events(events)) => {
                for event in &events {
                    if event.kind == SubjectKind::Container {
                        self.touch(&event.subject, &event.action);
                    }
                }
                self.remember(events);
            }
            Heard::Reset | Heard::Gap(_) => self.reload(),
            _ => {}
        }
    }

    fn remember(self, news: Vec<Event>) {
        self.events.edit(|events| {
            for event in news {
                // The list and the stream overlap; numbers tell what is known.
                match events.binary_search_by_key(&event.seq, |known| known.seq) {
                    Ok(_) => {}
                    Err(at) => events.insert(at, event),
                }
            }
            let extra = events.len().saturating_sub(EVENTS);
            events.drain(..extra);
        });
    }

    fn touch(self, id: &str, action: &str) {
        if action == "destroy" {
            self.items.edit(|items| {
                items.remove(id);
            });
            self.settle(id);
            return;
        }
        self.changed.update_value(|changed| {
            changed.insert(id.to_owned());
        });
        if !self.waiting.get_value() {
            self.waiting.set_value(true);
            set_timeout(move || self.refresh(), PAUSE);
        }
    }

    fn refresh(self) {
        self.waiting.set_value(false);
        let changed = self.changed.try_update_value(std::mem::take).unwrap_or_default();
        if changed.len() > SINGLY {
            for id in &changed {
                self.settle(id);
            }
            self.reload();
            return;
        }
        for id in changed {
            self.read(id);
        }
    }

    /// Reads one container again.
    pub fn read(self, id: String) {
        spawn_local(async move {
            match http::get_flat::<Details>(&["/containers/", &id].concat()).await {
                Ok(details) => {
                    self.items.edit(|items| {
                        items.insert(id.clone(), Arc::new(details.container));
                    });
                    self.settle(&id);
                }
                Err(failure) if failure.status() == 404 => {
                    self.items.edit(|items| {
                        items.remove(&id);
                    });
                    self.settle(&id);
                }
                Err(_) => {}
            }
        });
    }

    pub fn expect(self, id: &str, pending: Pending) {
        self.pending.edit(|all| {
            all.insert(id.to_owned(), pending);
        });
    }

    pub fn settle(self, id: &str) {
        if self.pending.peek(|pending| pending.contains_key(id)) {
            self.pending.edit(|pending| {
                pending.remove(id);
            });
        }
    }

    /// How many are in each status.
    pub fn count(self, wanted: impl Fn(&Container) -> bool) -> usize {
        self.items
            .see(|items| items.values().filter(|item| wanted(item)).count())
    }
}

/// Whether a container's processes exist.
pub fn is_up(container: &Container) -> bool {
    matches!(container.state.status, Status::Running | Status::Paused)
}

/// Whether it ran, and rests without having failed.
pub fn is_stopped(container: &Container) -> bool {
    container.state.status == Status::Exited && !has_failed(container)
}

/// Whether it ended in a way someone should look at.
pub fn has_failed(container: &Container) -> bool {
    match container.state.status {
        Status::Failed | Status::Lost => true,
        // What somebody stopped has not failed, whatever its code is.
        Status::Exited if container.state.stopped_by.is_some() => false,
        Status::Exited => container.state.oom_killed || container.state.exit_code.is_some_and(|code| code != 0),
        Status::Created | Status::Running | Status::Paused => false,
    }
}
