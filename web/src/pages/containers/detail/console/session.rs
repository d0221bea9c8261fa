//! One console: what it is joined to, and how it stands.

use super::super::{Loaded, Subject};
use super::split::split;
use crate::client::http;
use crate::client::socket::{self, Heard, Subscription};
use crate::components::terminal::Handle;
use crate::pages::frame::Reader;
use crate::state::App;
use crate::state::signal::{Edit, Peek};
use leptos::prelude::*;
use leptos::task::spawn_local;
use shared::exec::{Console, ExecCreated, NewExec};
use shared::list::List;
use shared::socket::{Message, Topic};

/// bash where the image has it, else sh.
const SHELL: &str = "command -v bash >/dev/null 2>&1 && exec bash; exec sh";

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    Choosing,
    Opening,
    Running,
    Ended,
}

/// What is joined.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// A shell, or the command in the form, that is started for it.
    New,
    /// The main process.
    Attach,
    /// A console that runs, by the id of its exec.
    Join(String),
}

/// A console of this tab.
#[derive(Clone, Copy)]
pub struct Session {
    app: App,
    subject: Subject,
    pub consoles: Reader<List<Console>>,
    pub phase: RwSignal<Phase>,
    pub target: RwSignal<Target>,
    /// Counts sessions: each has a terminal of its own.
    pub number: RwSignal<u32>,
    pub mistake: RwSignal<String>,
    ending: RwSignal<String>,
    pub command: RwSignal<String>,
    pub user: RwSignal<String>,
    pub directory: RwSignal<String>,
    pub terminal: Handle,
    channel: StoredValue<Option<Subscription>, LocalStorage>,
}

/// What this browser tab remembers of the console it left, also over a reload.
fn memory() -> Option<web_sys::Storage> {
    window().session_storage().ok().flatten()
}

impl Session {
    pub fn new(app: App, subject: Subject, consoles: Reader<List<Console>>) -> Self {
        let text = || RwSignal::new(String::new());
        Self {
            app,
            subject,
            consoles,
            phase: RwSignal::new(Phase::Choosing),
            target: RwSignal::new(Target::New),
            number: RwSignal::new(0),
            mistake: text(),
            ending: text(),
            command: text(),
            user: text(),
            directory: text(),
            terminal: Handle::default(),
            channel: StoredValue::new_local(None),
        }
    }

    fn container(self) -> String {
        self.subject
            .item
            .peek(|item| item.as_ref().map(|item| item.id.clone()))
            .unwrap_or_else(|| self.subject.id())
    }

    fn key(self) -> String {
        ["gantry.console.", &self.subject.id()].concat()
    }

    fn remember(self, exec: &str) {
        if let Some(memory) = memory() {
            let _ = memory.set_item(&self.key(), exec);
        }
    }

    fn forget(self) {
        if let Some(memory) = memory() {
            let _ = memory.remove_item(&self.key());
        }
    }

    /// Joins the console that this browser tab left, as soon as the server says it runs.
    pub fn join_the_one_left(self) {
        let Some(left) = memory().and_then(|memory| memory.get_item(&self.key()).ok().flatten()) else {
            return;
        };
        Effect::new(move |done: Option<bool>| {
            if done == Some(true) {
                return true;
            }
            let Loaded::Ready(list) = self.consoles.value.get() else {
                return false;
            };
            if list.items.iter().any(|console| console.id == left) {
                self.begin(Target::Join(left.clone()));
            } else {
                self.forget();
            }
            true
        });
    }

    /// Opens a terminal for a target; [`Session::open`] follows when it stands.
    pub fn begin(self, target: Target) {
        self.mistake.set(String::new());
        self.ending.set(String::new());
        self.channel.set_value(None);
        self.target.set(target);
        self.number.edit(|number| *number += 1);
        self.phase.set(Phase::Opening);
    }

    /// The same once more, after its end.
    pub fn again(self) {
        let target = match self.target.get_untracked() {
            Target::Attach => Target::Attach,
            Target::New | Target::Join(_) => Target::New,
        };
        self.begin(target);
    }

    /// Joins the process once the terminal stands and its size is known.
    pub fn open(self, rows: u16, cols: u16) {
        match self.target.get_untracked() {
            Target::Attach => {
                let container = self.container();
                self.listen(Topic::Attach { container, rows, cols });
            }
            Target::Join(exec) => self.join(exec, rows, cols),
            Target::New => {
                let request = self.request();
                let path = ["/containers/", &self.container(), "/execs"].concat();
                let number = self.number.get_untracked();
                spawn_local(async move {
                    let answer = http::send::<_, ExecCreated>("POST", &path, &request).await;
                    // The user left meanwhile; the shell is listed among the open ones.
                    if self.phase.is_disposed()
                        || self.phase.get_untracked() != Phase::Opening
                        || self.number.get_untracked() != number
                    {
                        return;
                    }
                    match answer {
                        Ok(created) => {
                            self.target.set(Target::Join(created.id.clone()));
                            self.join(created.id, rows, cols);
                        }
                        Err(failure) => self.ended(&failure.to_string()),
                    }
                });
            }
        }
    }

    fn request(self) -> NewExec {
        let typed = self.command.get_untracked();
        let command = if typed.trim().is_empty() {
            ["/bin/sh", "-c", SHELL].map(str::to_owned).to_vec()
        } else {
            split(&typed)
        };
        NewExec {
            command,
            env: vec!["TERM=xterm-256color".to_owned()],
            working_dir: crate::components::field::given(self.directory),
            user: crate::components::field::given(self.user),
            terminal: true,
            stdin: true,
        }
    }

    fn join(self, exec: String, rows: u16, cols: u16) {
        self.remember(&exec);
        self.listen(Topic::Exec { exec, rows, cols });
    }

    fn listen(self, topic: Topic) {
        let has_terminal = self
            .subject
            .details
            .peek(|details| !matches!(details, Loaded::Ready(details) if !details.spec.terminal));
        let plain = matches!(topic, Topic::Attach { .. }) && !has_terminal;
        let hear = move |heard| match heard {
            Heard::Bytes(bytes) if plain => self.terminal.write(&with_returns(&bytes)),
            Heard::Bytes(bytes) => self.terminal.write(&bytes),
            Heard::Opened => self.opened(),
            Heard::Closed(why) => self.ended(&["Session ended: ", &why].concat()),
            Heard::Problem(why) => self.ended(&http::sentence(&why)),
            Heard::Data(_) | Heard::Gap(_) | Heard::Reset => {}
        };
        self.channel.try_set_value(Some(socket::open(topic, None, hear)));
    }

    fn opened(self) {
        if self.phase.is_disposed() {
            return;
        }
        if self.phase.get_untracked() == Phase::Running {
            // The connection was cut meanwhile: the server draws the screen again.
            self.terminal.reset();
            if let Some((rows, cols)) = self.terminal.size() {
                self.resize(rows, cols);
            }
        }
        self.phase.set(Phase::Running);
        self.terminal.focus();
    }

    fn ended(self, why: &str) {
        if self.phase.is_disposed() {
            return;
        }
        self.forget();
        self.terminal.say(why);
        self.ending.set(why.to_owned());
        self.phase.set(Phase::Ended);
    }

    /// Back to the choice; a shell goes on.
    pub fn leave(self) {
        self.forget();
        self.channel.set_value(None);
        self.phase.set(Phase::Choosing);
        self.consoles.again();
    }

    /// Ends the shell with its children.
    pub fn end(self) {
        if let Target::Join(exec) = self.target.get_untracked() {
            self.end_exec(exec);
        }
    }

    pub fn end_exec(self, exec: String) {
        spawn_local(async move {
            if let Err(failure) = http::act("DELETE", &["/execs/", &exec].concat()).await {
                self.app.toasts.failed("The console was not ended", failure.to_string());
            }
            if !self.phase.is_disposed() {
                self.consoles.again();
            }
        });
    }

    pub fn write(self, bytes: &[u8]) {
        self.channel.try_with_value(|channel| {
            if let Some(channel) = channel {
                channel.write(bytes);
            }
        });
    }

    pub fn resize(self, rows: u16, cols: u16) {
        self.channel.try_with_value(|channel| {
            if let Some(channel) = channel {
                channel.send(Message::Resize { rows, cols });
            }
        });
    }

    /// How it stands, in a sentence.
    pub fn words(self) -> String {
        let attached = self.target.get() == Target::Attach;
        match self.phase.get() {
            Phase::Choosing | Phase::Opening => "Opening".to_owned(),
            Phase::Running if self.app.connection.is_cut() && !attached => "Reconnecting. The shell goes on".to_owned(),
            Phase::Running if attached => "Attached to process 1: input goes there".to_owned(),
            Phase::Running => "Shell is open. Ctrl Shift Esc moves the focus out of it".to_owned(),
            Phase::Ended => self.ending.get(),
        }
    }
}

/// Line ends as a terminal's driver writes them, for a process that has none.
fn with_returns(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len() + 16);
    for byte in bytes {
        if *byte == b'\n' {
            out.push(b'\r');
        }
        out.push(*byte);
    }
    out
}
