//! `GET /events`: what changed, from a moment in the past, or from now on.

use crate::docker::filters::Filters;
use crate::docker::network;
use crate::docker::problem::Failure;
use crate::docker::query::Query;
use crate::docker::stream;
use crate::now;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use engine::Engine;
use model::Timestamp;
use model::event::{Action, Event, Subject};
use model::image::Reference;
use serde_json::{Map, Value, json};

const FILTERS: [&str; 13] = [
    "config",
    "container",
    "daemon",
    "event",
    "image",
    "label",
    "label!",
    "network",
    "node",
    "plugin",
    "scope",
    "type",
    "volume",
];

/// Events read from the past at once.
const BLOCK: u32 = 1000;

pub(in crate::docker) async fn events(State(engine): State<Engine>, query: Query) -> Result<Response, Failure> {
    let filters = Filters::read(&query, &FILTERS)?;
    let since = query.time("since")?;
    let until = query.time("until")?;
    let instance = engine.host_info().instance;
    let show = move |event: &Event| {
        let shown = show(event, &instance);
        (until.is_none_or(|until| event.time <= until)
            && since.is_none_or(|since| event.time >= since)
            && takes(&filters, event, &shown))
        .then_some(shown)
    };
    // Subscribed first, so that nothing falls between past and present.
    let last = engine.last_seq();
    let mut coming = engine.events(Some(last));
    let body = stream::body(move |sender| async move {
        if since.is_some() {
            let mut after = 0;
            while after < last {
                let Ok(past) = engine.past_events(after, BLOCK).await else {
                    break;
                };
                let Some(newest) = past.last() else { break };
                after = newest.seq;
                for event in past.iter().filter(|event| event.seq <= last) {
                    if let Some(shown) = show(event) {
                        sender.send_json(&shown).await?;
                    }
                }
            }
        }
        let deadline = end(until);
        tokio::pin!(deadline);
        loop {
            tokio::select! {
                event = coming.next() => {
                    let Some(event) = event else { return Ok(()) };
                    if let Some(shown) = show(&event) {
                        sender.send_json(&shown).await?;
                    }
                }
                () = &mut deadline => return Ok(()),
            }
        }
    });
    Ok(([(CONTENT_TYPE, "application/json")], body).into_response())
}

async fn end(until: Option<Timestamp>) {
    match until {
        Some(until) => tokio::time::sleep(until.since(now())).await,
        None => std::future::pending().await,
    }
}

fn show(event: &Event, instance: &str) -> Value {
    let (kind, id) = match &event.subject {
        Subject::Container(id) => ("container", id.clone()),
        Subject::Image(id) => ("image", id.clone()),
        Subject::Network(name) if ["bridge", "host", "none"].contains(&name.as_str()) => {
            ("network", network::id(name, instance))
        }
        Subject::Network(id) => ("network", id.clone()),
        Subject::Volume(name) => ("volume", name.clone()),
        Subject::Builder(id) => ("builder", id.clone()),
    };
    let (id, attributes) = attributes(event, id);
    let word = event.action.word();
    // What was run, or how healthy it is, stands behind the word.
    let behind = match event.action {
        Action::ExecCreate | Action::ExecStart => "command",
        Action::HealthStatus => "health_status",
        _ => "",
    };
    let action = match event.attributes.iter().find(|(name, _)| name == behind) {
        Some((_, value)) => format!("{word}: {value}"),
        None => word.to_owned(),
    };
    let nanos = event.time.as_unix_nanos();
    let mut shown = json!({
        "Type": kind,
        "Action": action,
        "Actor": { "ID": id, "Attributes": attributes },
        "scope": "local",
        "time": nanos / 1_000_000_000,
        "timeNano": nanos,
    });
    if matches!(kind, "container" | "image") {
        // The older form, which some clients still read.
        shown["status"] = action.into();
        shown["id"] = id.into();
        if let Some(image) = shown["Actor"]["Attributes"].get("image").cloned() {
            shown["from"] = image;
        }
    }
    shown
}

/// The labels, and above them the attributes by the names and in the units that clients know.
/// Pulls and pushes are about a name, and so have it as their id.
fn attributes(event: &Event, id: String) -> (String, Map<String, Value>) {
    let mut shown: Map<String, Value> = event
        .labels
        .iter()
        .map(|(name, value)| (name.clone(), Value::from(value.as_str())))
        .collect();
    let mut about = id;
    for (name, value) in &event.attributes {
        let (name, value) = match (name.as_str(), event.action) {
            // Told behind the action, or not known to clients.
            ("command" | "health_status" | "by" | "stopped_by", _) => continue,
            ("exit_code", _) => ("exitCode", value.clone()),
            ("exec_id", _) => ("execID", value.clone()),
            // With the slash that names of containers once began with.
            ("old_name", _) => ("oldName", format!("/{value}")),
            ("execution_ms", _) => {
                let seconds = value.parse::<u64>().unwrap_or(0) / 1000;
                ("execDuration", seconds.to_string())
            }
            ("name", Action::Pull | Action::Push) => {
                about.clone_from(value);
                let repository = Reference::parse(value).map(|reference| reference.short_name());
                ("name", repository.unwrap_or_else(|_| value.clone()))
            }
            ("image", _) => ("image", image_name(value)),
            (other, _) => (other, value.clone()),
        };
        shown.insert(name.to_owned(), Value::from(value));
    }
    if matches!(event.subject, Subject::Image(_)) && event.action != Action::Prune {
        let named = matches!(
            event.action,
            Action::Pull | Action::Push | Action::Tag | Action::Commit | Action::Build
        );
        if !named || !shown.contains_key("name") {
            shown.insert("name".to_owned(), about.clone().into());
        }
    }
    (about, shown)
}

/// As `docker ps` has it.
fn image_name(text: &str) -> String {
    match Reference::parse(text) {
        Ok(reference) => crate::docker::container::image_name(&reference),
        Err(_) => text.to_owned(),
    }
}

fn takes(filters: &Filters, event: &Event, shown: &Value) -> bool {
    let kind = shown["Type"].as_str().unwrap_or_default();
    let id = shown["Actor"]["ID"].as_str().unwrap_or_default();
    let attributes = &shown["Actor"]["Attributes"];
    let name = attributes["name"].as_str().unwrap_or_default();
    let is_one = |wanted: &str, of: &str| kind == of && (id.starts_with(wanted) || name.starts_with(wanted));
    let image = match kind {
        "image" => name,
        _ => attributes["image"].as_str().unwrap_or_default(),
    };
    let labels = || {
        let all = attributes.as_object().into_iter().flatten();
        all.filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned())))
            .collect::<Vec<_>>()
    };
    filters.allows("type", |wanted| wanted == kind)
        && filters.allows("event", |wanted| {
            let action = shown["Action"].as_str().unwrap_or_default();
            action == wanted || event.action.word() == wanted
        })
        && filters.allows("scope", |wanted| wanted == "local")
        && filters.allows("container", |wanted| is_one(wanted, "container"))
        && filters.allows("volume", |wanted| is_one(wanted, "volume"))
        && filters.allows("network", |wanted| {
            is_one(wanted, "network") || matches!(&event.subject, Subject::Network(name) if name == wanted)
        })
        && filters.allows("image", |wanted| is_image(wanted, &[id, image]))
        // There are none of these here.
        && ["config", "daemon", "node", "plugin"].iter().all(|none| !filters.has(none))
        && (!(filters.has("label") || filters.has("label!")) || filters.allows_labels(&labels()))
}

/// Whether one of the names is the wanted one: as it is written, as the same reference, or as a
/// tag or digest of the wanted repository.
fn is_image(wanted: &str, names: &[&str]) -> bool {
    let reference = Reference::parse(wanted).ok();
    let is_repository = !wanted.rsplit('/').next().unwrap_or(wanted).contains([':', '@']);
    names.iter().filter(|name| !name.is_empty()).any(|name| {
        let (Some(wanted), Ok(named)) = (&reference, Reference::parse(name)) else {
            return *name == wanted;
        };
        let same_repository = named.registry() == wanted.registry() && named.repository() == wanted.repository();
        *wanted == named || (is_repository && same_repository)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_shown_in_both_forms() {
        let event = Event {
            seq: 1,
            time: Timestamp::from_unix_nanos(1_500_000_000),
            subject: Subject::Container("abc".to_owned()),
            action: Action::Die,
            attributes: vec![
                ("image".to_owned(), "busybox".to_owned()),
                ("exit_code".to_owned(), "3".to_owned()),
            ],
            labels: vec![("app".to_owned(), "web".to_owned())],
        };
        let shown = show(&event, "a1b2c3");
        assert_eq!(shown["status"], "die");
        assert_eq!(shown["from"], "busybox");
        assert_eq!(shown["Actor"]["Attributes"]["exitCode"], "3");
        assert_eq!(shown["Actor"]["Attributes"]["app"], "web");
        assert_eq!(shown["time"], 1);
        assert_eq!(shown["timeNano"], 1_500_000_000);
    }

    #[test]
    fn an_image_is_filtered_by_its_name_whatever_its_form() {
        let digest = format!("sha256:{}", "a".repeat(64));
        let by_digest = format!("127.0.0.1:5000/team/web@{digest}");
        for (wanted, name, takes) in [
            ("127.0.0.1:5000/team/web", "127.0.0.1:5000/team/web:1", true),
            ("127.0.0.1:5000/team/web:1", "127.0.0.1:5000/team/web:1", true),
            ("127.0.0.1:5000/team/web:2", "127.0.0.1:5000/team/web:1", false),
            ("127.0.0.1:5000/team/web", &by_digest, true),
            ("127.0.0.1", "127.0.0.1:5000/team/web:1", false),
            ("localhost:5000/web", "localhost:5000/web", true),
            ("busybox", "busybox:1.36", true),
            ("busybox:latest", "busybox", true),
            ("docker.io/library/busybox", "busybox", true),
            ("busy", "busybox", false),
            (&digest, &digest, true),
        ] {
            assert_eq!(is_image(wanted, &[name]), takes, "{wanted} {name}");
        }
    }
}
