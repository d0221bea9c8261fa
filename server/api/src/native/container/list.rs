use super::show;
use crate::native::body::{Path, Query, within};
use crate::native::front::Front;
use crate::native::guard::Caller;
use crate::native::problem::{Answer, Failure};
use crate::native::words;
use access::Permission;
use axum::Json;
use axum::extract::{Extension, State};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use engine::Container as Engines;
use serde::Deserialize;
use shared::container::{Container, Details, Variable};
use shared::list::List;
use std::sync::Arc;

const USUAL: usize = 1_000;
const MOST: usize = 5_000;

/// Filters and pages the list of containers.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(in crate::native) struct Filter {
    /// Maximum number of containers, 1 to 5,000. Default: 1,000.
    limit: Option<usize>,
    /// `next` of the previous page.
    cursor: Option<String>,
    /// Comma-separated list of `created`, `running`, `paused`, `exited`, `failed`, `lost`,
    /// `restarting`.
    state: Option<String>,
    /// Substring of the name, image or id.
    q: Option<String>,
    /// Label filter: `name` or `name=value`.
    label: Option<String>,
}

const STATES: [&str; 7] = ["created", "running", "paused", "exited", "failed", "lost", "restarting"];

impl Filter {
    fn check(&self) -> Answer<()> {
        let words = self.state.iter().flat_map(|states| states.split(','));
        match words.map(str::trim).find(|word| !STATES.contains(word)) {
            Some(other) => Err(Failure::mistake(
                "state",
                format!("`{other}` is none of {}", STATES.join(", ")),
            )),
            None => Ok(()),
        }
    }

    fn takes(&self, container: &Engines) -> bool {
        let state = |wanted: &str| {
            wanted.trim() == container.state.word() || (wanted.trim() == "restarting" && container.restart_at.is_some())
        };
        let words = |q: &str| {
            container.spec.name.as_str().contains(q)
                || container.spec.image.reference.short().contains(q)
                || container.id.as_str().starts_with(q)
        };
        let label = |wanted: &str| {
            let (name, value) = wanted.split_once('=').map_or((wanted, None), |(n, v)| (n, Some(v)));
            let has = |(key, held): &(String, String)| key == name && value.is_none_or(|value| value == held);
            container.spec.labels.iter().any(has)
        };
        self.state.as_deref().is_none_or(|states| states.split(',').any(state))
            && self.q.as_deref().is_none_or(words)
            && self.label.as_deref().is_none_or(label)
    }
}

/// Lists containers, newest first.
#[utoipa::path(get, path = "/containers", tag = "containers", params(Filter), responses((status = 200, body = List<Container>)))]
pub(super) async fn list(State(front): State<Front>, Query(filter): Query<Filter>) -> Answer<Json<List<Container>>> {
    let limit = within("limit", filter.limit, USUAL, 1..=MOST)?;
    filter.check()?;
    let after = filter.cursor.as_deref().map(read_cursor).transpose()?;
    let all = front.engine.list();
    let mut wanted = all
        .items
        .iter()
        .filter(|container| after.as_ref().is_none_or(|after| place(container) < *after))
        .filter(|container| filter.takes(container));
    let page: Vec<&Arc<Engines>> = wanted.by_ref().take(limit).collect();
    let more = wanted.next().is_some();
    let next = page.last().filter(|_| more).map(|last| cursor(last));
    Ok(Json(List {
        items: page.into_iter().map(|container| show::container(container)).collect(),
        next,
        seq: all.seq,
    }))
}

/// Newest first: what comes later in the list is smaller.
fn place(container: &Engines) -> (i64, String) {
    (container.created.as_unix_nanos(), container.id.to_string())
}

fn cursor(container: &Engines) -> String {
    let (time, id) = place(container);
    URL_SAFE_NO_PAD.encode(format!("{time} {id}"))
}

fn read_cursor(text: &str) -> Answer<(i64, String)> {
    let read = || {
        let text = String::from_utf8(URL_SAFE_NO_PAD.decode(text).ok()?).ok()?;
        let (time, id) = text.split_once(' ')?;
        Some((time.parse().ok()?, id.to_owned()))
    };
    read().ok_or_else(|| Failure::mistake("cursor", "it is not the `next` of a list"))
}

/// Returns a container.
///
/// `{id}` is its id, its name or a unique prefix of the id.
#[utoipa::path(get, path = "/containers/{id}", tag = "containers", params(("id" = String, Path)), responses((status = 200, body = Details)))]
pub(super) async fn inspect(State(front): State<Front>, Path(id): Path<String>) -> Answer<Json<Details>> {
    let id = front.engine.find(&id)?;
    let container = front.engine.inspect(&id)?;
    Ok(Json(show::details(&container, &front.engine.host_info())))
}

/// Lists the environment variables of a container with their values.
///
/// Requires the role `operator`. Each request is recorded as an event `reveal_environment` with the
/// name of the user.
#[utoipa::path(get, path = "/containers/{id}/environment", tag = "containers", params(("id" = String, Path)), responses((status = 200, body = List<Variable>)))]
pub(super) async fn environment(
    State(front): State<Front>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
) -> Answer<Json<List<Variable>>> {
    caller.require(Permission::Operate)?;
    let id = front.engine.find(&id)?;
    let entries = front.engine.reveal_environment(&id, &caller.owner()).await?;
    let items = entries.iter().map(|entry| show::variable(entry)).collect();
    Ok(Json(words::whole_list(items, front.engine.last_seq())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_states_that_there_are_can_be_asked_for() {
        let filter = |state: &str| Filter {
            limit: None,
            cursor: None,
            state: Some(state.to_owned()),
            q: None,
            label: None,
        };
        assert!(filter("running, restarting").check().is_ok());
        for state in ["bogus", "running,", "Running"] {
            let failure = filter(state).check().expect_err(state);
            assert_eq!(failure.problem.mistakes[0].field, "state");
        }
    }

    #[test]
    fn a_cursor_is_read_back_and_anything_else_refused() {
        let text = URL_SAFE_NO_PAD.encode("12 abc");
        assert_eq!(read_cursor(&text).expect("a cursor"), (12, "abc".to_owned()));
        assert!(read_cursor("12 abc").is_err());
    }
}
