//! Creating: a request becomes a row and directories, or every mistake at once.

use crate::blocking::blocking;
use crate::clock;
use crate::containers::keeper::Keeper;
use crate::containers::merge::{FromImage, merge, mistakes};
use crate::containers::new::{Created, NewContainer};
use crate::containers::system;
use crate::engine::Inner;
use crate::error::{Doing, EngineError, Mistake};
use cgroup::Controller;
use model::container::limits::Ceiling;
use model::container::spec::ImageChoice;
use model::container::{ContainerId, ContainerName, Limits, Spec, State};
use model::event::{Action, Subject};
use model::mount::Source;
use std::sync::Arc;
use store::containers::{ContainerRecord, Phase};

/// Names are made up this often before a taken one is told.
const NAME_ATTEMPTS: u32 = 20;

pub(crate) async fn create(engine: &Arc<Inner>, new: NewContainer) -> Result<Created, EngineError> {
    blocking("check the free space of the data directory", {
        let engine = engine.clone();
        move || engine.require_room()
    })
    .await?;
    let lease = engine.leases.hold().await;
    let image = image_of(engine, &new.image).await?;
    let wanted_name = new.name.clone();
    let asked_for_init = new.init;
    let mut spec = complete(engine, new, wanted_name.clone(), image).await?;
    let found = judge(engine, &spec).await?;
    if !found.is_empty() {
        return Err(EngineError::Invalid(found));
    }
    let id = ContainerId::from_random(rand::random());
    let mut warnings = warnings(asked_for_init, &spec);
    warnings.extend(drop_limits(engine, &mut spec));
    let record = insert(engine, id.clone(), spec, wanted_name.is_none()).await?;
    drop(lease);
    let dirs = engine.layout.container(&id);
    let made = blocking("make a container's directories", {
        let dirs = dirs.clone();
        move || {
            dirs.make()
                .doing(|| format!("make the directory `{}`", dirs.dir.display()))
        }
    })
    .await;
    let ready = match made {
        Ok(()) => match super::description::write(engine, &record).await {
            Ok(()) => show(engine, record).await,
            Err(error) => Err(error),
        },
        Err(error) => Err(error),
    };
    if let Err(error) = ready {
        unmake(engine, &id).await;
        return Err(error);
    }
    Ok(Created { id, warnings })
}

/// Every mistake [`create`] would refuse the request for.
pub(crate) async fn dry_run(engine: &Arc<Inner>, new: NewContainer) -> Result<Vec<Mistake>, EngineError> {
    let image = match image_of(engine, &new.image).await {
        Ok(image) => image,
        Err(error @ (EngineError::ImageMissing(_) | EngineError::Ambiguous { .. } | EngineError::Invalid(_))) => {
            return Ok(vec![Mistake {
                field: "image",
                message: error.to_string(),
            }]);
        }
        Err(error) => return Err(error),
    };
    let name = new.name.clone();
    let spec = complete(engine, new, name.clone(), image).await?;
    let mut found = judge(engine, &spec).await?;
    if let Some(name) = name
        && let Some(holder) = store::containers::find_by_name(&mut *engine.database().read().await?, &name).await?
    {
        found.push(Mistake {
            field: "name",
            message: format!("name `{name}` is taken by container {}", holder.short()),
        });
    }
    Ok(found)
}

async fn image_of(engine: &Arc<Inner>, text: &str) -> Result<FromImage, EngineError> {
    let image = engine.find_image(text).await?;
    let config = engine.image_config(&image.id).await?;
    Ok(FromImage {
        choice: ImageChoice {
            reference: image.reference,
            id: image.id,
        },
        config,
    })
}

async fn complete(
    engine: &Inner,
    new: NewContainer,
    name: Option<ContainerName>,
    image: FromImage,
) -> Result<Spec, EngineError> {
    let name = name.unwrap_or_else(|| ContainerName::suggest(rand::random()));
    let anonymous = || ContainerId::from_random(rand::random()).as_str().to_owned();
    let mut spec = merge(new, name, image, anonymous);
    limit_processes(engine, &mut spec.limits);
    if spec.system && spec.stop_signal.is_none() {
        spec.stop_signal = Some(system::halt_signal(engine, &spec).await?);
    }
    Ok(spec)
}

/// Gives the server's limit on processes to what does not say how many it may have, on hosts
/// that can keep it.
pub(crate) fn limit_processes(engine: &Inner, limits: &mut Limits) {
    if limits.pids.is_none() && engine.hierarchies.layout().version_of(Controller::Pids).is_some() {
        limits.pids = engine.options.pids_limit.map(Ceiling::At);
    }
}

/// Where the server was given no control groups, containers run without limits.
fn drop_limits(engine: &Inner, spec: &mut Spec) -> Option<String> {
    let none = Limits::default();
    if engine.hierarchies.layout().name() != "none" || spec.limits == none {
        return None;
    }
    spec.limits = none;
    Some(
        "no limits are kept: this server was given no control groups; start it as a service of the user's systemd with \
         `Delegate=yes`, on a host with cgroup v2"
            .to_owned(),
    )
}

fn warnings(asked_for_init: bool, spec: &Spec) -> Vec<String> {
    if asked_for_init && spec.system {
        return vec!["the command is the init of a whole system: none is put in front of it".to_owned()];
    }
    Vec::new()
}

/// Mistakes of the spec itself, and those only this host can tell.
async fn judge(engine: &Arc<Inner>, spec: &Spec) -> Result<Vec<Mistake>, EngineError> {
    let mut found = mistakes(spec, engine.host_size);
    if let Some(message) = engine.ids.mistake(spec) {
        found.push(Mistake {
            field: "user_namespace",
            message,
        });
    }
    let security = &spec.security;
    let of_security = bundle::capabilities(security)
        .map(drop)
        .and_then(|()| bundle::seccomp::for_container(security, &sys::host::name().release).map(drop));
    if let Err(error) = of_security {
        found.push(Mistake {
            field: "security",
            message: error.to_string(),
        });
    }
    let spec = spec.clone();
    let of_host = blocking("look for what a container mounts", move || {
        let mut found = Vec::new();
        for mount in &spec.mounts {
            if let Source::Bind {
                path, create: false, ..
            } = &mount.source
                && !std::path::Path::new(path).exists()
            {
                found.push(Mistake {
                    field: "mounts",
                    message: format!("bind source `{path}` does not exist"),
                });
            }
        }
        for device in &spec.devices {
            if !std::path::Path::new(&device.host_path).exists() {
                found.push(Mistake {
                    field: "devices",
                    message: format!("device `{}` does not exist", device.host_path),
                });
            }
        }
        Ok(found)
    })
    .await?;
    found.extend(of_host);
    Ok(found)
}

/// The row in its first phase. A made-up name that is taken is made up anew.
async fn insert(
    engine: &Arc<Inner>,
    id: ContainerId,
    spec: Spec,
    made_up: bool,
) -> Result<ContainerRecord, EngineError> {
    let mut record = ContainerRecord {
        id,
        spec,
        created: clock::now(),
        phase: Phase::Making,
        state: State::Created,
        run: 0,
        restart_count: 0,
        restart_delay: None,
        stopped_by_hand: false,
        stopped_by: None,
        ids: None,
        endpoint: None,
        ports: Vec::new(),
    };
    let mut attempt = 0;
    loop {
        attempt += 1;
        let mut change = engine.journal.change().await?;
        let taken = store::containers::list_ids(change.db()).await?;
        record.ids = engine.ids.choose(record.spec.security.users, &taken)?;
        match store::containers::insert(change.db(), &record).await {
            Ok(()) => {
                change.commit(|| {}).await?;
                return Ok(record);
            }
            Err(store::StoreError::Taken { .. }) if made_up && attempt < NAME_ATTEMPTS => {
                record.spec.name = ContainerName::suggest(rand::random());
            }
            Err(error) => return Err(error.into()),
        }
    }
}

/// Complete: everyone may see it from here on.
async fn show(engine: &Arc<Inner>, mut record: ContainerRecord) -> Result<(), EngineError> {
    let mut change = engine.journal.change().await?;
    record.phase = Phase::Ready;
    store::containers::update(change.db(), &record).await?;
    let subject = Subject::Container(record.id.as_str().to_owned());
    let facts = super::keeper::with_facts(&record, Vec::new());
    change.event(subject, Action::Create, facts).await?;
    change
        .commit(|| {
            let id = record.id.clone();
            let (keeper, handle) = Keeper::new(engine.clone(), record);
            engine.containers.insert(id, handle);
            engine.tracker.spawn(keeper.keep());
        })
        .await
}

/// Takes back a half made container; what cannot be is left to the next start.
async fn unmake(engine: &Arc<Inner>, id: &ContainerId) {
    let dirs = engine.layout.container(id);
    let removed = blocking("remove a container's directories", move || {
        dirs.remove()
            .doing(|| format!("remove the directory `{}`", dirs.dir.display()))
    })
    .await;
    let forgotten = async {
        let mut change = engine.journal.change().await?;
        store::containers::remove(change.db(), id).await?;
        change.commit(|| {}).await
    };
    for outcome in [removed, forgotten.await] {
        if let Err(error) = outcome {
            tracing::error!(container = id.short(), %error, "cannot take back a half made container");
        }
    }
}
