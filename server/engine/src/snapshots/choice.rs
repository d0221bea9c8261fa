//! Which way a data directory has: tried and chosen at the first start, and kept, since
//! what containers have written lies there in its form.

use crate::error::EngineError;
use crate::instance;
use model::Snapshotter;
use model::snapshotter::{Choice, Wish};
use std::path::Path;
use store::Database;

const SETTING: &str = "snapshotter";

/// # Errors
/// What is asked for does not serve here, or is another than containers have; none serves.
pub(crate) async fn choose(database: &Database, wish: Wish, data: &Path) -> Result<Choice, EngineError> {
    let kept = kept(database).await?;
    let has_containers = !store::containers::list(&mut *database.read().await?).await?.is_empty();
    let choice = match (wish, kept) {
        (Wish::Only(asked), Some(kept)) if asked != kept && has_containers => {
            return Err(EngineError::Conflict(format!(
                "the containers in `{}` have their files by the snapshotter `{kept}`, so it cannot become `{asked}`: \
                 remove them first, or leave the switch out",
                data.display()
            )));
        }
        (Wish::Only(asked), kept) => {
            try_in(asked, data).map_err(|error| {
                EngineError::Conflict(format!(
                    "the snapshotter `{asked}` does not serve in `{}`: {error}; leave the switch out, or choose \
                     another data directory",
                    data.display()
                ))
            })?;
            let why = match kept {
                Some(kept) if kept == asked => "it was asked for, and the data directory has it",
                _ => "it was asked for",
            };
            Choice {
                snapshotter: asked,
                why: why.to_owned(),
            }
        }
        (Wish::Auto, Some(kept)) => Choice {
            snapshotter: kept,
            why: "it was chosen at the first start of this data directory".to_owned(),
        },
        // Made before there was a choice.
        (Wish::Auto, None) if has_containers => Choice {
            snapshotter: Snapshotter::Overlay,
            why: "containers were there that have it".to_owned(),
        },
        (Wish::Auto, None) => model::snapshotter::choose(|one| try_in(one, data)).map_err(|error| {
            EngineError::Conflict(format!(
                "containers cannot have files in `{}`: {error}; choose a directory on another file system with \
                 --data-dir",
                data.display()
            ))
        })?,
    };
    if kept != Some(choice.snapshotter) {
        instance::set(database, SETTING, choice.snapshotter.name()).await?;
        tracing::info!(snapshotter = %choice.snapshotter, why = choice.why, "containers get files of their own");
    }
    Ok(choice)
}

async fn kept(database: &Database) -> Result<Option<Snapshotter>, EngineError> {
    let kept = store::settings::find(&mut *database.read().await?, SETTING).await?;
    match kept.as_deref().map(Wish::parse) {
        None => Ok(None),
        Some(Ok(Wish::Only(kept))) => Ok(Some(kept)),
        Some(_) => Err(EngineError::Conflict(format!(
            "the database names the snapshotter `{}`, which this version does not know",
            kept.unwrap_or_default()
        ))),
    }
}

/// Says what stands against it.
fn try_in(one: Snapshotter, data: &Path) -> Result<(), String> {
    let tried = match one {
        Snapshotter::Overlay => sys::storage_trial::overlay(data),
        Snapshotter::Btrfs => sys::storage_trial::btrfs(data),
        Snapshotter::Copy => sys::storage_trial::plain(data),
    };
    tried.map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_was_chosen_stays_until_another_is_asked_for() {
        let dir = tempfile::tempdir().unwrap();
        let database = Database::open(&dir.path().join("db")).await.unwrap();
        let asked = Wish::Only(Snapshotter::Copy);
        let first = choose(&database, asked, dir.path()).await.unwrap();
        assert_eq!(first.snapshotter, Snapshotter::Copy);
        let later = choose(&database, Wish::Auto, dir.path()).await.unwrap();
        assert_eq!(later.snapshotter, Snapshotter::Copy);
        assert!(later.why.contains("first start"), "{}", later.why);
    }

    #[tokio::test]
    async fn what_does_not_serve_is_refused_with_the_reason() {
        let dir = tempfile::tempdir().unwrap();
        let database = Database::open(&dir.path().join("db")).await.unwrap();
        if sys::btrfs::is_btrfs(dir.path()).unwrap() {
            println!("skipped: the temporary directory lies on btrfs");
            return;
        }
        let asked = Wish::Only(Snapshotter::Btrfs);
        let error = choose(&database, asked, dir.path()).await.unwrap_err().to_string();
        assert!(
            error.contains("btrfs") && error.contains("does not lie on btrfs"),
            "{error}"
        );
    }
}
