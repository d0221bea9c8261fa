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
use model::event::{Event, Subject};
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
    };
    let attributes: Map<String, Value> = event
        .attributes
        .iter()
        .map(|(name, value)| {
            let (name, value) = attribute(name, value);
            (name.to_owned(), Value::from(value))
        })
        .collect();
    let word = event.action.word();
    // What was run, or how healthy it is, stands behind the word.
    let behind = match word {
        "exec_create" | "exec_start" => "command",
        "health_status" => "health_status",
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

/// Attributes by the names that clients know, in their units.
fn attribute<'a>(name: &'a str, value: &str) -> (&'a str, String) {
    let known = match name {
        "exit_code" => "exitCode",
        "exec_id" => "execID",
        "old_name" => "oldName",
        "execution_ms" => {
            let seconds = value.parse::<u64>().unwrap_or(0) / 1000;
            return ("execDuration", seconds.to_string());
        }
        other => other,
    };
    (known, value.to_owned())
}

fn takes(filters: &Filters, event: &Event, shown: &Value) -> bool {
    let kind = shown["Type"].as_str().unwrap_or_default();
    let id = shown["Actor"]["ID"].as_str().unwrap_or_default();
    let attributes = &shown["Actor"]["Attributes"];
    let is_one =
        |wanted: &str, of: &str| kind == of && (id.starts_with(wanted) || attributes["name"].as_str() == Some(wanted));
    let image = attributes["image"].as_str().unwrap_or_default();
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
        && filters.allows("image", |wanted| {
            is_one(wanted, "image") || image == wanted || image.split(':').next() == Some(wanted)
        })
        // There are none of these here.
        && ["config", "daemon", "node", "plugin"].iter().all(|none| !filters.has(none))
        && filters.allows_labels(&event.attributes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::event::Action;

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
        };
        let shown = show(&event, "a1b2c3");
        assert_eq!(shown["status"], "die");
        assert_eq!(shown["from"], "busybox");
        assert_eq!(shown["Actor"]["Attributes"]["exitCode"], "3");
        assert_eq!(shown["time"], 1);
        assert_eq!(shown["timeNano"], 1_500_000_000);
    }
}
