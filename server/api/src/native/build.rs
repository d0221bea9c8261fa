//! Builds: begun, looked at, followed, ended.

use super::body::{Path, Query, within};
use super::front::Front;
use super::guard::Caller;
use super::mask::{self, Values};
use super::problem::{Answer, Failure};
use super::{stream, task, words};
use access::Permission;
use axum::Json;
use axum::extract::{DefaultBodyLimit, Extension, FromRequest as _, Multipart, Request, State};
use axum::http::StatusCode;
use axum::http::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use engine::{
    Build as Engines, BuildLine, BuildNetwork, BuildState as Doing, CachePruneRules, FileChoice, Secret,
    StepState as Stepping, TaskId,
};
use model::image::Reference;
use serde::Deserialize;
use shared::build::{
    Build, BuildState, CacheEntry, CachePrune, CachePruned, Details, Line, LinePage, NewBuild, Step, StepState,
};
use shared::list::List;
use std::time::Duration;
use tokio::io::AsyncWriteExt as _;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// Of an upload, between the network and the unpacking.
const PIPE_BYTES: usize = 256 << 10;
const MOST_BUILDS: u32 = 200;
const MOST_LINES: usize = 5000;
/// Between looks at the log of a build that is followed.
const PAUSE: Duration = Duration::from_millis(50);

pub(super) fn routes() -> OpenApiRouter<Front> {
    OpenApiRouter::new()
        .routes(routes!(list))
        // A context has no limit of its own.
        .merge(
            OpenApiRouter::new()
                .routes(routes!(begin))
                .layer(DefaultBodyLimit::disable()),
        )
        .routes(routes!(cache))
        .routes(routes!(prune))
        .routes(routes!(inspect, remove))
        .routes(routes!(cancel))
        .routes(routes!(log))
        .routes(routes!(follow))
}

/// Lists running and finished builds, newest first.
#[utoipa::path(get, path = "/builds", tag = "builds", responses((status = 200, body = List<Build>)))]
async fn list(State(front): State<Front>, Extension(caller): Extension<Caller>) -> Answer<Json<List<Build>>> {
    let builds = front.engine.builds(MOST_BUILDS).await?;
    let sees_values = mask::sees_values(&caller);
    let items = builds.iter().map(|build| shown(build, sees_values)).collect();
    Ok(Json(words::whole_list(items, front.engine.last_seq())))
}

#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct Options {
    /// A `NewBuild` as JSON; required when the body is the build context.
    options: Option<String>,
}

/// Starts a build.
///
/// The body is one of: a `NewBuild` as JSON with the text of the Dockerfile; the build context as a
/// tar, with the `NewBuild` in the query parameter `options`; a multipart form with the parts
/// `options` and `context`, in this order, which keeps secrets out of the URL. The response is sent
/// once the context is received.
#[utoipa::path(post, path = "/builds", tag = "builds", params(Options), request_body = NewBuild, responses((status = 202, body = Build)))]
async fn begin(
    State(front): State<Front>,
    Extension(caller): Extension<Caller>,
    Query(asked): Query<Options>,
    request: Request,
) -> Answer<(StatusCode, Json<Build>)> {
    let kind = request
        .headers()
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim().to_owned();
    let id = match kind.as_str() {
        "application/json" => {
            let super::body::Json(asked) = super::body::Json::<NewBuild>::from_request(request, &()).await?;
            if asked.dockerfile.is_none() {
                return Err(Failure::mistake(
                    "dockerfile",
                    "without a context, the text of the Dockerfile is needed",
                ));
            }
            let new = new_build(asked, &caller)?;
            front.engine.build(new, None::<tokio::io::Empty>).await?
        }
        "multipart/form-data" => from_form(&front, &caller, request).await?,
        _ => {
            let asked = match asked.options.as_deref() {
                None | Some("") => NewBuild::default(),
                Some(text) => options(text)?,
            };
            let new = new_build(asked, &caller)?;
            let mut upload = Upload::begin(&front, new).await?;
            let mut pieces = request.into_body().into_data_stream();
            loop {
                use futures_util::TryStreamExt as _;
                match pieces.try_next().await {
                    Ok(Some(piece)) if upload.push(&piece).await => {}
                    Ok(_) => break,
                    Err(error) => return Err(broken(&error)),
                }
            }
            upload.end()
        }
    };
    let build = front.engine.find_build(&id).await?;
    Ok((StatusCode::ACCEPTED, Json(shown(&build, true))))
}

async fn from_form(front: &Front, caller: &Caller, request: Request) -> Answer<TaskId> {
    let mut form = Multipart::from_request(request, &())
        .await
        .map_err(|error| Failure::new(StatusCode::BAD_REQUEST, "form_unreadable", error.body_text()))?;
    let mut asked = None;
    while let Some(mut part) = form.next_field().await.map_err(|error| broken(&error))? {
        match part.name() {
            Some("options") => asked = Some(options(&part.text().await.map_err(|error| broken(&error))?)?),
            Some("context") => {
                let new = new_build(asked.take().unwrap_or_default(), caller)?;
                let mut upload = Upload::begin(front, new).await?;
                loop {
                    match part.chunk().await {
                        Ok(Some(piece)) if upload.push(&piece).await => {}
                        Ok(_) => break,
                        Err(error) => return Err(broken(&error)),
                    }
                }
                return Ok(upload.end());
            }
            other => {
                let name = other.unwrap_or_default().to_owned();
                return Err(Failure::mistake(
                    &name,
                    "the form has the parts `options` and `context`",
                ));
            }
        }
    }
    let asked = asked.unwrap_or_default();
    if asked.dockerfile.is_none() {
        return Err(Failure::mistake(
            "context",
            "without a context, the text of the Dockerfile is needed",
        ));
    }
    Ok(front
        .engine
        .build(new_build(asked, caller)?, None::<tokio::io::Empty>)
        .await?)
}

fn broken(error: &dyn std::fmt::Display) -> Failure {
    Failure::new(
        StatusCode::BAD_REQUEST,
        "upload_broken",
        format!("the context did not arrive whole: {error}"),
    )
}

fn options(text: &str) -> Answer<NewBuild> {
    serde_json::from_str(text).map_err(|error| Failure::mistake("options", error.to_string()))
}

/// A context on its way. Dropped before its end, the build is cancelled: half a
/// context would be taken for a broken one.
struct Upload {
    front: Front,
    id: TaskId,
    pipe: Option<tokio::io::DuplexStream>,
    whole: bool,
}

impl Upload {
    async fn begin(front: &Front, new: engine::NewBuild) -> Answer<Self> {
        let (near, far) = tokio::io::duplex(PIPE_BYTES);
        let id = front.engine.build(new, Some(far)).await?;
        Ok(Self {
            front: front.clone(),
            id,
            pipe: Some(near),
            whole: false,
        })
    }

    /// Whether more is wanted.
    async fn push(&mut self, piece: &[u8]) -> bool {
        match &mut self.pipe {
            Some(pipe) => pipe.write_all(piece).await.is_ok(),
            None => false,
        }
    }

    fn end(mut self) -> TaskId {
        self.whole = true;
        self.pipe = None;
        self.id.clone()
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        if !self.whole {
            let _ = self.front.engine.cancel_task(&self.id);
        }
    }
}

fn new_build(asked: NewBuild, caller: &Caller) -> Answer<engine::NewBuild> {
    let mut tags = Vec::with_capacity(asked.tags.len());
    for tag in asked.tags.iter().map(|tag| tag.trim()).filter(|tag| !tag.is_empty()) {
        let reference = Reference::parse(tag).map_err(|error| Failure::mistake("tags", error.to_string()))?;
        if reference.digest().is_some() {
            return Err(Failure::mistake(
                "tags",
                format!("`{tag}` has a digest; a new name has a tag"),
            ));
        }
        tags.push(reference);
    }
    let network = match asked.network.as_deref() {
        None | Some("" | "default") => BuildNetwork::Default,
        Some("none") => BuildNetwork::None,
        Some("host") => BuildNetwork::Host,
        Some(other) => {
            return Err(Failure::mistake(
                "network",
                format!("`{other}` is none of default, none and host"),
            ));
        }
    };
    let opens_host = network == BuildNetwork::Host || !asked.ssh.is_empty();
    if opens_host {
        caller.require(Permission::Administer)?;
    }
    Ok(engine::NewBuild {
        file: match (asked.dockerfile, asked.file) {
            (Some(_), Some(_)) => {
                return Err(Failure::mistake(
                    "file",
                    "give either the Dockerfile's text or its place in the context",
                ));
            }
            (Some(text), None) => FileChoice::Text(text),
            (None, file) => FileChoice::InContext(file.unwrap_or_else(|| "Dockerfile".to_owned())),
        },
        tags,
        target: asked.target.filter(|target| !target.is_empty()),
        arguments: asked.args,
        labels: asked.labels,
        secrets: asked
            .secrets
            .into_iter()
            .map(|(id, value)| Secret {
                id,
                value: value.into_bytes(),
            })
            .collect(),
        ssh: asked.ssh.into_iter().map(|(id, path)| (id, path.into())).collect(),
        no_cache: asked.no_cache,
        pull: asked.pull,
        platform: asked.platform.filter(|platform| !platform.is_empty()),
        network,
        may_use_host_network: caller.identity.may(Permission::Administer),
        owner: Some(caller.owner()),
        ..engine::NewBuild::default()
    })
}

/// Returns a build with all its steps.
///
/// Requires the role `operator`: steps and log contain build arguments.
#[utoipa::path(get, path = "/builds/{id}", tag = "builds", params(("id" = String, Path)), responses((status = 200, body = Details)))]
async fn inspect(
    State(front): State<Front>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
) -> Answer<Json<Details>> {
    caller.require(Permission::Operate)?;
    Ok(Json(details(&front.engine.find_build(&find(&id)?).await?)))
}

/// Removes a finished build and its log. Keeps the image.
#[utoipa::path(delete, path = "/builds/{id}", tag = "builds", params(("id" = String, Path)), responses((status = 204)))]
async fn remove(State(front): State<Front>, Path(id): Path<String>) -> Answer<StatusCode> {
    front.engine.remove_build(&find(&id)?).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Cancels a build and kills its running steps. No effect if it has finished.
#[utoipa::path(post, path = "/builds/{id}/cancel", tag = "builds", params(("id" = String, Path)), responses((status = 202)))]
async fn cancel(State(front): State<Front>, Path(id): Path<String>) -> Answer<StatusCode> {
    let id = find(&id)?;
    if front.engine.find_build(&id).await?.state == Doing::Running {
        front.engine.cancel_task(&id)?;
    }
    Ok(StatusCode::ACCEPTED)
}

#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct Range {
    /// Number of the first line. Default: 1.
    from: Option<u64>,
    /// Maximum number of lines, 1 to 5,000. Default: 1,000.
    max: Option<usize>,
    /// Returns only the lines of this step; 0 is the builder itself.
    step: Option<u32>,
}

/// Returns build log lines from `from`. Requires the role `operator`.
#[utoipa::path(get, path = "/builds/{id}/log", tag = "builds", params(("id" = String, Path), Range), responses((status = 200, body = LinePage)))]
async fn log(
    State(front): State<Front>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
    Query(asked): Query<Range>,
) -> Answer<Json<LinePage>> {
    caller.require(Permission::Operate)?;
    let from = asked.from.unwrap_or(1);
    let max = within("max", asked.max, 1000, 1..=MOST_LINES)?;
    let mut log = front.engine.build_log(&find(&id)?, from).await?;
    let mut page = LinePage {
        lines: Vec::new(),
        next: from,
    };
    loop {
        let (back, lines) = read(log, max).await?;
        log = back;
        let done = lines.is_empty();
        for one in lines {
            if page.lines.len() == max {
                return Ok(Json(page));
            }
            page.next = one.number + 1;
            let shown = line(one);
            if asked.step.is_none_or(|step| step == shown.step) {
                page.lines.push(shown);
            }
        }
        if done || page.lines.len() == max {
            return Ok(Json(page));
        }
    }
}

/// Streams build log lines as NDJSON until the build finishes. Requires the role `operator`.
#[utoipa::path(get, path = "/builds/{id}/log/follow", tag = "builds", params(("id" = String, Path), Range), responses((status = 200, body = Line, content_type = "application/x-ndjson")))]
async fn follow(
    State(front): State<Front>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
    Query(asked): Query<Range>,
) -> Answer<([(HeaderName, HeaderValue); 1], axum::body::Body)> {
    caller.require(Permission::Operate)?;
    let id = find(&id)?;
    let mut watch = front.engine.watch_build(&id).await?;
    let mut log = front.engine.build_log(&id, asked.from.unwrap_or(1)).await?;
    Ok(stream::lines(&front, move |sender| async move {
        loop {
            let over = watch.borrow_and_update().state != Doing::Running;
            loop {
                let (back, lines) = read(log, MOST_LINES).await?;
                log = back;
                if lines.is_empty() {
                    break;
                }
                let wanted = lines.into_iter().map(line);
                sender
                    .objects(wanted.filter(|line| asked.step.is_none_or(|step| step == line.step)))
                    .await?;
            }
            if over || watch.changed().await.is_err() {
                return Ok(());
            }
            tokio::time::sleep(PAUSE).await;
        }
    }))
}

pub(super) async fn read(mut log: engine::BuildLog, max: usize) -> Answer<(engine::BuildLog, Vec<BuildLine>)> {
    let lines = tokio::task::spawn_blocking(move || {
        let lines = log.read(max);
        lines.map(|lines| (log, lines))
    });
    let failed = |error: &dyn std::fmt::Display| {
        Failure::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "failed",
            format!("cannot read the log of a build: {error}"),
        )
    };
    lines
        .await
        .map_err(|error| failed(&error))?
        .map_err(|error| failed(&error))
}

/// Lists the build cache entries, least recently used first.
#[utoipa::path(get, path = "/builds/cache", tag = "builds", responses((status = 200, body = List<CacheEntry>)))]
async fn cache(State(front): State<Front>, Extension(caller): Extension<Caller>) -> Answer<Json<List<CacheEntry>>> {
    let sees_values = mask::sees_values(&caller);
    let entries = front.engine.build_cache().await?.into_iter().map(|entry| CacheEntry {
        key: entry.key,
        title: if sees_values {
            entry.title
        } else {
            Values::default().masked(&entry.title)
        },
        created: entry.created.to_string(),
        used: entry.used.to_string(),
        uses: entry.uses,
        size_bytes: entry.size_bytes,
    });
    Ok(Json(words::whole_list(entries.collect(), front.engine.last_seq())))
}

/// Removes build cache entries and the layers that only they reference.
#[utoipa::path(post, path = "/builds/cache/prune", tag = "builds", request_body = CachePrune, responses((status = 200, body = CachePruned)))]
async fn prune(
    State(front): State<Front>,
    super::body::Json(asked): super::body::Json<CachePrune>,
) -> Answer<Json<CachePruned>> {
    let rules = CachePruneRules {
        unused_for: asked.unused_for_s.map(Duration::from_secs),
        keep_bytes: asked.keep_bytes,
        only: None,
    };
    let pruned = front.engine.prune_build_cache(&rules).await?;
    Ok(Json(CachePruned {
        entries: u64::try_from(pruned.keys.len()).unwrap_or(u64::MAX),
        freed_bytes: pruned.freed_bytes,
    }))
}

pub(super) fn find(id: &str) -> Answer<TaskId> {
    task::find(id).map_err(|_| Failure::not_found("build", id))
}

/// With `sees_values` false, without what may hold a build argument.
pub(super) fn shown(build: &Engines, sees_values: bool) -> Build {
    let count = |states: &[Stepping]| {
        let fitting = build.steps.iter().filter(|step| states.contains(&step.state)).count();
        u32::try_from(fitting).unwrap_or(u32::MAX)
    };
    let title = match build.tags.first() {
        Some(tag) => tag.short(),
        None => {
            let line = build.dockerfile.lines().next().unwrap_or(&build.file);
            if sees_values {
                line.to_owned()
            } else {
                Values::default().masked(line)
            }
        }
    };
    Build {
        id: build.id.to_string(),
        title,
        tags: build.tags.iter().map(Reference::short).collect(),
        owner: build.owner.clone().unwrap_or_default(),
        state: match build.state {
            Doing::Running => BuildState::Running,
            Doing::Done => BuildState::Done,
            Doing::Failed => BuildState::Failed,
            Doing::Cancelled => BuildState::Cancelled,
            Doing::Lost => BuildState::Lost,
        },
        started: build.started.to_string(),
        ended: build.ended.map(|at| at.to_string()),
        steps: u32::try_from(build.steps.len()).unwrap_or(u32::MAX),
        steps_done: count(&[Stepping::Done, Stepping::Cached]),
        steps_cached: count(&[Stepping::Cached]),
        image: build.image.as_ref().map(ToString::to_string),
        size_bytes: build.size_bytes,
        problem: build.error.as_ref().map(|error| {
            let detail = if sees_values { error } else { task::HIDDEN_FAILURE };
            let failure = Failure::new(StatusCode::UNPROCESSABLE_ENTITY, "build_failed", detail);
            *failure.problem
        }),
    }
}

pub(super) fn details(build: &Engines) -> Details {
    let steps = (1u32..).zip(&build.steps).map(|(number, step)| Step {
        number,
        stage: step.stage.clone(),
        instruction: step.text.clone(),
        first_line: step.first_line,
        last_line: step.last_line,
        state: match step.state {
            Stepping::Waiting => StepState::Waiting,
            Stepping::Running => StepState::Running,
            Stepping::Cached => StepState::Cached,
            Stepping::Done => StepState::Done,
            Stepping::Failed => StepState::Failed,
            Stepping::Cancelled => StepState::Cancelled,
        },
        started: step.started.map(|at| at.to_string()),
        duration_ms: step
            .started
            .zip(step.ended)
            .map(|(from, to)| u64::try_from(to.since(from).as_millis()).unwrap_or(u64::MAX)),
        layer: step.layer.as_ref().map(|(digest, _)| digest.to_string()),
        size_bytes: step.layer.as_ref().map(|(_, bytes)| *bytes),
        exit_code: step.exit_code,
    });
    Details {
        dockerfile: build.dockerfile.clone(),
        steps: steps.collect(),
        warnings: build
            .warnings
            .iter()
            .map(|(line, message)| shared::build::Warning {
                line: *line,
                message: message.clone(),
            })
            .collect(),
        build: shown(build, true),
    }
}

pub(super) fn line(line: BuildLine) -> Line {
    Line {
        seq: line.number,
        step: line.step.map_or(0, |step| u32::try_from(step + 1).unwrap_or(u32::MAX)),
        time: line.time.to_string(),
        text: line.text,
    }
}
