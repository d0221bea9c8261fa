//! Words for what a container is doing.

use crate::components::menu::Item;
use crate::components::status_chip::{Status as Shown, Tone};
use crate::format::time;
use crate::state::App;
use crate::state::actions::{Action, take};
use crate::state::connection::CUT;
use crate::state::containers::Pending;
use leptos::prelude::*;
use shared::container::{Container, Health, Port, Status, StoppedBy, StoppedByKind};
use shared::session::Role;
use std::rc::Rc;

/// The chip of a container. A requested transition comes first: it is not the state yet,
/// and does not look like one.
pub fn status(container: &Container, pending: Option<Pending>) -> Shown {
    if let Some(pending) = pending {
        let word = match pending {
            Pending::Starting => "Starting",
            Pending::Stopping => "Stopping",
            Pending::Restarting => "Restarting",
            Pending::Killing => "Killing",
            Pending::Pausing => "Pausing",
            Pending::Unpausing => "Unpausing",
            Pending::Removing => "Removing",
        };
        return Shown::new(word, Tone::Info, "s-starting");
    }
    let state = &container.state;
    let since = time::parse(&state.since).map(time::local).unwrap_or_default();
    let shown = match state.status {
        _ if state.restarting => Shown::new("Restarting", Tone::Warn, "s-restarting"),
        Status::Created => Shown::new("Created", Tone::Neutral, "s-created"),
        Status::Running => match state.health {
            Some(Health::Healthy) => Shown::new("Healthy", Tone::Ok, "s-healthy"),
            Some(Health::Unhealthy) => Shown::new("Unhealthy", Tone::Warn, "s-warning"),
            Some(Health::Starting) => Shown::new("Starting", Tone::Info, "s-starting"),
            None => Shown::new("Running", Tone::Ok, "s-running"),
        },
        Status::Paused => Shown::new("Paused", Tone::Pause, "s-paused"),
        Status::Exited if state.stopped_by.is_some() => Shown::new("Stopped", Tone::Neutral, "s-stopped"),
        Status::Exited if state.oom_killed => Shown::new("Out of memory", Tone::Bad, "s-failed"),
        Status::Exited => match (state.exit_code, &state.signal) {
            (Some(0), _) => Shown::new("Exited 0", Tone::Neutral, "s-stopped"),
            (_, Some(signal)) => Shown::new(["Failed ", signal].concat(), Tone::Bad, "s-failed"),
            (Some(code), None) => Shown::new(["Failed ", &code.to_string()].concat(), Tone::Bad, "s-failed"),
            (None, None) => Shown::new("Exited", Tone::Neutral, "s-stopped"),
        },
        Status::Failed => Shown::new("Start failed", Tone::Bad, "s-failed"),
        Status::Lost => Shown::new("Lost", Tone::Neutral, "s-unknown"),
    };
    let reason = match (&state.stopped_by, &state.reason) {
        (Some(by), _) => [&stopped_words(by), ", since ", &since].concat(),
        (None, Some(reason)) => [reason, ", since ", &since].concat(),
        (None, None) => ["since ", &since].concat(),
    };
    shown.because(reason)
}

/// `Stopped by admin`.
pub fn stopped_words(by: &StoppedBy) -> String {
    let who = match (by.kind, &by.name) {
        (StoppedByKind::User, Some(name)) => name.as_str(),
        (StoppedByKind::DockerClient, _) => "a Docker client",
        (StoppedByKind::Server, _) => "the server, when it ended",
        (StoppedByKind::User | StoppedByKind::Unknown, _) => return "Stopped by hand".to_owned(),
    };
    ["Stopped by ", who].concat()
}

/// What an exit code means.
pub fn exit_meaning(code: i32) -> Option<&'static str> {
    Some(match code {
        0 => "ended without an error",
        1 => "the program reported an error",
        125 => "the container could not be set up",
        126 => "the command could not be run",
        127 => "the command was not found",
        130 => "interrupted (SIGINT)",
        134 => "aborted (SIGABRT)",
        137 => "killed (SIGKILL)",
        139 => "memory fault (SIGSEGV)",
        143 => "asked to end (SIGTERM)",
        _ => return None,
    })
}

/// `8080 → 80/tcp`, and the address that leads there from this browser.
pub fn port(port: &Port) -> (String, Option<String>) {
    let inside = [&port.container_port.to_string(), "/", &port.protocol].concat();
    if port.host_port == 0 {
        return (inside, None);
    }
    let word = [&port.host_port.to_string(), " → ", &port.container_port.to_string()].concat();
    let host = match port.host_address.as_deref() {
        None | Some("0.0.0.0" | "::") => window().location().hostname().unwrap_or_default(),
        Some(address) => address.to_owned(),
    };
    let link = (port.protocol == "tcp").then(|| ["http://", &host, ":", &port.host_port.to_string(), "/"].concat());
    (word, link)
}

/// Ports as links, for lists and heads.
pub fn ports(list: &[Port]) -> AnyView {
    list.iter()
        .map(|mapping| {
            let (word, link) = port(mapping);
            match link {
                Some(href) => view! {
                    <a class="port" href=href target="_blank" rel="noopener noreferrer external" on:click=|event| event.stop_propagation()>
                        {word}
                    </a>
                }
                .into_any(),
                None => view! { <span class="port">{word}</span> }.into_any(),
            }
        })
        .collect_view()
        .into_any()
}

/// For how long it has run, or since when it has not.
pub fn uptime(container: &Container, now: f64) -> String {
    let Some(since) = time::parse(&container.state.since) else {
        return String::new();
    };
    match container.state.status {
        Status::Running | Status::Paused => {
            let began = container
                .state
                .started
                .as_deref()
                .and_then(time::parse)
                .unwrap_or(since);
            time::duration((now - began) / 1000.0)
        }
        _ => time::ago(since, now),
    }
}

/// Why an action is refused to a viewer.
const VIEW_ONLY: &str = "Your role may only view";

/// The row menu of a container, the same in list and detail.
pub fn menu(app: App, container: &Container, go: Rc<dyn Fn(String)>) -> Vec<Item> {
    let may = untrack(|| app.session.may(Role::Operator));
    let status = container.state.status;
    let mut items = Vec::new();
    for action in [
        Action::Start,
        Action::Stop,
        Action::Restart,
        Action::Pause,
        Action::Unpause,
        Action::Kill,
    ] {
        if !action.fits(status) {
            continue;
        }
        let container = container.clone();
        let testid = ["containers.menu.", action.word()].concat();
        items.push(
            Item::new(action.icon(), action.label(), &testid, move || {
                take(app, action, &container, || ());
            })
            .refused_if(!may, VIEW_ONLY)
            .refused_if(app.connection.link_is_cut(), CUT),
        );
    }
    for (shape, word, tab) in [
        ("logs", "Logs", "logs"),
        ("terminal", "Console", "console"),
        ("limit", "Limits", "limits"),
    ] {
        let (go, href) = (go.clone(), ["/containers/", &container.id, "/", tab].concat());
        let testid = ["containers.menu.", tab].concat();
        items.push(Item::new(shape, word, &testid, move || go(href.clone())));
    }
    let (go_copy, from) = (go.clone(), ["/containers/new?from=", &container.id].concat());
    items.push(Item::new("copy", "Duplicate", "containers.menu.duplicate", move || {
        go_copy(from.clone());
    }));
    let id = container.id.clone();
    items.push(Item::new("code", "Copy id", "containers.menu.copy-id", move || {
        crate::components::watch::copy(&id);
    }));
    let curl = [
        "curl -H \"Authorization: Bearer $TOKEN\" ",
        &origin(),
        "/api/v1/containers/",
        &container.id,
    ]
    .concat();
    items.push(Item::new(
        "terminal",
        "Copy as curl",
        "containers.menu.copy-curl",
        move || {
            crate::components::watch::copy(&curl);
        },
    ));
    let removed = container.clone();
    items.push(
        Item::new("trash", "Remove", "containers.menu.remove", move || {
            let go = go.clone();
            take(app, Action::Remove, &removed, move || {
                if window().location().pathname().is_ok_and(|path| path != "/containers") {
                    go("/containers".to_owned());
                }
            });
        })
        .danger()
        .refused_if(!may, VIEW_ONLY)
        .refused_if(app.connection.link_is_cut(), CUT),
    );
    items
}

/// The address of this panel, as programs would use it.
pub fn origin() -> String {
    window().location().origin().unwrap_or_default()
}
