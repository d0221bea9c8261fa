//! The console tab: a shell in the container, or its main process.
//!
//! Shells live on the server. Leaving the tab or the page leaves them running; this
//! browser tab joins the one it left when it comes back, and all of them are listed.

mod choose;
mod session;
mod split;

use super::Subject;
use crate::components::icon::icon;
use crate::components::notice::{Empty, note};
use crate::components::terminal::TerminalView;
use crate::pages::frame::Reader;
use crate::state::App;
use crate::state::actions::{Action, take};
use crate::state::containers::is_up;
use crate::state::signal::See;
use choose::choose;
use leptos::prelude::*;
use session::{Phase, Session, Target};
use shared::exec::Console;
use shared::list::List;
use shared::session::Role;
pub use split::split;
use std::rc::Rc;

pub fn console(subject: Subject) -> AnyView {
    let app = App::get();
    let consoles = Reader::<List<Console>>::new(["/containers/", &subject.id(), "/consoles"].concat());
    let session = Session::new(app, subject, consoles);
    Effect::new(move || {
        app.preferences.is_dark();
        // The colours are read after the document has them.
        request_animation_frame(move || session.terminal.restyle());
    });
    session.join_the_one_left();
    let up = Memo::new(move |_| subject.item.see(|item| item.as_ref().is_some_and(|item| is_up(item))));
    let stage = Memo::new(move |_| (session.phase.get() != Phase::Choosing, session.number.get()));
    view! {
        <div class="console">
            {move || {
                if !app.session.may(Role::Operator) {
                    return note("info", "Your role may view containers, but not run programs in them.");
                }
                let (shown, _) = stage.get();
                if shown {
                    return terminal(session);
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
            <Empty icon="terminal" text="The container is not running. A console needs a running one.">
                <button
                    type="button"
                    class="button button--primary"
                    data-testid="console.container.start"
                    prop:disabled=move || app.connection.is_cut()
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

/// The terminal with its head and, on a phone, the keys that a phone lacks.
fn terminal(session: Session) -> AnyView {
    let typed: Rc<dyn Fn(Vec<u8>)> = Rc::new(move |bytes: Vec<u8>| session.write(&bytes));
    let sized: Rc<dyn Fn(u16, u16)> = Rc::new(move |rows, cols| session.resize(rows, cols));
    let key = |word: &'static str, text: &'static str| {
        view! {
            <button type="button" class="button button--small" data-testid="console.key.press" on:click=move |_| session.terminal.input(text)>
                {word}
            </button>
        }
    };
    view! {
        <section class="card console__frame" aria-label="Console">
            {head(session)}
            {move || (!session.mistake.get().is_empty()).then(|| note("bad", session.mistake.get()))}
            <TerminalView
                handle=session.terminal
                on_open=move |(rows, cols)| session.open(rows, cols)
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

fn head(session: Session) -> AnyView {
    let is_shell = move || session.target.see(|target| *target != Target::Attach);
    let over = move || session.phase.get() == Phase::Ended;
    let button = move |word: &'static str, testid: &'static str, act: fn(Session)| {
        view! {
            <button type="button" class="button button--small" data-testid=testid on:click=move |_| act(session)>
                {word}
            </button>
        }
    };
    view! {
        <header class="console__head">
            {icon("terminal")}
            <span class="grow truncate" role="status" data-testid="console.session.state">{move || session.words()}</span>
            <Show
                when=over
                fallback=move || {
                    view! {
                        {button("Leave", "console.session.leave", Session::leave)}
                        {is_shell().then(|| button("End", "console.session.end", Session::end))}
                    }
                }
            >
                <button
                    type="button"
                    class="button button--small button--primary"
                    data-testid="console.session.again"
                    on:click=move |_| session.again()
                >
                    {icon("refresh")}
                    "Start again"
                </button>
                {button("Close", "console.session.close", Session::leave)}
            </Show>
        </header>
    }
    .into_any()
}
