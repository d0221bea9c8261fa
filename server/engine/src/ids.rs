//! Which ids of the host the users of containers are: what the server does with those
//! that say nothing, and the ranges that containers have of their own.
//!
//! A container's ids are chosen when it is created and kept in its row. What lies on the
//! disk, layers and volumes, belongs to the ids of the inside and is seen through mapped
//! mounts; so it does not matter to a volume which container has it. Where the kernel has
//! no such mounts, layers are copied once for each container and given to its ids.

use crate::error::{Doing, EngineError};
use model::container::spec::NamespaceMode;
use model::container::{HostIds, Spec, UserNamespace, UserNamespaces};
use model::network::NetworkMode;
use std::path::Path;
use sys::subordinate_ids::{self, Run};

/// As many as images may use: ids of 16 bits.
const COUNT: u32 = 65_536;
/// Where ranges for single containers come from, unless `/etc/subuid` gives some to this
/// user.
const POOL_USER: &str = "gantry";
/// Above what distributions, `useradd` and systemd give out, and below the ids that some
/// programs take for negative numbers.
const POOL: Run = Run {
    first: 0x7000_0000,
    count: 0x0fff_0000,
};

/// How this server chooses ids.
#[derive(Debug)]
pub(crate) struct Ids {
    setting: UserNamespaces,
    /// What all containers share that say nothing.
    shared: Option<HostIds>,
    /// Users and groups that ranges are cut from; `None` in a server that has not the
    /// host's ids itself.
    pool: Option<(Run, Run)>,
    /// Whether files below the data directory, overlays included, can be seen with mapped
    /// ids.
    can_map: bool,
}

impl Ids {
    /// Looks up what the setting names, and tries what the data directory's file system can.
    pub(crate) fn settle(setting: &UserNamespaces, data: &Path, by_overlays: bool) -> Result<Self, EngineError> {
        let is_initial = sys::user_namespace::is_initial();
        if !is_initial && *setting != UserNamespaces::Off {
            return Err(EngineError::Conflict(format!(
                "user namespaces are set to `{setting}`, but this server is in one itself, and its containers with \
                 it; leave the setting out"
            )));
        }
        let shared = match setting {
            UserNamespaces::Off | UserNamespaces::Auto => None,
            UserNamespaces::OfUser(name) => Some(of_user(name)?),
            UserNamespaces::Range { first, count } => Some(HostIds {
                first_user: *first,
                first_group: *first,
                count: *count,
                shared: true,
            }),
        };
        let can_map = is_initial && (!by_overlays || maps_overlays()) && sys::mount::can_map_ids(data).is_ok();
        if !can_map && is_initial && *setting != UserNamespaces::Off {
            tracing::warn!(
                data_dir = %data.display(),
                "files there cannot be seen with mapped ids: each container in a user namespace gets a copy of its image"
            );
        }
        Ok(Self {
            setting: setting.clone(),
            shared,
            pool: if is_initial { Some(pool()?) } else { None },
            can_map,
        })
    }

    pub(crate) fn setting(&self) -> &UserNamespaces {
        &self.setting
    }

    pub(crate) fn can_map(&self) -> bool {
        self.can_map
    }

    /// Whether a container is to have a user namespace of its own.
    pub(crate) fn wants_some(&self, choice: UserNamespace) -> bool {
        match choice {
            UserNamespace::Host => false,
            UserNamespace::Own => true,
            UserNamespace::Server => self.setting != UserNamespaces::Off,
        }
    }

    /// The ids of a new container, beside those that others have.
    pub(crate) fn choose(&self, choice: UserNamespace, taken: &[HostIds]) -> Result<Option<HostIds>, EngineError> {
        if !self.wants_some(choice) {
            return Ok(None);
        }
        if choice == UserNamespace::Server
            && let Some(shared) = self.shared
        {
            return Ok(Some(shared));
        }
        let Some((users, groups)) = self.pool else {
            return Err(EngineError::invalid("user_namespace", NO_POOL));
        };
        let places = users.count.min(groups.count) / COUNT;
        let free = (0..places)
            .map(|place| HostIds {
                first_user: users.first + place * COUNT,
                first_group: groups.first + place * COUNT,
                count: COUNT,
                shared: false,
            })
            .filter(|ids| self.shared.is_none_or(|shared| !ids.meets(shared)))
            .find(|ids| !taken.iter().any(|other| ids.meets(*other)));
        free.map(Some).ok_or_else(|| {
            EngineError::Conflict(format!(
                "none of the {places} ranges of ids for containers is free; remove containers that are not needed"
            ))
        })
    }

    /// What a spec asks for that cannot be in a user namespace.
    pub(crate) fn mistake(&self, spec: &Spec) -> Option<String> {
        let security = &spec.security;
        if !self.wants_some(security.users) {
            return None;
        }
        if self.pool.is_none() {
            return Some(NO_POOL.to_owned());
        }
        let shared = |mode: NamespaceMode| mode == NamespaceMode::Host;
        let what = if security.privileged {
            "a privileged container has all rights over the host, which one in a user namespace cannot have"
        } else if shared(security.pid) {
            "the host's processes cannot be shared by a container in a user namespace"
        } else if shared(security.ipc) || shared(security.uts) || shared(security.cgroup) {
            "the host's IPC, UTS and cgroup namespaces cannot be shared by a container in a user namespace"
        } else if spec.network.mode == NetworkMode::Host {
            "the host's network cannot be shared by a container in a user namespace"
        } else {
            return None;
        };
        Some(format!("{what}; choose the host's user namespace for it"))
    }
}

const NO_POOL: &str =
    "this server is in a user namespace itself, and its containers with it: there are no ids left to give out";

/// Overlays take layers with mapped ids since Linux 5.19.
fn maps_overlays() -> bool {
    let release = sys::host::name().release;
    let mut numbers = release
        .split(|c: char| !c.is_ascii_digit())
        .map(|part| part.parse().ok());
    let version: (u32, u32) = (
        numbers.next().flatten().unwrap_or(0),
        numbers.next().flatten().unwrap_or(0),
    );
    version >= (5, 19)
}

fn of_user(name: &str) -> Result<HostIds, EngineError> {
    let found = subordinate(name)?;
    match (found.users.first(), found.groups.first()) {
        (Some(users), Some(groups)) => Ok(HostIds {
            first_user: users.first,
            first_group: groups.first,
            count: users.count.min(groups.count),
            shared: true,
        }),
        _ => Err(EngineError::Conflict(format!(
            "/etc/subuid and /etc/subgid give no ids to `{name}`; add a line such as `{name}:100000:65536` to both"
        ))),
    }
}

fn pool() -> Result<(Run, Run), EngineError> {
    let found = subordinate(POOL_USER)?;
    Ok(match (found.users.first(), found.groups.first()) {
        (Some(users), Some(groups)) if users.count.min(groups.count) >= COUNT => (*users, *groups),
        _ => (POOL, POOL),
    })
}

fn subordinate(name: &str) -> Result<subordinate_ids::Subordinate, EngineError> {
    let uid = subordinate_ids::user_by_name(name).map(|user| user.uid);
    subordinate_ids::of(name, uid).doing(|| "read /etc/subuid and /etc/subgid".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::containers::merge::tests::any_spec;

    fn ids(setting: UserNamespaces, shared: Option<HostIds>) -> Ids {
        let pool = Run {
            first: 1_000_000,
            count: 3 * COUNT + 5,
        };
        Ids {
            setting,
            shared,
            pool: Some((pool, pool)),
            can_map: true,
        }
    }

    fn choose(ids: &Ids, taken: &[HostIds]) -> Result<HostIds, EngineError> {
        ids.choose(UserNamespace::Own, taken).map(|chosen| chosen.expect("ids"))
    }

    #[test]
    fn ranges_never_meet_and_one_that_was_given_back_is_given_again() {
        let ids = ids(UserNamespaces::Auto, None);
        let mut taken = Vec::new();
        for _ in 0..3 {
            let chosen = choose(&ids, &taken).unwrap();
            assert!(!taken.iter().any(|other: &HostIds| other.meets(chosen)));
            taken.push(chosen);
        }
        let error = choose(&ids, &taken).unwrap_err();
        assert!(error.to_string().contains("none of the 3 ranges"), "{error}");
        let back = taken.remove(1);
        assert_eq!(choose(&ids, &taken).unwrap(), back);
    }

    #[test]
    fn a_range_of_ones_own_does_not_meet_the_shared_one() {
        let shared = HostIds {
            first_user: 1_000_100,
            first_group: 500,
            count: COUNT,
            shared: true,
        };
        let ids = ids(UserNamespaces::OfUser("web".to_owned()), Some(shared));
        assert_eq!(ids.choose(UserNamespace::Server, &[shared]).unwrap(), Some(shared));
        assert!(!choose(&ids, &[]).unwrap().meets(shared));
        assert_eq!(ids.choose(UserNamespace::Host, &[]).unwrap(), None);
    }

    #[test]
    fn what_needs_the_hosts_rights_is_refused_unless_its_ids_are_asked_for() {
        let ids = ids(UserNamespaces::Auto, None);
        let mut spec = any_spec();
        assert_eq!(ids.mistake(&spec), None);
        spec.security.privileged = true;
        assert!(ids.mistake(&spec).is_some_and(|why| why.contains("privileged")));
        spec.security.users = UserNamespace::Host;
        assert_eq!(ids.mistake(&spec), None);
    }
}
