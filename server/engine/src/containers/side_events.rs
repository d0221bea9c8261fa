//! Events of the networks and volumes that a run uses, in the order in which `dockerd` has them:
//! at the start before `start`, at the end before `die`.

use crate::error::EngineError;
use crate::journal::Change;
use model::container::{ContainerId, Spec};
use model::event::{Action, Subject};
use model::mount::{Mount, Source};
use model::network::NetworkMode;

type Attributes = Vec<(String, String)>;

/// Volumes are mounted and the network is connected.
pub(super) async fn begin(change: &mut Change<'_>, id: &ContainerId, spec: &Spec) -> Result<(), EngineError> {
    for (mount, name) in volumes(spec) {
        let mut attributes = volume(id);
        attributes.extend([
            ("destination".to_owned(), mount.target.clone()),
            ("read/write".to_owned(), (!mount.read_only).to_string()),
            ("propagation".to_owned(), String::new()),
        ]);
        change
            .event(Subject::Volume(name.to_owned()), Action::Mount, attributes)
            .await?;
    }
    let (network, attributes) = network(id, spec);
    change.event(network, Action::Connect, attributes).await
}

/// The network is disconnected and volumes are unmounted.
pub(super) async fn end(change: &mut Change<'_>, id: &ContainerId, spec: &Spec) -> Result<(), EngineError> {
    let (network, attributes) = network(id, spec);
    change.event(network, Action::Disconnect, attributes).await?;
    for (_, name) in volumes(spec) {
        change
            .event(Subject::Volume(name.to_owned()), Action::Unmount, volume(id))
            .await?;
    }
    Ok(())
}

fn network(id: &ContainerId, spec: &Spec) -> (Subject, Attributes) {
    let (name, kind) = match spec.network.mode {
        NetworkMode::Bridge => ("bridge", "bridge"),
        NetworkMode::Host => ("host", "host"),
        NetworkMode::None => ("none", "null"),
    };
    let attributes = vec![
        ("name".to_owned(), name.to_owned()),
        ("type".to_owned(), kind.to_owned()),
        ("container".to_owned(), id.as_str().to_owned()),
    ];
    (Subject::Network(name.to_owned()), attributes)
}

fn volume(id: &ContainerId) -> Attributes {
    vec![
        ("driver".to_owned(), "local".to_owned()),
        ("container".to_owned(), id.as_str().to_owned()),
    ]
}

fn volumes(spec: &Spec) -> impl Iterator<Item = (&Mount, &str)> {
    spec.mounts.iter().filter_map(|mount| match &mount.source {
        Source::Volume { name, .. } => Some((mount, name.as_str())),
        Source::Bind { .. } | Source::Tmpfs { .. } => None,
    })
}
