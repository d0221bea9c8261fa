//! What builds of an earlier server left. Their containers are the recovery's.

use crate::engine::Inner;
use crate::error::{Doing as _, EngineError};
use crate::layout::{make_private_dir, remove_dir};
use std::sync::Arc;

/// Builds under way then are lost; their work goes. Caches and logs stay.
pub(crate) async fn sweep(engine: &Arc<Inner>) -> Result<(), EngineError> {
    let mut change = engine.journal.change().await?;
    let lost = store::builds::lose_running(change.db()).await?;
    change.commit(|| {}).await?;
    if lost > 0 {
        tracing::info!(builds = lost, "builds were cut off when the server ended");
    }
    let layout = engine.layout.clone();
    crate::blocking::blocking("remove what builds left", move || {
        let work = layout.build_work();
        remove_dir(&work).doing(|| format!("remove the directory `{}`", work.display()))?;
        for dir in [work, layout.build_logs(), layout.build_caches()] {
            make_private_dir(&dir).doing(|| format!("make the directory `{}`", dir.display()))?;
        }
        Ok(())
    })
    .await
}
