//! What makes one server this one: its locks, its name, its network, its boot.

use crate::blocking::blocking;
use crate::error::{Doing, EngineError};
use crate::layout::{Layout, read_if_there, write_durably, write_whole};
use model::network::Subnet;
use network::Network;
use std::fmt::Write as _;
use std::fs;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::Arc;
use store::Database;
use sys::lock_file::Held;

pub(crate) const SUBNET: &str = "subnet";
const BOOT: &str = "boot_id";

/// Takes both directories for this server alone.
pub(crate) fn lock(layout: &Layout) -> Result<[Held; 2], EngineError> {
    let hold = |path: std::path::PathBuf| {
        let held = sys::lock_file::try_hold(&path).doing(|| format!("lock `{}`", path.display()))?;
        held.ok_or_else(|| {
            let dir = path.parent().unwrap_or(&path).display().to_string();
            EngineError::Conflict(format!(
                "another server has `{dir}`; stop it first, or give this one directories of its own"
            ))
        })
    };
    Ok([hold(layout.lock())?, hold(layout.run.join("server.lock"))?])
}

/// What runs below a run directory belongs to one data directory. A server with another one would
/// take those containers for leftovers and kill them.
pub(crate) fn claim_run_dir(layout: &Layout, name: &str, forget_everything: bool) -> Result<(), EngineError> {
    let path = layout.run.join("instance");
    let kept = read_if_there(&path).doing(|| format!("read `{}`", path.display()))?;
    let other = kept.map(|bytes| String::from_utf8_lossy(&bytes).trim().to_owned());
    match other {
        Some(other) if other == name => return Ok(()),
        Some(other) if !forget_everything && has_entries(&layout.run_containers()) => {
            return Err(EngineError::Conflict(format!(
                "containers of another data directory (instance {other}) run below `{}`: give this server a run \
                 directory of its own with --run-dir, or remove them with `gantry cleanup --instance {other}`",
                layout.run.display()
            )));
        }
        Some(_) | None => {}
    }
    write_whole(&path, format!("{name}\n").as_bytes()).doing(|| format!("write `{}`", path.display()))
}

fn has_entries(dir: &Path) -> bool {
    fs::read_dir(dir).is_ok_and(|mut entries| entries.next().is_some())
}

/// Six random hexadecimal digits, chosen at the first start. They name the bridge,
/// the table and the devices of this server, since two may share a host.
pub(crate) fn name(layout: &Layout) -> Result<String, EngineError> {
    let path = layout.instance();
    let kept = read_if_there(&path).doing(|| format!("read `{}`", path.display()))?;
    if let Some(bytes) = kept {
        let name = String::from_utf8_lossy(&bytes).trim().to_owned();
        if name.len() == 6 && name.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')) {
            return Ok(name);
        }
        return Err(EngineError::Conflict(format!(
            "`{}` holds `{name}` instead of six hexadecimal digits; restore it, it names this server's network",
            path.display()
        )));
    }
    let mut name = String::new();
    for byte in rand::random::<[u8; 3]>() {
        let _ = write!(name, "{byte:02x}");
    }
    write_durably(&path, format!("{name}\n").as_bytes()).doing(|| format!("write `{}`", path.display()))?;
    Ok(name)
}

/// The subnet kept from the first start; an asked one must be the same.
pub(crate) async fn subnet(database: &Database, asked: Option<Subnet>) -> Result<Option<Subnet>, EngineError> {
    let kept = store::settings::find(&mut *database.read().await?, SUBNET).await?;
    let Some(kept) = kept else {
        return Ok(asked);
    };
    let kept = Subnet::parse(&kept).doing(|| "read the subnet kept in the database".to_owned())?;
    match asked {
        Some(asked) if asked != kept => Err(EngineError::Conflict(format!(
            "the subnet {kept} was chosen at the first start and cannot become {asked}: remove all containers and \
             the data directory first, or leave the switch out"
        ))),
        _ => Ok(Some(kept)),
    }
}

pub(crate) async fn keep_subnet(database: &Database, subnet: Subnet) -> Result<(), EngineError> {
    set(database, SUBNET, &subnet.to_string()).await
}

pub(crate) async fn open_network(
    instance: &str,
    wanted: Option<Subnet>,
    namespace: Option<Arc<OwnedFd>>,
) -> Result<Network, EngineError> {
    let instance = instance.to_owned();
    blocking("open the network", move || {
        let namespace = namespace
            .map(|namespace| namespace.try_clone())
            .transpose()
            .doing(|| "hold the network".to_owned())?;
        let subnet = match wanted {
            Some(subnet) => {
                refuse_overlap(namespace.as_ref(), &instance, subnet)?;
                subnet
            }
            None => network::free_subnet(namespace.as_ref())
                .doing(|| "look for a free subnet".to_owned())?
                .ok_or_else(|| {
                    EngineError::Conflict(
                        "none of the subnets 10.88.0.0/16 to 10.127.0.0/16 is free; choose one with --subnet"
                            .to_owned(),
                    )
                })?,
        };
        Network::open(network::Options {
            instance,
            subnet,
            namespace,
        })
        .doing(|| "open the network".to_owned())
    })
    .await
}

/// The bridge's route would win or lose against the host's: either way somebody cannot be
/// reached any more, and nothing says why.
fn refuse_overlap(namespace: Option<&OwnedFd>, instance: &str, subnet: Subnet) -> Result<(), EngineError> {
    let found = network::overlap(namespace, instance, subnet).doing(|| "read the host's routes".to_owned())?;
    match found {
        None => Ok(()),
        Some(what) => Err(EngineError::Conflict(format!(
            "the subnet {subnet} for containers overlaps {what}; choose another with --subnet at the first start, or \
             remove that address or route (`gantry cleanup` removes what a server left that is gone)"
        ))),
    }
}

/// Which boot of the host this is, and whether the last server saw the same.
pub(crate) struct Boot {
    id: String,
    pub(crate) is_same: bool,
}

pub(crate) async fn boot(database: &Database) -> Result<Boot, EngineError> {
    let id = fs::read_to_string("/proc/sys/kernel/random/boot_id")
        .doing(|| "read which boot of the host this is".to_owned())?;
    let id = id.trim().to_owned();
    let kept = store::settings::find(&mut *database.read().await?, BOOT).await?;
    Ok(Boot {
        is_same: kept.as_ref() == Some(&id),
        id,
    })
}

impl Boot {
    /// Once everything was recovered: not before, or a server that dies meanwhile
    /// leaves its successor to think that nothing happened.
    pub(crate) async fn keep(&self, database: &Database) -> Result<(), EngineError> {
        set(database, BOOT, &self.id).await
    }
}

pub(crate) async fn set(database: &Database, key: &str, value: &str) -> Result<(), EngineError> {
    // A start on a full disk writes nothing that is there.
    if store::settings::find(&mut *database.read().await?, key)
        .await?
        .as_deref()
        == Some(value)
    {
        return Ok(());
    }
    let mut transaction = database.begin().await?;
    store::settings::set(&mut transaction, key, value).await?;
    transaction.commit().await.map_err(store::StoreError::from)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layout(dir: &tempfile::TempDir) -> Layout {
        Layout::make(&dir.path().join("data"), &dir.path().join("run")).unwrap()
    }

    #[test]
    fn the_name_is_chosen_once() {
        let dir = tempfile::tempdir().unwrap();
        let first = name(&layout(&dir)).unwrap();
        assert_eq!(first.len(), 6);
        assert_eq!(name(&layout(&dir)).unwrap(), first);
    }

    #[test]
    fn a_second_server_is_told_and_the_first_unharmed() {
        let dir = tempfile::tempdir().unwrap();
        let held = lock(&layout(&dir)).unwrap();
        let error = lock(&layout(&dir)).unwrap_err();
        assert!(error.to_string().contains("another server has"), "{error}");
        drop(held);
        lock(&layout(&dir)).unwrap();
    }

    #[test]
    fn a_run_directory_with_containers_of_another_data_directory_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let layout = layout(&dir);
        claim_run_dir(&layout, "aaaaaa", false).unwrap();
        claim_run_dir(&layout, "bbbbbb", false).unwrap();
        fs::create_dir(layout.run_containers().join("0".repeat(64))).unwrap();
        claim_run_dir(&layout, "bbbbbb", false).unwrap();
        let error = claim_run_dir(&layout, "aaaaaa", false).unwrap_err();
        assert!(error.to_string().contains("instance bbbbbb"), "{error}");
        claim_run_dir(&layout, "aaaaaa", true).unwrap();
    }

    #[tokio::test]
    async fn the_subnet_of_the_first_start_stays() {
        let dir = tempfile::tempdir().unwrap();
        let database = Database::open(&dir.path().join("db")).await.unwrap();
        let first = Subnet::parse("10.99.0.0/16").unwrap();
        assert_eq!(subnet(&database, Some(first)).await.unwrap(), Some(first));
        keep_subnet(&database, first).await.unwrap();
        assert_eq!(subnet(&database, None).await.unwrap(), Some(first));
        let other = Subnet::parse("10.98.0.0/16").unwrap();
        assert!(subnet(&database, Some(other)).await.is_err());
    }
}
