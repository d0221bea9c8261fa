//! Files of containers that the database does not know. They are somebody's data, and a database
//! can be lost: they are never deleted. Only what a build step left is.

use crate::blocking::blocking;
use crate::engine::Inner;
use crate::error::{Doing, EngineError};
use crate::layout::{Layout, make_private_dir, remove_dir};
use model::container::ContainerId;
use std::collections::HashSet;
use std::fs;
use std::path::Path;
use store::Database;

/// Refuses to go on with a database that has lost its containers: everything that follows
/// believes it.
pub(crate) async fn refuse_if_forgotten(
    database: &Database,
    layout: &Layout,
    forget_everything: bool,
) -> Result<(), EngineError> {
    if forget_everything || !store::containers::list(&mut *database.read().await?).await?.is_empty() {
        return Ok(());
    }
    let containers = layout.containers();
    let found = blocking("look for containers' files", move || {
        Ok(of_containers(&containers).len())
    })
    .await?;
    if found == 0 {
        return Ok(());
    }
    Err(EngineError::Conflict(format!(
        "the database `{}` has no container, but `{}` has the files of {found}: restore the database from a backup, or \
         make its rows again with `gantry rebuild`, or start with --forget-everything, which moves those files to `{}`",
        layout.database().display(),
        layout.containers().display(),
        layout.orphans().display(),
    )))
}

/// The ids of directories in `dir` that are a container's. A build step's has neither file.
pub(crate) fn of_containers(dir: &Path) -> Vec<ContainerId> {
    let all = dirs(dir, &HashSet::new());
    all.into_iter()
        .filter(|id| is_containers(&dir.join(id.as_str())))
        .collect()
}

fn is_containers(dir: &Path) -> bool {
    ["container.json", "config.json"]
        .iter()
        .any(|name| dir.join(name).exists())
}

/// Directories named by an id that is not known. Others are not ours.
pub(super) fn dirs(dir: &Path, known: &HashSet<ContainerId>) -> Vec<ContainerId> {
    let Ok(entries) = fs::read_dir(dir) else {
        return Vec::new();
    };
    entries
        .filter_map(Result::ok)
        .filter_map(|entry| ContainerId::parse(entry.file_name().to_str()?).ok())
        .filter(|id| !known.contains(id))
        .collect()
}

/// Moves the files of unknown containers aside and removes what build steps left. Each is
/// tried, each failure logged.
pub(super) async fn set_aside(engine: &Inner, known: &HashSet<ContainerId>) {
    let (layout, known) = (engine.layout.clone(), known.clone());
    let moved = blocking("move files of unknown containers aside", move || {
        let mut moved = Vec::new();
        for id in dirs(&layout.containers(), &known) {
            let dir = layout.containers().join(id.as_str());
            let outcome = if is_containers(&dir) {
                let outcome = move_aside(&layout, &id);
                moved.extend(outcome.is_ok().then(|| id.clone()));
                outcome
            } else {
                tracing::info!(
                    container = id.short(),
                    "removing the directory of a build step that was cut off"
                );
                remove_dir(&dir).doing(|| format!("remove `{}`", dir.display()))
            };
            if let Err(error) = outcome {
                tracing::error!(container = id.short(), %error, "the directory of an unknown container stays");
            }
        }
        Ok(moved)
    })
    .await;
    for id in moved.unwrap_or_default() {
        if let Err(error) = keep_image(engine, &id).await {
            tracing::warn!(container = id.short(), %error, "the image of an unknown container is not kept");
        }
    }
}

fn move_aside(layout: &Layout, id: &ContainerId) -> Result<(), EngineError> {
    let (from, orphans) = (layout.containers().join(id.as_str()), layout.orphans());
    let to = orphans.join(id.as_str());
    make_private_dir(&orphans)
        .and_then(|()| fs::rename(&from, &to))
        .doing(|| format!("move `{}` to `{}`", from.display(), to.display()))?;
    tracing::warn!(
        container = id.short(),
        "the database does not know this container; its files are in `{}` now, and `gantry rebuild` brings it back",
        to.display()
    );
    Ok(())
}

/// Its layers would be collected as nobody's otherwise, and the files are of no use without.
async fn keep_image(engine: &Inner, id: &ContainerId) -> Result<(), EngineError> {
    let path = engine.layout.orphans().join(id.as_str()).join("container.json");
    let text = blocking("read a container's description", move || {
        fs::read_to_string(&path).doing(|| format!("read `{}`", path.display()))
    })
    .await?;
    let described = store::description::read(&text).map_err(|why| {
        EngineError::Conflict(format!(
            "the description of container {} cannot be read: {why}",
            id.short()
        ))
    })?;
    let Some(image) = described.image else { return Ok(()) };
    let mut change = engine.journal.change().await?;
    if store::images::find(change.db(), &image.id).await?.is_none() {
        store::images::put(change.db(), &image).await?;
    }
    change.commit(|| {}).await
}
