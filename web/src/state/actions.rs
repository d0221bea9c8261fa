//! What is done to containers, the same way from every page: the transition is
//! shown at once, the result only when the server says so.

use super::App;
use super::containers::{Pending, is_up};
use crate::client::http;
use crate::components::dialog::Question;
use crate::format::number;
use crate::state::signal::{Edit, Peek};
use leptos::task::spawn_local;
use shared::container::{Bulk, BulkAction, Container, Status};
use shared::task::Task;
use std::rc::Rc;
use std::sync::Arc;

/// Something a person does to a container.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    Start,
    Stop,
    Restart,
    Kill,
    Pause,
    Unpause,
    Remove,
}

impl Action {
    pub fn label(self) -> &'static str {
        match self {
            Self::Start => "Start",
            Self::Stop => "Stop",
            Self::Restart => "Restart",
            Self::Kill => "Kill",
            Self::Pause => "Pause",
            Self::Unpause => "Unpause",
            Self::Remove => "Remove",
        }
    }

    pub fn icon(self) -> &'static str {
        match self {
            Self::Start | Self::Unpause => "play",
            Self::Stop => "stop",
            Self::Restart => "restart",
            Self::Kill => "bolt",
            Self::Pause => "pause",
            Self::Remove => "trash",
        }
    }

    /// For test ids and paths.
    pub fn word(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Stop => "stop",
            Self::Restart => "restart",
            Self::Kill => "kill",
            Self::Pause => "pause",
            Self::Unpause => "unpause",
            Self::Remove => "remove",
        }
    }

    fn bulk(self) -> BulkAction {
        match self {
            Self::Start => BulkAction::Start,
            Self::Stop => BulkAction::Stop,
            Self::Restart => BulkAction::Restart,
            Self::Kill => BulkAction::Kill,
            Self::Pause => BulkAction::Pause,
            Self::Unpause => BulkAction::Unpause,
            Self::Remove => BulkAction::Remove,
        }
    }

    fn pending(self) -> Pending {
        match self {
            Self::Start => Pending::Starting,
            Self::Stop => Pending::Stopping,
            Self::Restart => Pending::Restarting,
            Self::Kill => Pending::Killing,
            Self::Pause => Pending::Pausing,
            Self::Unpause => Pending::Unpausing,
            Self::Remove => Pending::Removing,
        }
    }

    /// Whether it makes sense in this status.
    pub fn fits(self, status: Status) -> bool {
        match self {
            Self::Start => !matches!(status, Status::Running | Status::Paused),
            Self::Stop | Self::Restart | Self::Kill => matches!(status, Status::Running | Status::Paused),
            Self::Pause => status == Status::Running,
            Self::Unpause => status == Status::Paused,
            Self::Remove => true,
        }
    }

    fn request(self, id: &str, force: bool, volumes: bool) -> (&'static str, String) {
        match self {
            Self::Remove => {
                let query = match (force, volumes) {
                    (true, true) => "?force=true&volumes=true",
                    (true, false) => "?force=true",
                    (false, true) => "?volumes=true",
                    (false, false) => "",
                };
                ("DELETE", ["/containers/", id, query].concat())
            }
            _ => ("POST", ["/containers/", id, "/", self.word()].concat()),
        }
    }
}

/// Does it to one container, asking first where something is deleted or killed.
pub fn take(app: App, action: Action, container: &Container, then: impl Fn() + 'static) {
    let (id, name, up) = (container.id.clone(), container.name.clone(), is_up(container));
    let then = Rc::new(then);
    match action {
        Action::Remove => app.asker.ask(Question {
            title: ["Remove ", &name, "?"].concat(),
            points: vec![
                if up {
                    "It is running: it is killed first.".to_owned()
                } else {
                    "Its writable layer and its log are deleted.".to_owned()
                },
                "Named volumes and the image stay.".to_owned(),
            ],
            action: if up { "Stop and remove" } else { "Remove container" }.to_owned(),
            danger: true,
            typed: None,
            choice: None,
            act: Rc::new(move |_| go(app, action, id.clone(), name.clone(), up, then.clone())),
        }),
        Action::Kill => app.asker.ask(Question {
            title: ["Kill ", &name, "?"].concat(),
            points: vec!["SIGKILL ends every process at once. Nothing is saved or closed.".to_owned()],
            action: "Kill container".to_owned(),
            danger: true,
            typed: None,
            choice: None,
            act: Rc::new(move |_| go(app, action, id.clone(), name.clone(), false, then.clone())),
        }),
        _ => go(app, action, id, name, false, then),
    }
}

fn go(app: App, action: Action, id: String, name: String, force: bool, then: Rc<dyn Fn()>) {
    // A second press while the first is on its way does nothing.
    if app.containers.pending.peek(|pending| pending.contains_key(&id)) {
        return;
    }
    app.containers.expect(&id, action.pending());
    spawn_local(async move {
        match one(app, action, &id, force).await {
            Ok(()) => then(),
            Err(reason) => {
                let title = [&name, ": ", action.word(), " failed"].concat();
                app.toasts.failed(title, reason);
            }
        }
    });
}

async fn one(app: App, action: Action, id: &str, force: bool) -> Result<(), String> {
    let (method, path) = action.request(id, force, false);
    let answer = http::act(method, &path).await.map_err(|failure| failure.to_string());
    if action == Action::Remove && answer.is_ok() {
        app.containers.items.edit(|items| {
            items.remove(id);
        });
    } else {
        // The event brings the new state too; whichever comes first shows it.
        app.containers.read(id.to_owned());
    }
    app.containers.settle(id);
    answer
}

/// Has the server do it to many, in one task; `began` gets the task.
pub fn take_all(app: App, action: Action, containers: Vec<Arc<Container>>, began: impl Fn(Task) + 'static) {
    let request = Bulk {
        action: action.bulk(),
        ids: Some(containers.iter().map(|container| container.id.clone()).collect()),
        filter: None,
        timeout: None,
        signal: None,
        force: action == Action::Remove && containers.iter().any(|container| is_up(container)),
        volumes: false,
    };
    spawn_local(async move {
        match http::send::<_, Task>("POST", "/containers/bulk", &request).await {
            Ok(task) => began(task),
            Err(failure) => {
                let title = [action.label(), " failed"].concat();
                app.toasts.failed(title, failure.to_string());
            }
        }
    });
}

/// The question before many are done.
pub fn ask_for_many(app: App, action: Action, containers: Vec<Arc<Container>>, began: impl Fn(Task) + Copy + 'static) {
    let up = containers.iter().filter(|container| is_up(container)).count();
    let what = number::plural(containers.len(), "container");
    let dangerous = matches!(action, Action::Remove | Action::Kill);
    if !dangerous && action != Action::Stop {
        take_all(app, action, containers, began);
        return;
    }
    let names: Vec<&str> = containers
        .iter()
        .take(8)
        .map(|container| container.name.as_str())
        .collect();
    let more = containers.len().saturating_sub(8);
    let mut list = names.join(", ");
    if more > 0 {
        list += &[" and ", &number::count(more as u64), " more"].concat();
    }
    let mut points = vec![list];
    if action == Action::Remove {
        if up > 0 {
            points.push([&number::count(up as u64), " of them run and are killed first."].concat());
        }
        points.push("Writable layers and logs are deleted. Named volumes and images stay.".to_owned());
    }
    app.asker.ask(Question {
        title: [action.label(), " ", &what, "?"].concat(),
        points,
        action: [action.label(), " ", &what].concat(),
        danger: dangerous,
        typed: None,
        choice: None,
        act: Rc::new(move |_| take_all(app, action, containers.clone(), began)),
    });
}
