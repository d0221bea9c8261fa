//! Small values of the engine in the words of the API.

use engine::Engine;
use model::container::limits::Ceiling;
use model::container::{ContainerId, StoppedBy as Actor};
use shared::container::{StoppedBy, StoppedByKind};
use shared::image::UsedBy;
use shared::list::List;
use shared::session::Role;

pub(super) fn role(role: access::Role) -> Role {
    match role {
        access::Role::Viewer => Role::Viewer,
        access::Role::Operator => Role::Operator,
        access::Role::Admin => Role::Admin,
    }
}

pub(super) fn role_asked(role: Role) -> access::Role {
    match role {
        Role::Viewer => access::Role::Viewer,
        Role::Operator => access::Role::Operator,
        Role::Admin => access::Role::Admin,
    }
}

pub(super) fn stopped_by(by: &Actor) -> StoppedBy {
    let (kind, name) = match by {
        Actor::User(name) => (StoppedByKind::User, Some(name.clone())),
        Actor::DockerClient => (StoppedByKind::DockerClient, None),
        Actor::Server => (StoppedByKind::Server, None),
        Actor::Unknown => (StoppedByKind::Unknown, None),
    };
    StoppedBy { kind, name }
}

/// A list that is answered in one part.
pub(super) fn whole_list<T>(items: Vec<T>, seq: u64) -> List<T> {
    List { items, next: None, seq }
}

/// A ceiling that is there.
pub(super) fn ceiling(ceiling: Option<Ceiling>) -> Option<u64> {
    match ceiling {
        Some(Ceiling::At(amount)) => Some(amount),
        Some(Ceiling::Unlimited) | None => None,
    }
}

/// The containers made from an image, or that use a volume.
pub(super) fn used_by(engine: &Engine, containers: &[ContainerId]) -> Vec<UsedBy> {
    containers
        .iter()
        .filter_map(|id| engine.inspect(id).ok())
        .map(|container| UsedBy {
            id: container.id.to_string(),
            name: container.spec.name.as_str().to_owned(),
            running: container.is_running(),
        })
        .collect()
}
