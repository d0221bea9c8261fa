//! Small values of the engine in the words of the API.

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

/// A list that is answered in one part.
pub(super) fn whole_list<T>(items: Vec<T>, seq: u64) -> List<T> {
    List { items, next: None, seq }
}
