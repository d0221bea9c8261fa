//! Registries this server knows. What signs in there goes in and never comes out.

use super::body::{Json as Body, Path};
use super::front::Front;
use super::guard::Caller;
use super::problem::{Answer, Failure};
use super::words;
use access::Permission;
use axum::Json;
use axum::extract::{Extension, State};
use axum::http::StatusCode;
use engine::{KnownRegistry, RegistrySetup as Setup};
use model::registry::Tls;
use shared::list::List;
use shared::registry::{Registry, RegistrySetup, Transport, Verdict};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

const CONFIG_LIMIT_BYTES: usize = 1 << 20;

pub(super) fn routes() -> OpenApiRouter<Front> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(import))
        .routes(routes!(set, remove))
        .routes(routes!(check))
}

fn shown(registry: KnownRegistry) -> Registry {
    Registry {
        host: registry.host,
        username: registry.username,
        transport: match registry.tls {
            Tls::Verified => Transport::Checked,
            Tls::Unverified => Transport::Unchecked,
            Tls::Off => Transport::Plain,
        },
        own_ca: registry.has_authorities,
        mirrors: registry.mirrors,
        used: registry.used.map(|at| at.to_string()),
    }
}

/// Lists the configured registries, sorted by host. Others are accessed anonymously.
#[utoipa::path(get, path = "/registries", tag = "registries", responses((status = 200, body = List<Registry>)))]
async fn list(State(front): State<Front>) -> Answer<Json<List<Registry>>> {
    let seq = front.engine.last_seq();
    let registries = front.engine.registries().await?;
    Ok(Json(words::whole_list(
        registries.into_iter().map(shown).collect(),
        seq,
    )))
}

/// Configures the transport and the login of a registry. Requires the role `admin`.
#[utoipa::path(put, path = "/registries/{host}", tag = "registries", params(("host" = String, Path)), request_body = RegistrySetup, responses((status = 200, body = Registry)))]
async fn set(
    State(front): State<Front>,
    Extension(caller): Extension<Caller>,
    Path(host): Path<String>,
    Body(asked): Body<RegistrySetup>,
) -> Answer<Json<Registry>> {
    caller.require(Permission::Administer)?;
    let setup = Setup {
        username: asked.username,
        password: asked.password,
        tls: match asked.transport {
            Transport::Checked => Tls::Verified,
            Transport::Unchecked => Tls::Unverified,
            Transport::Plain => Tls::Off,
        },
        authorities: asked.ca,
        mirrors: asked.mirrors,
    };
    Ok(Json(shown(front.engine.set_registry(&host, setup).await?)))
}

/// Removes a registry and its login. Requires the role `admin`.
#[utoipa::path(delete, path = "/registries/{host}", tag = "registries", params(("host" = String, Path)), responses((status = 204)))]
async fn remove(
    State(front): State<Front>,
    Extension(caller): Extension<Caller>,
    Path(host): Path<String>,
) -> Answer<StatusCode> {
    caller.require(Permission::Administer)?;
    front.engine.remove_registry(&host).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Tests the login of a configured registry and returns the result.
#[utoipa::path(post, path = "/registries/{host}/check", tag = "registries", params(("host" = String, Path)), responses((status = 200, body = Verdict)))]
async fn check(State(front): State<Front>, Path(host): Path<String>) -> Answer<Json<Verdict>> {
    let verdict = front.engine.check_registry(&host).await?;
    Ok(Json(Verdict {
        works: verdict.works,
        detail: verdict.detail,
        milliseconds: u64::try_from(verdict.took.as_millis()).unwrap_or(u64::MAX),
    }))
}

/// Imports the logins of a Docker `config.json` and lists them. Requires the role `admin`.
#[utoipa::path(post, path = "/registries/import", tag = "registries", request_body(content = Vec<u8>, content_type = "application/json"), responses((status = 200, body = List<Registry>)))]
async fn import(
    State(front): State<Front>,
    Extension(caller): Extension<Caller>,
    body: axum::body::Body,
) -> Answer<Json<List<Registry>>> {
    caller.require(Permission::Administer)?;
    let json = axum::body::to_bytes(body, CONFIG_LIMIT_BYTES).await;
    let json = json.map_err(|_| Failure::mistake("config.json", "it broke off, or is longer than 1 MiB"))?;
    let seq = front.engine.last_seq();
    let taken = front.engine.import_registries(&json).await?;
    Ok(Json(words::whole_list(taken.into_iter().map(shown).collect(), seq)))
}
