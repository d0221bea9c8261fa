//! The end of a build: configuration, image, names.

use super::failure::Failure;
use super::settings;
use super::stage::{Ground, StageEnd};
use crate::blocking::blocking;
use crate::tasks::LoadedImage;
use model::event::Action;

/// Makes the image of the last stage and gives it its names.
pub(super) async fn image(ground: &Ground, end: &StageEnd) -> Result<LoadedImage, Failure> {
    let mut document = end.document.clone();
    let mut of_stage = end.state.settings.clone();
    of_stage.labels.extend(ground.request.labels.clone());
    settings::write(&of_stage, &mut document);
    document.created = ground.epoch().or(end.created).map(|at| at.to_string());
    let (engine, layers) = (ground.engine.clone(), end.layers.clone());
    let image = blocking("make an image", move || {
        Ok(engine.images.commit_image(&document, &layers))
    });
    let image = image.await??;
    let bytes = image.layers.iter().map(|layer| layer.unpacked_bytes).sum();
    ground.board.change(|build| build.size_bytes = Some(bytes));
    let names = ground.request.tags.clone();
    Ok(ground.engine.record_image(image, names, Action::Build).await?)
}
