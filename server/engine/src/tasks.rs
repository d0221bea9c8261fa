//! Long work that belongs to the server, not to the page that began it.

use crate::bulk::BulkAction;
use crate::clock;
use crate::engine::Engine;
use crate::error::{EngineError, Kind};
use model::Timestamp;
use model::image::Digest;
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// Tasks that are over and can still be asked for.
const REMEMBERED: usize = 200;

/// A UUID, version 7: sorts by time.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TaskId(pub(crate) String);

impl TaskId {
    pub fn parse(text: &str) -> Option<Self> {
        uuid::Uuid::try_parse(text).ok().map(|id| Self(id.to_string()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for TaskId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A task as it is at one moment.
#[derive(Debug, Clone, PartialEq)]
pub struct Task {
    pub id: TaskId,
    pub kind: TaskKind,
    /// What it is about: `busybox:latest`.
    pub subject: String,
    /// Who began it, as the front door names them.
    pub owner: Option<String>,
    pub state: TaskState,
    pub started: Timestamp,
    pub ended: Option<Timestamp>,
    pub progress: Progress,
    /// What it works on one by one; empty for most kinds.
    pub items: Vec<TaskItem>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskItem {
    pub id: String,
    pub name: String,
    pub state: ItemState,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ItemState {
    Waiting,
    Running,
    Done,
    Failed {
        kind: Kind,
        code: &'static str,
        reason: String,
    },
    Cancelled,
}

impl ItemState {
    pub(crate) fn failed(error: &EngineError) -> Self {
        Self::Failed {
            kind: error.kind(),
            code: error.code(),
            reason: error.to_string(),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TaskKind {
    Pull,
    Load,
    Import,
    Verify,
    Push,
    Build,
    /// From a distribution's packages.
    Template,
    /// The same action on many containers.
    Bulk(BulkAction),
}

impl TaskKind {
    pub fn word(self) -> &'static str {
        match self {
            Self::Pull => "pull",
            Self::Load => "load",
            Self::Import => "import",
            Self::Verify => "verify",
            Self::Push => "push",
            Self::Build => "build",
            Self::Template => "template",
            Self::Bulk(_) => "bulk",
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TaskState {
    Running,
    Done { images: Vec<LoadedImage> },
    Failed { kind: Kind, reason: String },
    Cancelled,
}

impl TaskState {
    pub fn is_over(&self) -> bool {
        !matches!(self, Self::Running)
    }

    pub fn word(&self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Done { .. } => "done",
            Self::Failed { .. } => "failed",
            Self::Cancelled => "cancelled",
        }
    }
}

/// An image that a task brought to this host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoadedImage {
    pub id: Digest,
    pub manifest: Digest,
    /// Of the manifest; 0 where it is not told.
    pub manifest_bytes: u64,
    /// The names it got, or went by.
    pub references: Vec<model::image::Reference>,
    /// Whether it was here, whole, before.
    pub was_here: bool,
}

/// How far a task is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Progress {
    /// `resolving`, `downloading`, `extracting`, `uploading`, `done`: shown as it is.
    pub phase: &'static str,
    pub layers: Vec<LayerProgress>,
    pub bytes_done: u64,
    /// 0 while not known.
    pub bytes_total: u64,
    /// Of the last moments.
    pub bytes_per_s: u64,
    /// What a program says that does the work, the newest lines last.
    pub log: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LayerProgress {
    pub digest: Digest,
    pub state: LayerState,
    /// Of the last moments, while it moves.
    pub bytes_per_s: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LayerState {
    Waiting,
    Downloading {
        done: u64,
        total: u64,
    },
    Uploading {
        done: u64,
        total: u64,
    },
    Verifying,
    Extracting {
        done: u64,
        total: u64,
    },
    Done,
    /// Was on this host before.
    AlreadyHere,
}

/// All tasks: those that run, and for a while those that are over.
#[derive(Debug)]
pub(crate) struct Tasks {
    entries: Mutex<Vec<Entry>>,
    /// Counts changes of any of them.
    changes: watch::Sender<u64>,
}

impl Default for Tasks {
    fn default() -> Self {
        Self {
            entries: Mutex::default(),
            changes: watch::channel(0).0,
        }
    }
}

#[derive(Debug)]
struct Entry {
    task: watch::Sender<Task>,
    cancel: CancellationToken,
}

/// The running side of a task.
#[derive(Debug, Clone)]
pub(crate) struct Running {
    task: watch::Sender<Task>,
    changes: watch::Sender<u64>,
    pub(crate) cancel: CancellationToken,
}

impl Tasks {
    /// The task of this kind and subject that runs already, else a new one.
    pub(crate) fn join_or_begin(
        &self,
        kind: TaskKind,
        subject: String,
        owner: Option<String>,
        ending: &CancellationToken,
        join: bool,
    ) -> (TaskId, Option<Running>) {
        let mut entries = self.lock();
        let same = |task: &Task| task.kind == kind && task.subject == subject && !task.state.is_over();
        if join && let Some(entry) = entries.iter().find(|entry| same(&entry.task.borrow())) {
            return (entry.task.borrow().id.clone(), None);
        }
        let over = entries
            .iter()
            .filter(|entry| entry.task.borrow().state.is_over())
            .count();
        let mut surplus = over.saturating_sub(REMEMBERED - 1);
        entries.retain(|entry| {
            let goes = surplus > 0 && entry.task.borrow().state.is_over();
            surplus -= usize::from(goes);
            !goes
        });
        let id = TaskId(uuid::Uuid::now_v7().to_string());
        let (task, _) = watch::channel(Task {
            id: id.clone(),
            kind,
            subject,
            owner,
            state: TaskState::Running,
            started: clock::now(),
            ended: None,
            progress: Progress::default(),
            items: Vec::new(),
        });
        let cancel = ending.child_token();
        entries.push(Entry {
            task: task.clone(),
            cancel: cancel.clone(),
        });
        self.changes.send_modify(|count| *count += 1);
        let running = Running {
            task,
            changes: self.changes.clone(),
            cancel,
        };
        (id, Some(running))
    }

    fn find<T>(&self, id: &TaskId, look: impl FnOnce(&Entry) -> T) -> Result<T, EngineError> {
        let entries = self.lock();
        let found = entries.iter().find(|entry| entry.task.borrow().id == *id);
        found.map(look).ok_or_else(|| EngineError::NotFound {
            what: "task",
            name: id.to_string(),
        })
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Entry>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Running {
    pub(crate) fn show(&self, progress: Progress) {
        self.task.send_modify(|task| task.progress = progress);
        self.changes.send_modify(|count| *count += 1);
    }

    pub(crate) fn set_items(&self, items: impl Iterator<Item = TaskItem>) {
        self.task.send_modify(|task| task.items = items.collect());
        self.changes.send_modify(|count| *count += 1);
    }

    pub(crate) fn set_item(&self, number: usize, state: ItemState) {
        self.task.send_modify(|task| {
            if let Some(item) = task.items.get_mut(number) {
                item.state = state;
            }
        });
        self.changes.send_modify(|count| *count += 1);
    }

    /// Those that were never begun.
    pub(crate) fn cancel_waiting_items(&self) {
        self.task.send_modify(|task| {
            for item in &mut task.items {
                if item.state == ItemState::Waiting {
                    item.state = ItemState::Cancelled;
                }
            }
        });
    }

    pub(crate) fn end(&self, outcome: Result<Vec<LoadedImage>, EngineError>) {
        self.task.send_modify(|task| {
            task.ended = Some(clock::now());
            task.state = match outcome {
                Ok(images) => {
                    task.progress.phase = "done";
                    TaskState::Done { images }
                }
                Err(error) if error.kind() == Kind::Cancelled => TaskState::Cancelled,
                Err(error) => TaskState::Failed {
                    kind: error.kind(),
                    reason: error.to_string(),
                },
            };
        });
        self.changes.send_modify(|count| *count += 1);
    }
}

impl Engine {
    /// Wakes at every change of any task; several may be seen as one.
    pub fn watch_tasks(&self) -> watch::Receiver<u64> {
        self.inner.tasks.changes.subscribe()
    }

    /// Newest first.
    pub fn tasks(&self) -> Vec<Task> {
        let mut tasks: Vec<Task> = self
            .inner
            .tasks
            .lock()
            .iter()
            .map(|entry| entry.task.borrow().clone())
            .collect();
        tasks.reverse();
        tasks
    }

    pub fn task(&self, id: &TaskId) -> Result<Task, EngineError> {
        self.inner.tasks.find(id, |entry| entry.task.borrow().clone())
    }

    /// Shows the present at once and every change from then on; several changes
    /// may be seen as one.
    pub fn watch_task(&self, id: &TaskId) -> Result<watch::Receiver<Task>, EngineError> {
        self.inner.tasks.find(id, |entry| entry.task.subscribe())
    }

    /// Asks it to stop. What is over stays as it is.
    pub fn cancel_task(&self, id: &TaskId) -> Result<(), EngineError> {
        self.inner.tasks.find(id, |entry| entry.cancel.cancel())
    }

    /// Waits until it is over.
    pub async fn finish_task(&self, id: &TaskId) -> Result<Task, EngineError> {
        let mut watched = self.watch_task(id)?;
        let over = watched.wait_for(|task| task.state.is_over()).await;
        over.map(|task| task.clone()).map_err(|_| EngineError::Ending)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_pull_of_the_same_joins_the_first_until_that_is_over() {
        let (tasks, ending) = (Tasks::default(), CancellationToken::new());
        let begin = || tasks.join_or_begin(TaskKind::Pull, "busybox:latest".to_owned(), None, &ending, true);
        let (first, running) = begin();
        let (second, none) = begin();
        assert_eq!(first, second);
        assert!(none.is_none());
        running.unwrap().end(Ok(Vec::new()));
        assert_ne!(begin().0, first);
    }

    #[test]
    fn tasks_that_are_over_are_forgotten_oldest_first() {
        let (tasks, ending) = (Tasks::default(), CancellationToken::new());
        let mut ids = Vec::new();
        for _ in 0..REMEMBERED + 5 {
            let (id, running) = tasks.join_or_begin(TaskKind::Load, String::new(), None, &ending, false);
            running.unwrap().end(Ok(Vec::new()));
            ids.push(id);
        }
        assert!(tasks.find(&ids[0], |_| ()).is_err());
        assert!(tasks.find(&ids[REMEMBERED + 4], |_| ()).is_ok());
    }
}
