//! Images that were brought just before the host went down.
//!
//! An image is told of before all of it is on the disk for sure. When the host goes down
//! in those seconds, what of it may be missing is removed by the store, and here its row:
//! an image that is listed is whole.

use super::kept;
use crate::blocking::blocking;
use crate::engine::Inner;
use crate::error::EngineError;
use model::event::{Action, Subject};
use std::sync::Arc;

/// Called once after the host was started, before anything uses images.
pub(crate) async fn forget_lost(engine: &Arc<Inner>) -> Result<(), EngineError> {
    let rows = store::images::list_all(&mut *engine.database().read().await?).await?;
    let lost = blocking("look for lost images", {
        let engine = engine.clone();
        move || {
            let all = rows.into_iter().filter(|row| !engine.images.has(&kept(row.clone())));
            Ok(all.collect::<Vec<_>>())
        }
    })
    .await?;
    for row in lost {
        let tags = store::tags::list_of_image(&mut *engine.database().read().await?, &row.id).await?;
        let names: Vec<String> = tags.iter().map(model::image::Reference::short).collect();
        tracing::warn!(
            image = row.id.short(),
            names = names.join(", "),
            "the host went down before this image was on the disk: it is gone, bring it again"
        );
        let mut change = engine.journal.change().await?;
        store::images::remove(change.db(), &row.id).await?;
        let facts = vec![
            ("name".to_owned(), names.join(", ")),
            (
                "reason".to_owned(),
                "the host went down before it was on the disk".to_owned(),
            ),
        ];
        change
            .event(Subject::Image(row.id.to_string()), Action::Delete, facts)
            .await?;
        change.commit(|| {}).await?;
    }
    Ok(())
}
