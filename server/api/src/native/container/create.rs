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
use shared::create::{Created, NewContainer};
use shared::problem::{Mistake, Mistakes};

/// Makes a container, and starts it where `start` asks for that.
///
/// One that cannot be started is removed again: the request then changed nothing.
/// Sent twice with the same `Idempotency-Key`, it creates once.
#[utoipa::path(post, path = "/containers", tag = "containers", request_body = NewContainer, responses((status = 201, body = Created)))]
pub(super) async fn create(
    State(front): State<Front>,
    Extension(caller): Extension<Caller>,
    headers: HeaderMap,
    Body(new): Body<NewContainer>,
) -> Answer<(StatusCode, Json<Created>)> {
    let work = Box::pin(make(&front, &caller, new));
    let created = front.created().once(&headers, &caller.identity.user_id, work).await?;
    Ok((StatusCode::CREATED, Json(created)))
}

async fn make(front: &Front, caller: &Caller, new: NewContainer) -> Answer<Created> {
    let start = new.start;
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
        return Err(error.into());
    }
    Ok(Created {
        id: created.id.to_string(),
        name,
        warnings: created.warnings,
    })
}

/// What would be refused, without making anything.
#[utoipa::path(post, path = "/containers/check", tag = "containers", request_body = NewContainer, responses((status = 200, body = Mistakes)))]
pub(super) async fn check(
    State(front): State<Front>,
    Extension(caller): Extension<Caller>,
    Body(new): Body<NewContainer>,
) -> Answer<Json<Mistakes>> {
    caller.require(Permission::Operate)?;
    let mut warnings = Vec::new();
    let mistakes = match read::new_container(new, front.engine.host_stats().cpus) {
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
    Ok(Json(Mistakes { mistakes, warnings }))
}

async fn is_missing(front: &Front, image: &str) -> bool {
    matches!(front.engine.image(image).await, Err(EngineError::ImageMissing(_)))
}
