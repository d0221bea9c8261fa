//! The images a build begins with: here, or pulled.

use super::board::Board;
use super::failure::Failure;
use super::request::NewBuild;
use crate::engine::Engine;
use crate::error::{EngineError, Kind};
use crate::tasks::TaskState;
use image::Layer;
use image::document::Document;
use model::image::{Digest, Reference};
use tokio_util::sync::CancellationToken;

/// An image that is here.
#[derive(Debug, Clone)]
pub(super) struct BaseImage {
    pub(super) layers: Vec<Layer>,
    pub(super) document: Document,
}

/// Finds the image, or pulls it where it is not here, is of another platform, or is to
/// be asked for in any case.
pub(super) async fn bring(
    engine: &Engine,
    request: &NewBuild,
    name: &str,
    platform: &image::Platform,
    board: &Board,
    cancel: &CancellationToken,
) -> Result<BaseImage, Failure> {
    let own = *platform == image::Platform::own();
    let here = match engine.inner.find_image(name).await {
        Ok(found) => Some(load(engine, found.id).await?),
        Err(EngineError::ImageMissing(_)) => None,
        Err(EngineError::Invalid(mistakes)) => {
            let said: Vec<String> = mistakes.into_iter().map(|mistake| mistake.message).collect();
            return Err(Failure::mistake(format!(
                "`{name}` is no image's name: {}",
                said.join("; ")
            )));
        }
        Err(error) => return Err(error.into()),
    };
    let fits = |image: &BaseImage| {
        let found = &image.document;
        let variant = found.variant.as_deref().unwrap_or_default();
        found.architecture.is_empty()
            || (found.os == platform.os
                && found.architecture == platform.architecture
                && (variant.is_empty() || platform.variant.is_empty() || variant == platform.variant))
    };
    let here = here.filter(fits);
    // What is named by its content is never newer elsewhere.
    let fixed =
        Digest::parse(name).is_ok() || Reference::parse(name).is_ok_and(|reference| reference.digest().is_some());
    if let Some(image) = here
        && (!request.pull || fixed)
    {
        return Ok(image);
    }
    let reference = Reference::parse(name).map_err(|error| Failure::mistake(error.to_string()))?;
    board.note(None, format!("pulling {}", reference.short()));
    let login = request.logins.get(reference.registry()).cloned();
    let text = platform.to_string();
    let asked = (!own).then_some(text.as_str());
    let task = engine.pull(reference.clone(), login, asked, request.owner.clone())?;
    let over = tokio::select! {
        () = cancel.cancelled() => return Err(Failure::Cancelled),
        over = engine.finish_task(&task) => over?,
    };
    match over.state {
        TaskState::Done { images } => match images.first() {
            Some(image) => Ok(load(engine, image.id.clone()).await?),
            None => Err(Failure::Engine(EngineError::ImageMissing(name.to_owned()))),
        },
        TaskState::Failed { kind, reason } => Err(Failure::Engine(EngineError::Build {
            kind: if kind == Kind::Unauthorized {
                Kind::NotFound
            } else {
                kind
            },
            reason,
            code: None,
        })),
        TaskState::Cancelled | TaskState::Running => Err(Failure::Cancelled),
    }
}

async fn load(engine: &Engine, id: Digest) -> Result<BaseImage, EngineError> {
    let inner = engine.inner.clone();
    let row = store::images::find(&mut *inner.database().read().await?, &id).await?;
    let row = row.ok_or_else(|| EngineError::ImageMissing(id.to_string()))?;
    let document = crate::blocking::blocking("read an image's configuration", move || {
        use crate::error::Doing as _;
        let document = inner.images.document(&id);
        document.doing(|| format!("read the configuration of image {}", id.short()))
    });
    Ok(BaseImage {
        document: document.await?,
        layers: crate::images::kept(row).layers,
    })
}
