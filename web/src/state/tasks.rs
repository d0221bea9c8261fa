//! Long work on the server, as the tray shows it.

use crate::client::http;
use crate::client::socket::{self, Heard, Subscription};
use crate::state::signal::{Edit, See};
use leptos::prelude::*;
use leptos::task::spawn_local;
use shared::list::List;
use shared::socket::{Data, Topic};
use shared::task::{Task, TaskState};

/// Finished ones shown.
const KEPT: usize = 20;

#[derive(Clone, Copy)]
pub struct Tasks {
    /// Newest first.
    pub items: RwSignal<Vec<Task>>,
    /// The tray is open.
    pub open: RwSignal<bool>,
    /// Counts what finished, so that lists made from it read themselves anew.
    pub finished: RwSignal<u32>,
    following: StoredValue<Option<Subscription>, LocalStorage>,
}

impl Default for Tasks {
    fn default() -> Self {
        Self {
            items: RwSignal::new(Vec::new()),
            open: RwSignal::new(false),
            finished: RwSignal::new(0),
            following: StoredValue::new_local(None),
        }
    }
}

impl Tasks {
    pub fn start(self) {
        self.following
            .set_value(Some(socket::open(Topic::Tasks { task: None }, None, move |heard| {
                if let Heard::Data(Data::Tasks(tasks)) = heard {
                    for task in tasks {
                        self.take(task);
                    }
                }
            })));
        spawn_local(async move {
            if let Ok(list) = http::get::<List<Task>>("/tasks").await {
                for task in list.items {
                    self.take(task);
                }
            }
        });
    }

    pub fn stop(self) {
        self.following.set_value(None);
        self.items.set(Vec::new());
    }

    /// Takes a task's newest state.
    pub fn take(self, task: Task) {
        let ended = task.state != TaskState::Running;
        let mut news = false;
        self.items.edit(|items| {
            match items.iter_mut().find(|known| known.id == task.id) {
                // A slow list must not undo what the socket already told.
                Some(known) if known.state == TaskState::Running => {
                    news = ended;
                    *known = task;
                }
                Some(_) => {}
                None => {
                    let at = items.partition_point(|known| known.started > task.started);
                    items.insert(at, task);
                }
            }
            items.truncate(KEPT);
        });
        if news {
            self.finished.edit(|count| *count += 1);
        }
    }

    pub fn running(self) -> usize {
        self.items
            .see(|items| items.iter().filter(|task| task.state == TaskState::Running).count())
    }

    pub fn cancel(self, id: String) {
        spawn_local(async move {
            let path = ["/tasks/", &id].concat();
            let _ = http::act("POST", &[&path, "/cancel"].concat()).await;
            // The socket tells as well; this also settles a task that had ended before.
            if let Ok(task) = http::get::<Task>(&path).await {
                self.take(task);
            }
        });
    }
}
