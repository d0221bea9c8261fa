//! Before a console is open: a form for a new one, and those that run.

use super::session::{Session, Target};
use crate::components::field::{Kind, field};
use crate::components::icon::icon;
use crate::components::notice::note;
use crate::format::time;
use crate::pages::frame::Loaded;
use crate::state::App;
use leptos::prelude::*;
use shared::exec::Console;

/// The form and the list.
pub fn choose(session: Session) -> AnyView {
    let attach = RwSignal::new(false);
    let submit = move |event: web_sys::SubmitEvent| {
        event.prevent_default();
        session.begin(if attach.get_untracked() {
            Target::Attach
        } else {
            Target::New
        });
    };
    let part = move |word: &'static str, shape: &'static str, testid: &'static str, own: bool| {
        view! {
            <button
                type="button"
                class="segments__part"
                aria-pressed=move || (attach.get() == own).to_string()
                data-testid=testid
                on:click=move |_| attach.set(own)
            >
                {icon(shape)}
                {word}
            </button>
        }
    };
    view! {
        {open_ones(session)}
        <form class="card console__choice" on:submit=submit>
            <div class="segments" role="group" aria-label="Kind of console">
                {part("New shell", "terminal", "console.kind.shell", false)}
                {part("Main process", "link", "console.kind.attach", true)}
            </div>
            <Show when=move || attach.get() fallback=move || shell_fields(session)>
                {note("warn", "Input goes to process 1 of the container. Ctrl C may end it.")}
            </Show>
            <div>
                <button type="submit" class="button button--primary" data-testid="console.form.open">
                    {icon("terminal")}
                    {move || if attach.get() { "Attach" } else { "Open shell" }}
                </button>
            </div>
        </form>
    }
    .into_any()
}

fn shell_fields(session: Session) -> AnyView {
    view! {
        <div class="console__fields">
            {field("Command", "bash or sh", Kind::Text, "console.form.command", session.command)}
            {field("User", "of the container", Kind::Text, "console.form.user", session.user)}
            {field("Working directory", "of the container", Kind::Text, "console.form.directory", session.directory)}
        </div>
    }
    .into_any()
}

/// Consoles that run on the server, from this and other browsers.
fn open_ones(session: Session) -> AnyView {
    (move || match session.consoles.value.get() {
        Loaded::Ready(list) if !list.items.is_empty() => view! {
            <section class="card console__open">
                <header class="card__head">
                    <h2>"Open consoles"</h2>
                </header>
                <ul>{list.items.into_iter().map(|console| row(session, console)).collect_view()}</ul>
                <p class="console__hint muted">"A console without a client ends after 30 minutes."</p>
            </section>
        }
        .into_any(),
        Loaded::Ready(_) | Loaded::Loading | Loaded::Failed(_) => ().into_any(),
    })
    .into_any()
}

fn row(session: Session, console: Console) -> AnyView {
    let app = App::get();
    let began = time::parse(&console.started);
    let (joined, ended) = (console.id.clone(), console.id.clone());
    // The shell that the panel starts is known by what it is, not by how it is found.
    let command = match console.command.as_slice() {
        [first, flag, line] if first == "/bin/sh" && flag == "-c" && line.contains("exec bash") => "Shell".to_owned(),
        command => command.join(" "),
    };
    let facts = [
        if console.owner.is_empty() { "" } else { "by " },
        &console.owner,
        if console.clients > 0 { ", in use" } else { "" },
    ]
    .concat();
    view! {
        <li class="line" data-testid="console.open.row">
            {icon("terminal")}
            <code class="grow truncate">{command}</code>
            <span class="muted nowrap">{facts}</span>
            <span class="muted nowrap">{move || began.map(|began| time::ago(began, app.now.get()))}</span>
            <button
                type="button"
                class="button button--small"
                data-testid="console.open.join"
                on:click=move |_| session.begin(Target::Join(joined.clone()))
            >
                "Join"
            </button>
            <button
                type="button"
                class="button button--small"
                data-testid="console.open.end"
                on:click=move |_| session.end_exec(ended.clone())
            >
                "End"
            </button>
        </li>
    }
    .into_any()
}
