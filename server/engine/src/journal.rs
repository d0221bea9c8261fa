//! Changes and the events that tell them: one transaction, then one broadcast in
//! the order of the numbers.

use crate::clock;
use crate::error::EngineError;
use model::Timestamp;
use model::event::{Action, Event, Subject};
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use store::{Database, Transaction};
use tokio::sync::{Mutex, OwnedMutexGuard, broadcast};

/// A reader this far behind reads the rest from the database.
const WAITING_EVENTS: usize = 1024;
/// Events kept in the database.
const KEPT_EVENTS: u64 = 100_000;
/// Old ones are looked for once in so many.
const TRIM_EVERY: u64 = 1000;

/// Writes changes with their events, and sends those on.
#[derive(Debug)]
pub(crate) struct Journal {
    database: Database,
    /// Held from the beginning of a transaction until its events are sent. There
    /// is one writing connection anyway; this makes the sending part of the turn.
    turn: Arc<Mutex<()>>,
    last_seq: AtomicU64,
    last_time: AtomicI64,
    sender: broadcast::Sender<Arc<Event>>,
}

/// What an event tells besides its subject and action.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Facts {
    pub(crate) attributes: Vec<(String, String)>,
    /// Of the subject.
    pub(crate) labels: Vec<(String, String)>,
}

impl From<Vec<(String, String)>> for Facts {
    fn from(attributes: Vec<(String, String)>) -> Self {
        Self {
            attributes,
            labels: Vec::new(),
        }
    }
}

/// A change under way. Dropped without [`Change::commit`], it never happened.
pub(crate) struct Change<'j> {
    journal: &'j Journal,
    transaction: Transaction,
    events: Vec<Arc<Event>>,
    _turn: OwnedMutexGuard<()>,
}

impl Journal {
    pub(crate) async fn open(database: Database) -> Result<Self, EngineError> {
        let mut db = database.read().await?;
        let last_seq = store::events::last_seq(&mut db).await?;
        let last_time = store::events::last_time(&mut db).await?.unwrap_or_default();
        drop(db);
        Ok(Self {
            database,
            turn: Arc::default(),
            last_seq: AtomicU64::new(last_seq),
            last_time: AtomicI64::new(last_time.as_unix_nanos()),
            sender: broadcast::channel(WAITING_EVENTS).0,
        })
    }

    pub(crate) fn database(&self) -> &Database {
        &self.database
    }

    /// Waits for its turn to write.
    pub(crate) async fn change(&self) -> Result<Change<'_>, EngineError> {
        let turn = self.turn.clone().lock_owned().await;
        Ok(Change {
            journal: self,
            transaction: self.database.begin().await?,
            events: Vec::new(),
            _turn: turn,
        })
    }

    /// The number of the newest event that was sent.
    pub(crate) fn last_seq(&self) -> u64 {
        self.last_seq.load(Ordering::Acquire)
    }

    /// Times of events only grow, whatever the host's clock does.
    fn time(&self) -> Timestamp {
        let now = clock::now().as_unix_nanos();
        let before = self.last_time.fetch_max(now, Ordering::AcqRel);
        Timestamp::from_unix_nanos(now.max(before))
    }

    /// Events with a number above `after`, or from now on.
    pub(crate) fn follow(&self, after: Option<u64>) -> Events {
        let receiver = self.sender.subscribe();
        Events {
            database: self.database.clone(),
            seen: after.unwrap_or_else(|| self.last_seq()),
            // What came before the subscription is in the database alone.
            behind: after.is_some(),
            waiting: VecDeque::new(),
            receiver,
        }
    }
}

impl Change<'_> {
    /// The transaction, for the store's functions.
    pub(crate) fn db(&mut self) -> &mut store::SqliteConnection {
        &mut self.transaction
    }

    /// Tells of the change in the same transaction.
    pub(crate) async fn event(
        &mut self,
        subject: Subject,
        action: Action,
        facts: impl Into<Facts>,
    ) -> Result<(), EngineError> {
        let time = self.journal.time();
        let Facts { attributes, labels } = facts.into();
        let event = store::events::append(&mut self.transaction, time, subject, action, attributes, labels).await?;
        if event.seq % TRIM_EVERY == 0 {
            store::events::trim(&mut self.transaction, KEPT_EVENTS).await?;
        }
        self.events.push(Arc::new(event));
        Ok(())
    }

    /// Makes the change lasting, lets `show` bring what others see up to date, and
    /// only then sends the events: who hears of a change can see it.
    pub(crate) async fn commit(self, show: impl FnOnce()) -> Result<(), EngineError> {
        self.transaction.commit().await.map_err(store::StoreError::from)?;
        show();
        for event in self.events {
            self.journal.last_seq.store(event.seq, Ordering::Release);
            // Nobody listening is no failure.
            let _ = self.journal.sender.send(event);
        }
        Ok(())
    }
}

/// Events, one after the other, without gap or double. A slow reader delays
/// nobody: it reads from the database what it missed.
#[derive(Debug)]
pub struct Events {
    database: Database,
    seen: u64,
    behind: bool,
    waiting: VecDeque<Arc<Event>>,
    receiver: broadcast::Receiver<Arc<Event>>,
}

impl Events {
    /// The next one; `None` when the server ends. Dropped while waiting, it loses nothing.
    pub async fn next(&mut self) -> Option<Arc<Event>> {
        loop {
            if let Some(event) = self.waiting.pop_front() {
                self.seen = event.seq;
                return Some(event);
            }
            if self.behind {
                self.catch_up().await;
                continue;
            }
            match self.receiver.recv().await {
                Ok(event) if event.seq > self.seen => self.waiting.push_back(event),
                Ok(_) => {}
                Err(broadcast::error::RecvError::Lagged(_)) => self.behind = true,
                Err(broadcast::error::RecvError::Closed) => return None,
            }
        }
    }

    async fn catch_up(&mut self) {
        let read = async {
            let mut db = self.database.read().await?;
            store::events::list_after(&mut db, self.seen, 500).await
        };
        match read.await {
            Ok(events) if events.is_empty() => self.behind = false,
            Ok(events) => self.waiting.extend(events.into_iter().map(Arc::new)),
            Err(error) => {
                tracing::error!(%error, "cannot read events; a reader goes on with the next ones");
                self.behind = false;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn journal(dir: &tempfile::TempDir) -> Journal {
        let database = Database::open(&dir.path().join("db")).await.unwrap();
        Journal::open(database).await.unwrap()
    }

    async fn tell(journal: &Journal, name: &str) {
        let mut change = journal.change().await.unwrap();
        change
            .event(Subject::Volume(name.to_owned()), Action::Create, Vec::new())
            .await
            .unwrap();
        change.commit(|| {}).await.unwrap();
    }

    #[tokio::test]
    async fn a_reader_gets_old_and_new_events_once_and_in_order() {
        let dir = tempfile::tempdir().unwrap();
        let journal = journal(&dir).await;
        for name in ["a", "b"] {
            tell(&journal, name).await;
        }
        let mut events = journal.follow(Some(1));
        tell(&journal, "c").await;
        assert_eq!(events.next().await.unwrap().seq, 2);
        assert_eq!(events.next().await.unwrap().seq, 3);
        assert_eq!(journal.last_seq(), 3);
    }

    #[tokio::test]
    async fn a_reader_that_fell_behind_misses_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let journal = journal(&dir).await;
        let mut events = journal.follow(None);
        let count = WAITING_EVENTS as u64 + 10;
        let mut change = journal.change().await.unwrap();
        for number in 0..count {
            change
                .event(Subject::Volume(number.to_string()), Action::Create, Vec::new())
                .await
                .unwrap();
        }
        change.commit(|| {}).await.unwrap();
        for seq in 1..=count {
            assert_eq!(events.next().await.unwrap().seq, seq);
        }
    }

    #[tokio::test]
    async fn what_is_not_committed_is_not_told() {
        let dir = tempfile::tempdir().unwrap();
        let journal = journal(&dir).await;
        let mut change = journal.change().await.unwrap();
        change
            .event(Subject::Volume("x".to_owned()), Action::Create, Vec::new())
            .await
            .unwrap();
        drop(change);
        assert_eq!(journal.last_seq(), 0);
        tell(&journal, "y").await;
        assert_eq!(
            journal.follow(Some(0)).next().await.unwrap().subject,
            Subject::Volume("y".to_owned())
        );
    }
}
