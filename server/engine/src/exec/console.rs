//! Consoles: execs with a terminal that outlive the client's connection.
//!
//! The engine reads the terminal itself and keeps the last of what it wrote. Clients come
//! and go: each gets what is kept, which draws the screen again, and then what follows. A
//! console that no client is joined to ends after [`DETACHED_LIMIT`], with every process of
//! its session.

use super::{Exec, ExecId, ExecState};
use crate::blocking::blocking;
use crate::clock;
use crate::containers::top;
use crate::engine::Engine;
use crate::error::{Doing, EngineError};
use crate::shim;
use model::Timestamp;
use model::container::ContainerId;
use shim_protocol::{Attach, Target};
use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::{Notify, watch};

/// What is kept of the output, to draw the screen again.
const REPLAY_BYTES: usize = 1 << 20;
/// A client that is further behind makes the terminal wait.
const LAG_BYTES: u64 = 512 << 10;
/// Of one read, from the terminal and by a client.
const READ_BYTES: usize = 32 << 10;
/// How long a console lives that no client is joined to.
const DETACHED_LIMIT: Duration = Duration::from_mins(30);
/// What processes get between SIGHUP and SIGKILL.
const END_GRACE: Duration = Duration::from_secs(1);

/// A console that runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Console {
    pub exec: ExecId,
    pub command: Vec<String>,
    pub user: Option<String>,
    /// Who opened it; empty where an earlier server did.
    pub owner: String,
    pub started: Timestamp,
    /// How many clients are joined now.
    pub clients: usize,
}

/// All consoles, by exec.
#[derive(Debug, Default)]
pub(crate) struct Consoles {
    by_exec: Mutex<HashMap<ExecId, Arc<Shared>>>,
}

#[derive(Debug)]
struct Shared {
    exec: ExecId,
    container: ContainerId,
    owner: String,
    started: Timestamp,
    screen: Mutex<Screen>,
    input: tokio::sync::Mutex<OwnedWriteHalf>,
    /// Changes whenever there is more to read, or nothing more will come.
    news: watch::Sender<()>,
    /// A client has read.
    room: Notify,
}

#[derive(Debug, Default)]
struct Screen {
    kept: VecDeque<u8>,
    /// Bytes of output since the beginning; `kept` are the last of them.
    end: u64,
    over: bool,
    /// How far each client has read.
    clients: HashMap<u64, u64>,
    next_client: u64,
    /// Counts the times that the last client left.
    detached: u64,
}

impl Screen {
    fn push(&mut self, bytes: &[u8]) {
        self.kept.extend(bytes);
        let surplus = self.kept.len().saturating_sub(REPLAY_BYTES);
        self.kept.drain(..surplus);
        self.end += bytes.len() as u64;
    }

    fn first(&self) -> u64 {
        self.end - self.kept.len() as u64
    }

    /// A client that begins with what is kept.
    fn join(&mut self) -> u64 {
        let client = self.next_client;
        self.next_client += 1;
        let first = self.first();
        self.clients.insert(client, first);
        client
    }

    /// What comes next for a client, some of it.
    fn take(&mut self, client: u64) -> Vec<u8> {
        let first = self.first();
        let Some(at) = self.clients.get_mut(&client) else {
            return Vec::new();
        };
        let from = usize::try_from((*at).max(first) - first).unwrap_or(usize::MAX);
        let bytes: Vec<u8> = self.kept.iter().skip(from).take(READ_BYTES).copied().collect();
        *at = (*at).max(first) + bytes.len() as u64;
        bytes
    }

    fn is_behind(&self) -> bool {
        self.clients.values().any(|at| self.end - at > LAG_BYTES)
    }
}

impl Shared {
    fn screen(&self) -> MutexGuard<'_, Screen> {
        self.screen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads the terminal to its end.
    async fn pump(&self, mut from: OwnedReadHalf) {
        let mut buffer = vec![0; READ_BYTES];
        loop {
            while self.screen().is_behind() {
                self.room.notified().await;
            }
            match from.read(&mut buffer).await {
                Ok(0) | Err(_) => break,
                Ok(count) => self.screen().push(&buffer[..count]),
            }
            self.news.send_replace(());
        }
        self.screen().over = true;
        self.news.send_replace(());
    }
}

impl Consoles {
    fn lock(&self) -> MutexGuard<'_, HashMap<ExecId, Arc<Shared>>> {
        self.by_exec.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn get(&self, id: &ExecId) -> Option<Arc<Shared>> {
        self.lock().get(id).cloned()
    }
}

/// A client of a console. Dropped, it leaves; the console goes on.
#[derive(Debug)]
pub struct ConsoleClient {
    engine: Engine,
    console: Arc<Shared>,
    number: u64,
    news: watch::Receiver<()>,
}

impl ConsoleClient {
    /// The next output; `None` when the process has ended and all was read.
    pub async fn read(&mut self) -> Option<Vec<u8>> {
        loop {
            let (bytes, over) = {
                let mut screen = self.console.screen();
                (screen.take(self.number), screen.over)
            };
            if !bytes.is_empty() {
                self.console.room.notify_one();
                return Some(bytes);
            }
            if over || self.news.changed().await.is_err() {
                return None;
            }
        }
    }

    /// The side that is typed into.
    pub fn input(&self) -> ConsoleInput {
        ConsoleInput(self.console.clone())
    }
}

impl Drop for ConsoleClient {
    fn drop(&mut self) {
        let detached = {
            let mut screen = self.console.screen();
            screen.clients.remove(&self.number);
            screen.detached += u64::from(screen.clients.is_empty());
            (screen.clients.is_empty() && !screen.over).then_some(screen.detached)
        };
        self.console.room.notify_one();
        if let Some(detached) = detached {
            let (engine, console) = (self.engine.clone(), self.console.clone());
            self.engine.inner.tracker.spawn(expire(engine, console, detached));
        }
    }
}

/// Ends a console when nobody has joined it again in time.
async fn expire(engine: Engine, console: Arc<Shared>, detached: u64) {
    tokio::select! {
        () = tokio::time::sleep(DETACHED_LIMIT) => {}
        () = engine.inner.ending.cancelled() => return,
    }
    let still = {
        let screen = console.screen();
        screen.clients.is_empty() && screen.detached == detached && !screen.over
    };
    if still && let Err(error) = engine.end_console(&console.exec).await {
        tracing::warn!(container = console.container.short(), %error, "cannot end a console that nobody uses");
    }
}

/// Where a client types.
#[derive(Debug, Clone)]
pub struct ConsoleInput(Arc<Shared>);

impl ConsoleInput {
    /// Waits while the terminal takes nothing.
    ///
    /// # Errors
    /// The process has ended.
    pub async fn write(&self, bytes: &[u8]) -> std::io::Result<()> {
        self.0.input.lock().await.write_all(bytes).await
    }
}

impl Engine {
    /// Joins the console of an exec, which is started by the first to join.
    pub async fn join_console(&self, id: &ExecId, owner: &str, size: (u16, u16)) -> Result<ConsoleClient, EngineError> {
        let exec = self.exec_inspect(id)?;
        let console = match self.inner.consoles.get(id) {
            Some(console) => console,
            None => self.open_console(&exec, owner, size).await?,
        };
        if !exec.state.is_over() && exec.state != ExecState::Created {
            // A client that joins has a window of its own. The process may just have ended.
            let _ = self.exec_resize(id, size.0, size.1).await;
        }
        let number = console.screen().join();
        let mut news = console.news.subscribe();
        news.mark_changed();
        Ok(ConsoleClient {
            engine: self.clone(),
            console,
            number,
            news,
        })
    }

    async fn open_console(&self, exec: &Exec, owner: &str, size: (u16, u16)) -> Result<Arc<Shared>, EngineError> {
        let (owner, attached) = if exec.state == ExecState::Created {
            (owner, self.exec_start(&exec.id, false, Some(size)).await?)
        } else if exec.state.is_over() {
            return Err(EngineError::Conflict(format!(
                "exec {} has ended; make another",
                &exec.id.as_str()[..12]
            )));
        } else {
            // An earlier server began it; what it wrote until now is not known.
            let request = Attach {
                target: Target::Exec(exec.id.0.clone()),
                stdin: true,
                stdout: true,
                stderr: true,
            };
            let stream = shim::attach(&self.inner.layout.container(&exec.container).run, request)
                .await
                .doing(|| "join a console".to_owned())?;
            ("", Some(crate::attach::Attached::new(stream, true)))
        };
        let attached = attached.ok_or_else(|| EngineError::Conflict("the exec has no streams".to_owned()))?;
        let (from, to) = attached.into_split();
        let console = Arc::new(Shared {
            exec: exec.id.clone(),
            container: exec.container.clone(),
            owner: owner.to_owned(),
            started: clock::now(),
            screen: Mutex::default(),
            input: tokio::sync::Mutex::new(to),
            news: watch::channel(()).0,
            room: Notify::new(),
        });
        self.inner.consoles.lock().insert(exec.id.clone(), console.clone());
        let (engine, pumped) = (self.clone(), console.clone());
        self.inner.tracker.spawn(async move {
            tokio::select! {
                () = pumped.pump(from) => {}
                () = engine.inner.ending.cancelled() => {}
            }
            engine.inner.consoles.lock().remove(&pumped.exec);
        });
        Ok(console)
    }

    /// The consoles of a container, oldest first.
    pub fn consoles(&self, container: &ContainerId) -> Vec<Console> {
        let all = self.inner.consoles.lock();
        let mut found: Vec<Console> = all
            .values()
            .filter(|console| console.container == *container)
            .filter_map(|console| {
                let exec = self.exec_inspect(&console.exec).ok()?;
                Some(Console {
                    exec: exec.id,
                    command: exec.spec.command,
                    user: exec.spec.user,
                    owner: console.owner.clone(),
                    started: console.started,
                    clients: console.screen().clients.len(),
                })
            })
            .collect();
        found.sort_by_key(|console| console.started);
        found
    }

    /// Who opened the console of an exec; `None` where there is none.
    pub fn console_owner(&self, id: &ExecId) -> Option<String> {
        self.inner.consoles.get(id).map(|console| console.owner.clone())
    }

    /// Ends an exec with every process of its session, such as a shell's children: first
    /// by SIGHUP, as a closed terminal does, then by SIGKILL.
    pub async fn end_console(&self, id: &ExecId) -> Result<(), EngineError> {
        let exec = self.exec_inspect(id)?;
        let ExecState::Running { pid, .. } = exec.state else {
            return Ok(());
        };
        self.signal_session(&exec.container, pid, model::Signal::HUP).await?;
        let _ = tokio::time::timeout(END_GRACE, self.exec_wait(id)).await;
        self.signal_session(&exec.container, pid, model::Signal::KILL).await
    }

    /// Sends a signal to the processes of the container whose session `leader` leads.
    async fn signal_session(
        &self,
        container: &ContainerId,
        leader: i32,
        signal: model::Signal,
    ) -> Result<(), EngineError> {
        let group = self.inner.group(container);
        blocking("end a console", move || {
            let pids = group
                .processes()
                .doing(|| "list the processes of a console".to_owned())?;
            let pids = if pids.is_empty() { top::beside(leader) } else { pids };
            for pid in pids {
                // The handle is taken first: the number cannot come to mean another process.
                let Ok(handle) = sys::pidfd::open(pid) else { continue };
                if top::session(pid) == Some(leader) {
                    let _ = sys::pidfd::send_signal(&handle, signal.number());
                }
            }
            Ok(())
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_that_joins_reads_what_is_kept_and_then_what_follows() {
        let mut screen = Screen::default();
        screen.push(b"one");
        let first = screen.join();
        assert_eq!(screen.take(first), b"one");
        assert!(screen.take(first).is_empty());
        screen.push(b"two");
        let second = screen.join();
        assert_eq!(screen.take(first), b"two");
        assert_eq!(screen.take(second), b"onetwo");
    }

    #[test]
    fn the_last_mebibyte_is_kept_and_a_slow_client_makes_the_terminal_wait() {
        let mut screen = Screen::default();
        let client = screen.join();
        screen.push(&vec![b'a'; REPLAY_BYTES]);
        assert!(screen.is_behind());
        screen.push(b"b");
        assert_eq!(screen.kept.len(), REPLAY_BYTES);
        let mut read = Vec::new();
        loop {
            let some = screen.take(client);
            if some.is_empty() {
                break;
            }
            read.extend(some);
        }
        assert_eq!((read.len(), read.last()), (REPLAY_BYTES, Some(&b'b')));
        assert!(!screen.is_behind());
    }
}
