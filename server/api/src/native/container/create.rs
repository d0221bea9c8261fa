use super::read;
use crate::native::body::Json as Body;
use crate::native::front::Front;
use crate::native::guard::Caller;
use crate::native::problem::{Answer, Failure};
use access::Permission;
use axum::Json;
use axum::extract::{Extension, State};
use axum::http::{HeaderMap, StatusCode};
use engine::{EngineError, RemoveOptions};
use model::network::PortMapping;
use shared::create::{Created, NetworkMode, NewContainer};
use shared::problem::{Mistake, Mistakes};

/// Creates a container, and starts it if `start` is true.
///
/// If the start fails, the container is removed and nothing is changed. A request repeated with the
/// same `Idempotency-Key` creates one container; the same key with a different body is refused.
#[utoipa::path(post, path = "/containers", tag = "containers", request_body = NewContainer, responses((status = 201, body = Created)))]
pub(super) async fn create(
    State(front): State<Front>,
    Extension(caller): Extension<Caller>,
    headers: HeaderMap,
    Body(new): Body<NewContainer>,
) -> Answer<(StatusCode, Json<Created>)> {
    let asked = serde_json::to_vec(&new).unwrap_or_default();
    let work = Box::pin(make(&front, &caller, new));
    let sender = &caller.identity.user_id;
    let created = front.created().once(&headers, sender, &asked, work).await?;
    Ok((StatusCode::CREATED, Json(created)))
}

async fn make(front: &Front, caller: &Caller, new: NewContainer) -> Answer<Created> {
    let start = new.start;
    let ports = published(&new);
    let asked = read::new_container(new, front.engine.host_stats().cpus).map_err(Failure::mistakes)?;
    read::require_rights(caller, &asked)?;
    let created = front.engine.create(asked).await?;
    let name = front.engine.inspect(&created.id)?.spec.name.as_str().to_owned();
    if start && let Err(error) = front.engine.start(&created.id).await {
        let all = RemoveOptions {
            force: true,
            volumes: true,
        };
        if let Err(error) = front.engine.remove(&created.id, all).await {
            tracing::warn!(%error, container = name, "a container that could not be started stays");
        }
        let mut failure = Failure::from(error);
        failure.problem.mistakes = port_mistakes(front, &ports).await;
        return Err(failure);
    }
    Ok(Created {
        id: created.id.to_string(),
        name,
        warnings: created.warnings,
    })
}

/// Validates a create request without creating a container.
#[utoipa::path(post, path = "/containers/check", tag = "containers", request_body = NewContainer, responses((status = 200, body = Mistakes)))]
pub(super) async fn check(
    State(front): State<Front>,
    Extension(caller): Extension<Caller>,
    Body(new): Body<NewContainer>,
) -> Answer<Json<Mistakes>> {
    caller.require(Permission::Operate)?;
    let mut warnings = Vec::new();
    let ports = published(&new);
    let mut mistakes: Vec<Mistake> = match read::new_container(new, front.engine.host_stats().cpus) {
        Err(mistakes) => mistakes,
        // What depends on the image is judged once it is here.
        Ok(asked) if is_missing(&front, &asked.image).await => {
            warnings.push(format!(
                "image `{}` is not on this host and has to be pulled first",
                asked.image
            ));
            Vec::new()
        }
        Ok(asked) => {
            let refused = read::require_rights(&caller, &asked).err();
            let found = front.engine.dry_run(asked).await?;
            let found = found.into_iter().map(|mistake| Mistake {
                field: mistake.field.to_owned(),
                message: mistake.message,
            });
            let refused = refused.map(|failure| Mistake {
                field: "security".to_owned(),
                message: failure.problem.detail,
            });
            found.chain(refused).collect()
        }
    };
    mistakes.extend(port_mistakes(&front, &ports).await);
    Ok(Json(Mistakes { mistakes, warnings }))
}

/// Ports are published on the bridge network alone.
fn published(new: &NewContainer) -> Vec<String> {
    match new.network {
        NetworkMode::Bridge => new.ports.clone(),
        NetworkMode::None | NetworkMode::Host => Vec::new(),
    }
}

/// The ports of the request that cannot be published now, each at its field. Invalid ports
/// are reported by the validation of the request.
async fn port_mistakes(front: &Front, ports: &[String]) -> Vec<Mistake> {
    let parsed = ports.iter().enumerate().filter_map(|(at, text)| {
        let mappings = PortMapping::parse(text).ok()?;
        Some(mappings.into_iter().map(move |mapping| (at, mapping)))
    });
    let (places, mappings): (Vec<usize>, Vec<PortMapping>) =
        parsed.flatten().filter(|(_, mapping)| mapping.host_port != 0).unzip();
    match front.engine.check_ports(mappings).await {
        Ok(found) => {
            let found = places.into_iter().zip(found);
            let at = |(at, message): (usize, Option<String>)| {
                Some(Mistake {
                    field: format!("ports[{at}]"),
                    message: message?,
                })
            };
            found.filter_map(at).collect()
        }
        Err(error) => {
            tracing::warn!(%error, "cannot check whether ports are in use");
            Vec::new()
        }
    }
}

async fn is_missing(front: &Front, image: &str) -> bool {
    matches!(front.engine.image(image).await, Err(EngineError::ImageMissing(_)))
}
