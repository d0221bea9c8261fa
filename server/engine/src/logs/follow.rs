use super::line::{LogBatch, LogLine};
use super::lines;
use crate::containers::view::Container;
use crate::error::{Doing, EngineError};
use crate::logs::watcher::Watcher;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// Lines of one batch at most.
const BATCH_LINES: usize = 1000;
/// New lines are gathered this long, so that a chatty container costs a few reads
/// a second instead of thousands.
const GATHER: Duration = Duration::from_millis(20);

/// The same where only the newest lines are wanted: no more than a screen shows.
const GATHER_NEWEST: Duration = Duration::from_millis(33);

/// Reads on as the log grows, woken by the kernel. inotify(7)
pub struct LogFollower {
    /// `None` while a read on a blocking thread has it.
    reader: Option<log_store::Reader>,
    dir: PathBuf,
    next: u64,
    changes: watch::Receiver<u64>,
    view: watch::Receiver<Arc<Container>>,
    /// More may be there without a new event.
    pending: bool,
    /// Passes over all but the last so many records where more wait to be read.
    newest: Option<u64>,
    /// What comes after the records that were passed over.
    held: Option<Vec<LogLine>>,
}

impl std::fmt::Debug for LogFollower {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LogFollower")
            .field("dir", &self.dir)
            .field("next", &self.next)
            .finish_non_exhaustive()
    }
}

impl LogFollower {
    pub(super) fn begin(
        watcher: &Watcher,
        dir: PathBuf,
        from: u64,
        view: watch::Receiver<Arc<Container>>,
    ) -> Result<Self, EngineError> {
        let changes = watcher
            .watch(&dir)
            .doing(|| format!("watch the log `{}`", dir.display()))?;
        Ok(Self {
            reader: None,
            dir,
            next: from,
            changes,
            view,
            pending: true,
            newest: None,
            held: None,
        })
    }

    /// From now on passes over all but the last `newest` records where more wait to be read,
    /// for readers that show only the end of a log.
    pub fn newest_only(&mut self, newest: u64) {
        self.newest = Some(newest.max(1));
    }

    /// The number of the next line that will come.
    pub fn next_seq(&self) -> u64 {
        self.next
    }

    /// The next lines; `None` when the container is removed or the server ends.
    /// Dropped while waiting, it loses nothing.
    pub async fn next(&mut self) -> Option<LogBatch> {
        if let Some(lines) = self.held.take() {
            self.next = lines.last().map_or(self.next, |line| line.seq + 1);
            return Some(LogBatch::Lines(lines));
        }
        loop {
            if self.pending {
                match self.read().await {
                    Ok(Some(batch)) => return Some(batch),
                    Ok(None) => self.pending = false,
                    Err(error) => {
                        // The directory goes with the container.
                        if self.view.has_changed().is_ok() {
                            tracing::warn!(%error, "a log cannot be followed any more");
                        }
                        return None;
                    }
                }
            }
            tokio::select! {
                changed = self.changes.changed() => {
                    changed.ok()?;
                    // First: dropped in the wait, it must not forget.
                    self.pending = true;
                    let gather = if self.newest.is_some() { GATHER_NEWEST } else { GATHER };
                    tokio::time::sleep(gather).await;
                }
                gone = removed(&mut self.view) => {
                    let () = gone;
                    return None;
                }
            }
        }
    }

    async fn read(&mut self) -> Result<Option<LogBatch>, EngineError> {
        let reader = self.reader.take();
        let (dir, mut from, newest) = (self.dir.clone(), self.next, self.newest);
        let (reader, records) = crate::blocking::blocking("read a log", move || {
            let mut reader = match reader {
                Some(reader) => reader,
                None => log_store::Reader::open(dir).doing(|| "open the log".to_owned())?,
            };
            if let Some(newest) = newest {
                reader.refresh().doing(|| "read the log".to_owned())?;
                from = from.max(reader.next_seq().saturating_sub(newest));
            }
            let records = reader.records(from, BATCH_LINES).doing(|| "read the log".to_owned())?;
            Ok((reader, records))
        })
        .await?;
        self.reader = Some(reader);
        let Some(first) = records.first().map(|record| record.seq) else {
            return Ok(None);
        };
        if first > self.next {
            let skipped = first - self.next;
            self.next = first;
            self.held = Some(lines(records));
            return Ok(Some(LogBatch::Skipped(skipped)));
        }
        self.next = records.last().map_or(first, |record| record.seq) + 1;
        Ok(Some(LogBatch::Lines(lines(records))))
    }
}

/// Ends when the keeper lets go of the view.
async fn removed(view: &mut watch::Receiver<Arc<Container>>) {
    while view.changed().await.is_ok() {}
}
