//! Looking after all images together: their tree, cleaning up, verifying.

use super::body::Json as Body;
use super::front::Front;
use super::guard::Caller;
use super::mask::{self, Values};
use super::problem::{Answer, Failure};
use super::task;
use access::Permission;
use axum::Json;
use axum::extract::{Extension, State};
use axum::http::StatusCode;
use engine::{PruneRules, Template};
use model::image::{Digest, Reference};
use shared::layer::{Leaf, Node, Prune, Pruned, PrunedCache, PrunedItem, Template as AskedTemplate, Tree};
use shared::task::Task;
use std::time::Duration;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub(super) fn routes() -> OpenApiRouter<Front> {
    OpenApiRouter::new()
        .routes(routes!(tree))
        .routes(routes!(prune))
        .routes(routes!(verify))
        .routes(routes!(template))
}

/// Lists the layers of all images, each once, parents before children.
#[utoipa::path(get, path = "/images/tree", tag = "images", responses((status = 200, body = Tree)))]
async fn tree(State(front): State<Front>, Extension(caller): Extension<Caller>) -> Answer<Json<Tree>> {
    let hidden = if mask::sees_values(&caller) {
        None
    } else {
        let images = front.engine.images().await?.items;
        Some(Values::of_variables(images.iter().flat_map(|image| &image.config.env)))
    };
    let nodes = front.engine.layer_tree().await?.into_iter().map(|node| Node {
        id: node.chain_id.to_string(),
        parent: node.parent.map(|parent| parent.to_string()),
        instruction: match &hidden {
            Some(values) => values.masked(&node.instruction),
            None => node.instruction,
        },
        size_bytes: node.size_bytes,
        image_count: node.image_count,
        freed_bytes: node.freed_bytes,
        images: node
            .images
            .into_iter()
            .map(|leaf| Leaf {
                id: leaf.id.to_string(),
                tags: leaf.tags.iter().map(Reference::short).collect(),
                containers: leaf.containers,
                freed_bytes: leaf.freed_bytes,
            })
            .collect(),
    });
    Ok(Json(Tree { nodes: nodes.collect() }))
}

/// Removes unused images.
///
/// With `preview`, nothing is removed: the response lists the images and the bytes that would be
/// freed. These are exact unless something changes before the removal.
#[utoipa::path(post, path = "/images/prune", tag = "images", request_body = Prune, responses((status = 200, body = Pruned)))]
async fn prune(State(front): State<Front>, Body(asked): Body<Prune>) -> Answer<Json<Pruned>> {
    let only = asked
        .only
        .map(|ids| ids.iter().map(|id| Digest::parse(id)).collect::<Result<Vec<_>, _>>());
    let rules = PruneRules {
        unused: asked.unused,
        older_than: asked.older_than_seconds.map(Duration::from_secs),
        keep_bytes: asked.keep_bytes,
        only: only
            .transpose()
            .map_err(|error| Failure::mistake("only", error.to_string()))?,
        build_cache: asked.build_cache,
    };
    let pruned = if asked.preview {
        front.engine.preview_prune(&rules, |_| true).await?
    } else {
        front.engine.prune_images(&rules, |_| true).await?
    };
    let items = pruned.images.into_iter().map(|image| PrunedItem {
        name: image
            .tags
            .first()
            .map_or_else(|| image.id.short().to_owned(), Reference::short),
        id: image.id.to_string(),
        size_bytes: image.size_bytes,
        used: image.used.map(|at| at.to_string()),
    });
    Ok(Json(Pruned {
        items: items.collect(),
        freed_bytes: pruned.freed_bytes,
        build_cache: PrunedCache {
            steps: pruned.build_cache.steps as u64,
            freed_bytes: pruned.build_cache.freed_bytes,
        },
    }))
}

/// Verifies the digests of all stored content and repairs what is damaged, as a task.
///
/// Damaged content is unpacked or pulled again. The task fails with a list of what it could not
/// repair.
#[utoipa::path(post, path = "/images/verify", tag = "images", responses((status = 202, body = Task)))]
async fn verify(State(front): State<Front>, Extension(caller): Extension<Caller>) -> Answer<(StatusCode, Json<Task>)> {
    let id = front.engine.verify_images(Some(caller.owner()));
    let task = front.engine.task(&id)?;
    Ok((StatusCode::ACCEPTED, Json(task::shown(&task))))
}

/// Creates an image from a distribution's packages with `mmdebstrap` or `debootstrap`, as a task.
///
/// The task's log contains the output of that program.
#[utoipa::path(post, path = "/images/templates", tag = "images", request_body = AskedTemplate, responses((status = 202, body = Task)))]
async fn template(
    State(front): State<Front>,
    Extension(caller): Extension<Caller>,
    Body(asked): Body<AskedTemplate>,
) -> Answer<(StatusCode, Json<Task>)> {
    // Scripts of the packages run as the host's root.
    caller.require(Permission::Administer)?;
    let reference = Reference::parse(asked.reference.trim());
    let template = Template {
        distribution: asked.distribution,
        suite: asked.suite,
        packages: asked.packages,
        mirror: asked.mirror.filter(|mirror| !mirror.is_empty()),
        reference: reference.map_err(|error| Failure::mistake("reference", error.to_string()))?,
    };
    let id = front.engine.make_template(template, Some(caller.owner()))?;
    let task = front.engine.task(&id)?;
    Ok((StatusCode::ACCEPTED, Json(task::shown(&task))))
}
