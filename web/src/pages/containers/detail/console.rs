//! The console tab: a shell in the container, or its main process.

use super::Subject;
use crate::client::http;
use crate::client::socket::{self, Heard, Subscription};
use crate::components::icon::icon;
use crate::components::notice::{Empty, note};
use crate::components::terminal::{Handle, TerminalView};
use crate::pages::frame::Loaded;
use crate::state::App;
use crate::state::actions::{Action, take};
use crate::state::containers::is_up;
use crate::state::signal::{Edit, Peek, See};
use leptos::prelude::*;
use leptos::task::spawn_local;
use shared::exec::{ExecCreated, NewExec};
use shared::session::Role;
use shared::socket::{Message, Topic};
use std::rc::Rc;

/// The best shell there is, without asking first.
const AUTO: &str = "command -v bash >/dev/null 2>&1 && exec bash; exec sh";

#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    Choosing,
    Opening,
    Running,
    Ended,
}

#[derive(Clone, Copy)]
struct Session {
    phase: RwSignal<Phase>,
    /// Counts sessions: each has a terminal of its own.
    number: RwSignal<u32>,
    mistake: RwSignal<String>,
    ending: RwSignal<String>,
    attach: RwSignal<bool>,
    command: RwSignal<String>,
    user: RwSignal<String>,
    directory: RwSignal<String>,
    terminal: Handle,
    channel: StoredValue<Option<Subscription>, LocalStorage>,
}

pub fn console(subject: Subject) -> AnyView {
    let app = App::get();
    let session = Session {
        phase: RwSignal::new(Phase::Choosing),
        number: RwSignal::new(0),
        mistake: RwSignal::new(String::new()),
        ending: RwSignal::new(String::new()),
        attach: RwSignal::new(false),
        command: RwSignal::new(String::new()),
        user: RwSignal::new(String::new()),
        directory: RwSignal::new(String::new()),
        terminal: Handle::default(),
        channel: StoredValue::new_local(None),
    };
    Effect::new(move || {
        app.preferences.is_dark();
        // The colours are read after the document has them.
        request_animation_frame(move || session.terminal.restyle());
    });
    let up = Memo::new(move |_| subject.item.see(|item| item.as_ref().is_some_and(|item| is_up(item))));
    let stage = Memo::new(move |_| (session.phase.get() != Phase::Choosing, session.number.get()));
    view! {
        <div class="console">
            {move || {
                if !app.session.may(Role::Operator) {
                    return note("info", "Your role may look at containers, but not run programs in them.");
                }
                let (shown, number) = stage.get();
                if shown {
                    return terminal(subject, session, number);
                }
                if up.get() {
                    choose(session)
                } else {
                    stopped(app, subject)
                }
            }}
        </div>
    }
    .into_any()
}

fn stopped(app: App, subject: Subject) -> AnyView {
    view! {
        <section class="card">
            <Empty icon="terminal" text="The container does not run. A console needs a running one.">
                <button
                    type="button"
                    class="button button--primary"
                    data-testid="console.container.start"
                    on:click=move |_| {
                        if let Some(item) = subject.item.get_untracked() {
                            take(app, Action::Start, &item, || ());
                        }
                    }
                >
                    {icon("play")}
                    "Start container"
                </button>
            </Empty>
        </section>
    }
    .into_any()
}

fn begin(session: Session) {
    session.mistake.set(String::new());
    session.ending.set(String::new());
    session.channel.set_value(None);
    session.number.edit(|number| *number += 1);
    session.phase.set(Phase::Opening);
}

fn field(label: &'static str, placeholder: &'static str, testid: &'static str, value: RwSignal<String>) -> AnyView {
    view! {
        <label class="console__field">
            <span>{label}</span>
            <input
                class="input input--mono"
                placeholder=placeholder
                data-testid=testid
                prop:value=move || value.get()
                on:input=move |event| value.set(event_target_value(&event))
            />
        </label>
    }
    .into_any()
}

fn choose(session: Session) -> AnyView {
    view! {
        <form
            class="card console__choice"
            on:submit=move |event| {
                event.prevent_default();
                begin(session);
            }
        >
            <div class="segments" role="group" aria-label="Kind of console">
                <button
                    type="button"
                    class="segments__part"
                    aria-pressed=move || (!session.attach.get()).to_string()
                    data-testid="console.kind.shell"
                    on:click=move |_| session.attach.set(false)
                >
                    {icon("terminal")}
                    "New shell"
                </button>
                <button
                    type="button"
                    class="segments__part"
                    aria-pressed=move || session.attach.get().to_string()
                    data-testid="console.kind.attach"
                    on:click=move |_| session.attach.set(true)
                >
                    {icon("link")}
                    "Main process"
                </button>
            </div>
            <Show
                when=move || session.attach.get()
                fallback=move || {
                    view! {
                        <div class="console__fields">
                            {field("Command", "the best shell found", "console.form.command", session.command)}
                            {field("User", "as the container", "console.form.user", session.user)}
                            {field("Directory", "as the container", "console.form.directory", session.directory)}
                        </div>
                    }
                }
            >
                {note("warn", "What you type goes to process 1 of the container. Ctrl C may end it.")}
            </Show>
            <div>
                <button type="submit" class="button button--primary" data-testid="console.form.open">
                    {icon("terminal")}
                    {move || if session.attach.get() { "Attach" } else { "Open shell" }}
                </button>
            </div>
        </form>
    }
    .into_any()
}

/// Splits a command line at spaces, minding quotes.
pub fn split(line: &str) -> Vec<String> {
    let mut parts = Vec::new();
    let mut part = String::new();
    let mut quote = None;
    let mut inside = false;
    let mut letters = line.chars();
    while let Some(c) = letters.next() {
        match (quote, c) {
            (None, '\'' | '"') => {
                quote = Some(c);
                inside = true;
            }
            (Some(open), c) if c == open => quote = None,
            (None | Some('"'), '\\') => {
                part.extend(letters.next());
                inside = true;
            }
            (None, c) if c.is_whitespace() => {
                if std::mem::take(&mut inside) {
                    parts.push(std::mem::take(&mut part));
                }
            }
            (_, c) => {
                part.push(c);
                inside = true;
            }
        }
    }
    if inside {
        parts.push(part);
    }
    parts
}

/// Joins the process once the terminal stands and its size is known.
fn join(subject: Subject, session: Session, rows: u16, cols: u16) {
    let has_terminal = subject
        .details
        .peek(|details| !matches!(details, Loaded::Ready(details) if !details.spec.terminal));
    let plain = session.attach.get_untracked() && !has_terminal;
    let hear = move |heard| match heard {
        Heard::Bytes(bytes) if plain => session.terminal.write(&with_returns(&bytes)),
        Heard::Bytes(bytes) => session.terminal.write(&bytes),
        Heard::Opened => {
            session.phase.set(Phase::Running);
            session.terminal.focus();
        }
        Heard::Closed(why) => end(session, &["Session ended: ", &why].concat()),
        Heard::Problem(why) => end(session, &http::sentence(&why)),
        Heard::Data(_) | Heard::Gap(_) | Heard::Reset => {}
    };
    let id = subject
        .item
        .peek(|item| item.as_ref().map(|item| item.id.clone()))
        .unwrap_or_else(|| subject.id());
    if session.attach.get_untracked() {
        let topic = Topic::Attach {
            container: id,
            rows,
            cols,
        };
        session.channel.set_value(Some(socket::open(topic, None, hear)));
        return;
    }
    let typed = session.command.get_untracked();
    let command = if typed.trim().is_empty() {
        vec!["/bin/sh".to_owned(), "-c".to_owned(), AUTO.to_owned()]
    } else {
        split(&typed)
    };
    let given = |text: String| (!text.trim().is_empty()).then(|| text.trim().to_owned());
    let request = NewExec {
        command,
        env: vec!["TERM=xterm-256color".to_owned()],
        working_dir: given(session.directory.get_untracked()),
        user: given(session.user.get_untracked()),
        terminal: true,
        stdin: true,
    };
    spawn_local(async move {
        let path = ["/containers/", &id, "/execs"].concat();
        match http::send::<_, ExecCreated>("POST", &path, &request).await {
            Ok(created) => {
                let topic = Topic::Exec {
                    exec: created.id,
                    rows,
                    cols,
                };
                session.channel.try_set_value(Some(socket::open(topic, None, hear)));
            }
            Err(failure) => end(session, &failure.to_string()),
        }
    });
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

fn end(session: Session, why: &str) {
    if session.phase.is_disposed() {
        return;
    }
    session.terminal.say(why);
    session.ending.set(why.to_owned());
    session.phase.set(Phase::Ended);
}

fn terminal(subject: Subject, session: Session, number: u32) -> AnyView {
    let typed: Rc<dyn Fn(Vec<u8>)> = Rc::new(move |bytes: Vec<u8>| {
        session.channel.try_with_value(|channel| {
            if let Some(channel) = channel {
                channel.write(&bytes);
            }
        });
    });
    let sized: Rc<dyn Fn(u16, u16)> = Rc::new(move |rows, cols| {
        session.channel.try_with_value(|channel| {
            if let Some(channel) = channel {
                channel.send(Message::Resize { rows, cols });
            }
        });
    });
    let words = move || match session.phase.get() {
        Phase::Choosing | Phase::Opening => "Opening".to_owned(),
        Phase::Running if session.attach.get() => "Joined to process 1: what you type goes there".to_owned(),
        Phase::Running => "Shell is open. Ctrl Shift Esc leaves it".to_owned(),
        Phase::Ended => session.ending.get(),
    };
    let key = |word: &'static str, text: &'static str| {
        view! {
            <button type="button" class="button button--small" data-testid="console.key.press" on:click=move |_| session.terminal.input(text)>
                {word}
            </button>
        }
    };
    let _ = number;
    view! {
        <section class="card console__frame" aria-label="Console">
            <header class="console__head">
                {icon("terminal")}
                <span class="grow truncate" role="status" data-testid="console.session.state">{words}</span>
                <Show when=move || session.phase.get() == Phase::Ended>
                    <button
                        type="button"
                        class="button button--small button--primary"
                        data-testid="console.session.again"
                        on:click=move |_| begin(session)
                    >
                        {icon("refresh")}
                        "Start again"
                    </button>
                </Show>
                <button
                    type="button"
                    class="button button--small"
                    data-testid="console.session.close"
                    on:click=move |_| {
                        session.channel.set_value(None);
                        session.phase.set(Phase::Choosing);
                    }
                >
                    "Close"
                </button>
            </header>
            {move || (!session.mistake.get().is_empty()).then(|| note("bad", session.mistake.get()))}
            <TerminalView
                handle=session.terminal
                on_open=move |(rows, cols)| join(subject, session, rows, cols)
                on_data=typed
                on_resize=sized
                on_failure=move |why: String| {
                    session.mistake.set(["The terminal could not be loaded. ", &why].concat());
                }
            />
            <div class="console__keys">
                {key("Esc", "\u{1b}")} {key("Tab", "\t")} {key("Ctrl C", "\u{3}")} {key("Ctrl D", "\u{4}")}
                {key("↑", "\u{1b}[A")} {key("↓", "\u{1b}[B")}
            </div>
        </section>
    }
    .into_any()
}

#[cfg(test)]
mod tests {
    use super::split;

    #[test]
    fn a_command_line_is_split_as_a_shell_does() {
        assert_eq!(split("  ls -la  /tmp "), ["ls", "-la", "/tmp"]);
        assert_eq!(
            split(r#"sh -c "echo 'a b'" x\ y ''"#),
            ["sh", "-c", "echo 'a b'", "x y", ""]
        );
        assert_eq!(split(""), Vec::<String>::new());
    }
}
