//! What happened.

use super::body::{Query, within};
use super::front::Front;
use super::problem::Answer;
use super::{stream, words};
use axum::Json;
use axum::extract::State;
use axum::http::header::{HeaderName, HeaderValue};
use model::event::{Event as Engines, Subject};
use serde::Deserialize;
use shared::event::{Event, SubjectKind};
use shared::list::List;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

const USUAL: u32 = 100;
const MOST: u32 = 5_000;

pub(super) fn routes() -> OpenApiRouter<Front> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(follow))
}

pub(super) fn shown(event: &Engines) -> Event {
    let (kind, subject) = match &event.subject {
        Subject::Container(id) => (SubjectKind::Container, id),
        Subject::Image(id) => (SubjectKind::Image, id),
        Subject::Network(id) => (SubjectKind::Network, id),
        Subject::Volume(name) => (SubjectKind::Volume, name),
        // What a build leaves are layers of images.
        Subject::Builder(name) => (SubjectKind::Image, name),
    };
    Event {
        seq: event.seq,
        time: event.time.to_string(),
        kind,
        subject: subject.clone(),
        action: event.action.word().to_owned(),
        attributes: event.attributes.iter().cloned().collect(),
    }
}

#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct Past {
    /// Number of the first event. Default: the newest events are returned.
    from: Option<u64>,
    /// Maximum number of events, 1 to 5,000. Default: 100.
    limit: Option<u32>,
    /// Returns only events of this container, image, network or volume.
    subject: Option<String>,
}

/// Lists stored events, oldest first: from `from`, or the newest.
#[utoipa::path(get, path = "/events", tag = "events", params(Past), responses((status = 200, body = List<Event>)))]
async fn list(State(front): State<Front>, Query(asked): Query<Past>) -> Answer<Json<List<Event>>> {
    let limit = within("limit", asked.limit, USUAL, 1..=MOST)?;
    let events = match asked.from {
        Some(from) => front.engine.past_events(from.saturating_sub(1), limit).await?,
        None => front.engine.latest_events(asked.subject.as_deref(), limit).await?,
    };
    let whole = events.len() < limit as usize;
    let next = events.last().filter(|_| asked.from.is_some() && !whole);
    let next = next.map(|last| (last.seq + 1).to_string());
    let mut items: Vec<Event> = events.iter().map(shown).collect();
    if let Some(subject) = &asked.subject {
        items.retain(|event| event.subject == *subject);
    }
    let mut list = words::whole_list(items, front.engine.last_seq());
    list.next = next;
    Ok(Json(list))
}

#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct Follow {
    /// Number of the first event. Default: the next event.
    from: Option<u64>,
}

/// Streams events as NDJSON.
#[utoipa::path(get, path = "/events/follow", tag = "events", params(Follow), responses((status = 200, body = Event, content_type = "application/x-ndjson")))]
async fn follow(
    State(front): State<Front>,
    Query(asked): Query<Follow>,
) -> ([(HeaderName, HeaderValue); 1], axum::body::Body) {
    let mut events = front.engine.events(asked.from.map(|from| from.saturating_sub(1)));
    stream::lines(&front, move |sender| async move {
        while let Some(event) = events.next().await {
            sender.objects([shown(&event)]).await?;
        }
        Ok(())
    })
}
