//! Waiting for logs to grow: one inotify instance for all, since a host allows few
//! (128 a user, as a rule), and one watch a directory, however many read it.

use futures_util::StreamExt as _;
use inotify::{EventMask, Inotify, WatchDescriptor, WatchMask, Watches};
use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

const EVENT_BUFFER_BYTES: usize = 16 << 10;

/// Shared by all followers.
#[derive(Debug)]
pub(crate) struct Watcher {
    state: Arc<Mutex<State>>,
}

struct State {
    watches: Watches,
    by_path: HashMap<PathBuf, WatchDescriptor>,
    /// Counts changes of a directory; who falls behind sees the newest count alone.
    senders: HashMap<WatchDescriptor, (PathBuf, watch::Sender<u64>)>,
}

impl std::fmt::Debug for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("State")
            .field("paths", &self.by_path.len())
            .finish_non_exhaustive()
    }
}

impl Watcher {
    /// Begins to watch; ends with `ending`.
    pub(crate) fn start(ending: CancellationToken) -> io::Result<Self> {
        let inotify = Inotify::init()?;
        let state = Arc::new(Mutex::new(State {
            watches: inotify.watches(),
            by_path: HashMap::new(),
            senders: HashMap::new(),
        }));
        let mut events = inotify.into_event_stream(vec![0; EVENT_BUFFER_BYTES])?;
        let watched = state.clone();
        tokio::spawn(async move {
            loop {
                let event = tokio::select! {
                    () = ending.cancelled() => return,
                    event = events.next() => event,
                };
                match event {
                    Some(Ok(event)) => lock(&watched).tell(&event.wd, event.mask),
                    Some(Err(error)) => {
                        tracing::error!(%error, "logs cannot be followed any more");
                        return;
                    }
                    None => return,
                }
            }
        });
        Ok(Self { state })
    }

    /// Changes of a directory from now on: files in it that grow, and new ones.
    pub(crate) fn watch(&self, dir: &Path) -> io::Result<watch::Receiver<u64>> {
        let mut state = lock(&self.state);
        if let Some((_, sender)) = state.by_path.get(dir).and_then(|known| state.senders.get(known)) {
            return Ok(sender.subscribe());
        }
        let mask = WatchMask::MODIFY | WatchMask::CREATE | WatchMask::MOVED_TO | WatchMask::ONLYDIR;
        let descriptor = state.watches.add(dir, mask)?;
        let (sender, receiver) = watch::channel(0);
        state.by_path.insert(dir.to_owned(), descriptor.clone());
        state.senders.insert(descriptor, (dir.to_owned(), sender));
        Ok(receiver)
    }
}

impl State {
    fn tell(&mut self, descriptor: &WatchDescriptor, mask: EventMask) {
        // Events were lost: anything may have changed.
        if mask.contains(EventMask::Q_OVERFLOW) {
            for (_, sender) in self.senders.values() {
                sender.send_modify(|count| *count += 1);
            }
            return;
        }
        let gone = mask.contains(EventMask::IGNORED);
        let Some((path, sender)) = self.senders.get(descriptor) else {
            return;
        };
        sender.send_modify(|count| *count += 1);
        if gone || sender.receiver_count() == 0 {
            let path = path.clone();
            self.senders.remove(descriptor);
            self.by_path.remove(&path);
            if !gone {
                // It went by itself when the directory did.
                let _ = self.watches.remove(descriptor.clone());
            }
        }
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::time::Duration;

    #[tokio::test]
    async fn all_who_watch_a_directory_hear_of_a_change() {
        let dir = tempfile::tempdir().unwrap();
        let watcher = Watcher::start(CancellationToken::new()).unwrap();
        let mut first = watcher.watch(dir.path()).unwrap();
        let mut second = watcher.watch(dir.path()).unwrap();
        fs::write(dir.path().join("1.log"), "x").unwrap();
        for receiver in [&mut first, &mut second] {
            tokio::time::timeout(Duration::from_secs(5), receiver.changed())
                .await
                .unwrap()
                .unwrap();
        }
    }

    #[tokio::test]
    async fn a_directory_nobody_watches_any_more_is_let_go() {
        let dir = tempfile::tempdir().unwrap();
        let watcher = Watcher::start(CancellationToken::new()).unwrap();
        drop(watcher.watch(dir.path()).unwrap());
        fs::write(dir.path().join("1.log"), "x").unwrap();
        tokio::time::timeout(Duration::from_secs(5), async {
            while !lock(&watcher.state).senders.is_empty() {
                tokio::task::yield_now().await;
            }
        })
        .await
        .unwrap();
    }
}
