//! `gantry rebuild`: rows of a lost database are made again of what lies beside the containers.

use crate::blocking::blocking;
use crate::clock;
use crate::containers::orphans;
use crate::error::{Doing, EngineError};
use crate::instance;
use crate::layout::Layout;
use model::container::{ContainerId, ContainerName};
use model::mount::is_volume_name;
use model::network::Subnet;
use std::fs;
use std::path::{Path, PathBuf};
use store::Database;
use store::description::Description;

/// One directory of a container that had no row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rebuilt {
    pub id: ContainerId,
    /// The name of its new row, or why there is none.
    pub outcome: Result<String, String>,
}

/// Makes the rows of containers, their images and the volumes that are on the disk and not in
/// the database. What is there stays as it is. Users, tokens, tags and logins are not on the
/// disk anywhere else and stay lost.
///
/// # Errors
/// A server has the directories; the database cannot be opened or written.
pub async fn rebuild(data_dir: &Path, run_dir: &Path) -> Result<Vec<Rebuilt>, EngineError> {
    let (data_dir, run_dir) = (data_dir.to_owned(), run_dir.to_owned());
    let (layout, locks, found) = blocking("look for containers' files", move || {
        let layout = Layout::make(&data_dir, &run_dir)?;
        let locks = instance::lock(&layout)?;
        let mut found = Vec::new();
        for dir in [layout.containers(), layout.orphans()] {
            found.extend(
                orphans::of_containers(&dir)
                    .into_iter()
                    .map(|id| (id.clone(), dir.join(id.as_str()))),
            );
        }
        Ok((layout, locks, found))
    })
    .await?;
    let database = Database::open(&layout.database()).await?;
    let mut all = Vec::new();
    for (id, dir) in found {
        if store::containers::find(&mut *database.read().await?, &id)
            .await?
            .is_none()
        {
            let outcome = rebuild_one(&database, &layout, &id, dir).await?;
            all.push(Rebuilt { id, outcome });
        }
    }
    rebuild_volumes(&database, &layout).await?;
    database.close().await;
    drop(locks);
    Ok(all)
}

async fn rebuild_one(
    database: &Database,
    layout: &Layout,
    id: &ContainerId,
    dir: PathBuf,
) -> Result<Result<String, String>, EngineError> {
    let to = layout.container(id).dir;
    let read = blocking("read a container's description", {
        let dir = dir.clone();
        move || Ok(describe(&dir))
    });
    let described = match read.await? {
        Ok(described) if described.record.id == *id => described,
        Ok(_) => return Ok(Err("its description is another container's".to_owned())),
        Err(why) => return Ok(Err(why)),
    };
    if dir != to {
        let moved = blocking("move a container's files back", move || {
            fs::rename(&dir, &to).doing(|| format!("move `{}` to `{}`", dir.display(), to.display()))
        });
        moved.await?;
    }
    let Description { mut record, image } = described;
    let mut transaction = database.begin().await?;
    if store::containers::find_by_name(&mut transaction, &record.spec.name)
        .await?
        .is_some()
    {
        let other = format!("{}-{}", record.spec.name, id.short());
        match ContainerName::parse(&other) {
            Ok(name) => record.spec.name = name,
            Err(error) => return Ok(Err(error.to_string())),
        }
    }
    if let Some(image) = image
        && store::images::find(&mut transaction, &image.id).await?.is_none()
    {
        store::images::put(&mut transaction, &image).await?;
    }
    store::containers::insert(&mut transaction, &record).await?;
    // The bridge of running containers has it.
    if let Some(endpoint) = &record.endpoint
        && let Ok(subnet) = Subnet::parse(&format!("{}/{}", endpoint.gateway, endpoint.prefix))
        && store::settings::find(&mut transaction, instance::SUBNET)
            .await?
            .is_none()
    {
        store::settings::set(&mut transaction, instance::SUBNET, &subnet.to_string()).await?;
    }
    transaction.commit().await.map_err(store::StoreError::from)?;
    Ok(Ok(record.spec.name.as_str().to_owned()))
}

fn describe(dir: &Path) -> Result<Description, String> {
    let path = dir.join("container.json");
    let text = fs::read_to_string(&path).map_err(|error| format!("cannot read `{}`: {error}", path.display()))?;
    store::description::read(&text).map_err(|why| format!("cannot read `{}`: {why}", path.display()))
}

async fn rebuild_volumes(database: &Database, layout: &Layout) -> Result<(), EngineError> {
    let dir = layout.volumes();
    let names = blocking("look for volumes", move || {
        let entries = fs::read_dir(&dir).doing(|| format!("read `{}`", dir.display()))?;
        Ok(entries
            .filter_map(Result::ok)
            .filter_map(|entry| entry.file_name().into_string().ok())
            .filter(|name| is_volume_name(name))
            .collect::<Vec<_>>())
    })
    .await?;
    let mut transaction = database.begin().await?;
    for name in names {
        if store::volumes::find(&mut transaction, &name).await?.is_some() {
            continue;
        }
        let volume = store::volumes::Volume {
            anonymous: ContainerId::parse(&name).is_ok(),
            name,
            created: clock::now(),
            labels: Vec::new(),
        };
        store::volumes::insert(&mut transaction, &volume).await?;
    }
    transaction.commit().await.map_err(store::StoreError::from)?;
    Ok(())
}
