//! The Docker Engine API, on a unix socket: form only. What a request means is
//! the engine's; here it is read, and the answer is worded as `dockerd` words it
//! where clients compare.
//!
//! - A path may begin with `/v1.NN`; any version from [`version::OLDEST`] to
//!   [`version::NEWEST`] is answered in the form of the newest.
//! - A route that is not there answers 501 and says its name.
//! - Fields that are not known are ignored, as `dockerd` does; a known field that would
//!   change what the user gets is honoured, or refused by its name.

mod build;
mod client;
mod container;
mod exec;
mod filters;
mod frame;
mod hijack;
mod image;
mod network;
mod problem;
mod query;
mod stream;
mod system;
mod version;
mod volume;

use crate::lingering::Lingering;
use crate::run_to_end::run_to_end;
use crate::unread_body;
use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware::{from_fn_with_state, map_request, map_response};
use axum::routing::{delete, get, head, post};
use engine::Engine;
use std::sync::Arc;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

pub(crate) use network::id as network_id;
use problem::Failure;
pub use version::spoken;

/// Bodies of JSON; archives have no such limit.
const MAX_JSON_BYTES: usize = 16 << 20;

/// Owner of tasks that were started by this API; user names cannot contain a space.
const OWNER: &str = "Docker API";

fn owner() -> String {
    OWNER.to_owned()
}

/// Answers on `listener` until `stop`, at most `max_connections` at once; connections that follow something are cut then.
pub async fn serve(
    listener: UnixListener,
    engine: Engine,
    max_connections: usize,
    stop: CancellationToken,
) -> std::io::Result<()> {
    let serving = axum::serve(
        Connections {
            listener,
            slots: Arc::new(Semaphore::new(max_connections)),
        },
        router(engine),
    );
    tokio::select! {
        served = async { serving.await } => served,
        () = stop.cancelled() => Ok(()),
    }
}

/// Accepts connections that linger when they close.
struct Connections {
    listener: UnixListener,
    slots: Arc<Semaphore>,
}

impl axum::serve::Listener for Connections {
    type Io = Lingering<UnixStream>;
    type Addr = tokio::net::unix::SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        // A connection too many waits in the kernel's queue until another one ends.
        let slot = self.slots.clone().acquire_owned().await;
        let (stream, address) = axum::serve::Listener::accept(&mut self.listener).await;
        let stream = match slot {
            Ok(slot) => Lingering::with_slot(stream, slot),
            // Never: nothing closes the semaphore.
            Err(_) => Lingering::new(stream),
        };
        (stream, address)
    }

    fn local_addr(&self) -> std::io::Result<Self::Addr> {
        self.listener.local_addr()
    }
}

/// All routes, with and without the version in front.
pub fn router(engine: Engine) -> Router {
    let layer = from_fn_with_state(engine.clone(), run_to_end);
    let routes = changing().route_layer(layer).merge(waiting()).with_state(engine);
    version::strip(routes)
        .layer(map_response(problem::rejection_as_json))
        .layer(DefaultBodyLimit::max(MAX_JSON_BYTES))
        .layer(map_request(unread_body::discard))
}

/// Everything but what is in [`waiting`]; reading too.
fn changing() -> Router<Engine> {
    Router::new()
        .merge(containers())
        .merge(images())
        .merge(the_rest())
        .fallback(not_there)
        .method_not_allowed_fallback(not_there)
}

/// What is asked with POST, changes nothing, and ends with its client.
fn waiting() -> Router<Engine> {
    Router::new().route("/containers/{id}/wait", post(container::wait::wait))
}

fn containers() -> Router<Engine> {
    use container::*;
    Router::new()
        .route("/containers/json", get(list::list))
        .route("/containers/create", post(create::create))
        .route("/containers/prune", post(remove::prune))
        .route("/containers/{id}", delete(remove::remove))
        .route("/containers/{id}/json", get(inspect::inspect))
        .route("/containers/{id}/start", post(lifecycle::start))
        .route("/containers/{id}/stop", post(lifecycle::stop))
        .route("/containers/{id}/restart", post(lifecycle::restart))
        .route("/containers/{id}/kill", post(lifecycle::kill))
        .route("/containers/{id}/pause", post(lifecycle::pause))
        .route("/containers/{id}/unpause", post(lifecycle::unpause))
        .route("/containers/{id}/rename", post(lifecycle::rename))
        .route("/containers/{id}/update", post(update::update))
        .route("/containers/{id}/attach", post(attach::attach))
        .route("/containers/{id}/resize", post(attach::resize))
        .route("/containers/{id}/logs", get(logs::logs))
        .route("/containers/{id}/stats", get(stats::stats))
        .route("/containers/{id}/top", get(top::top))
        .route(
            "/containers/{id}/archive",
            get(archive::read).head(archive::read).put(archive::write),
        )
        .route("/containers/{id}/export", get(archive::export))
        .route("/containers/{id}/changes", get(archive::changes))
        .route("/commit", post(commit::commit))
        .route("/containers/{id}/exec", post(exec::create))
        .route("/exec/{id}/start", post(exec::start))
        .route("/exec/{id}/resize", post(exec::resize))
        .route("/exec/{id}/json", get(exec::inspect))
}

fn images() -> Router<Engine> {
    use image::*;
    Router::new()
        .route("/images/json", get(list::list))
        .route("/images/create", post(create::create))
        .route("/images/load", post(load::load))
        .route("/images/prune", post(remove::prune))
        .route("/images/search", get(search))
        .route("/images/get", get(save::several))
        // An image's name holds slashes, so what follows it is found by hand.
        .route(
            "/images/{*name}",
            get(inspect::by_suffix).post(tag::by_suffix).delete(remove::remove),
        )
}

fn the_rest() -> Router<Engine> {
    Router::new()
        .route("/_ping", get(system::ping::ping).merge(head(system::ping::ping)))
        .route("/auth", post(image::login::auth))
        .route("/version", get(system::version::version))
        .route("/info", get(system::info::info))
        .route("/events", get(system::events::events))
        .route("/system/df", get(system::df::df))
        .route("/build", post(build::build))
        .route("/build/prune", post(build::prune))
        .route("/plugins", get(system::plugins::list))
        .route("/plugins/{*name}", get(system::plugins::inspect))
        .route("/networks", get(network::list))
        .route("/networks/prune", post(network::prune))
        .route("/networks/{id}", get(network::inspect))
        .route("/volumes", get(volume::list))
        .route("/volumes/create", post(volume::create))
        .route("/volumes/prune", post(volume::prune))
        .route("/volumes/{name}", get(volume::inspect).delete(volume::remove))
}

async fn search() -> Failure {
    Failure::unsupported("searching Docker Hub; look at its page, and pull by name")
}

async fn not_there(request: axum::extract::Request) -> Failure {
    Failure::not_there(request.method(), request.uri().path())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_routes_are_in_each_others_way() {
        drop(changing().merge(waiting()));
    }
}
