//! The ids of a user namespace, and file systems seen through them.
//! user_namespaces(7); runtime-spec, config-linux.md, "User namespace mappings"

use crate::CreateError;
use oci_spec::runtime::{LinuxIdMapping, Spec};
use std::io;
use std::os::fd::OwnedFd;
use sys::user_namespace::{IdRange, unused, write_maps};

/// The kernel takes no more ranges. user_namespaces(7)
const MOST_RANGES: usize = 340;

/// Which ids inside mean which outside; never empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct IdMaps {
    users: Vec<IdRange>,
    groups: Vec<IdRange>,
}

impl IdMaps {
    /// Those of the container's own user namespace.
    pub(crate) fn of(spec: &Spec) -> Result<Option<Self>, CreateError> {
        let linux = spec.linux().as_ref();
        let users = linux.and_then(|linux| linux.uid_mappings().as_deref());
        let groups = linux.and_then(|linux| linux.gid_mappings().as_deref());
        Self::from_lists("linux", users, groups)
    }

    /// `None` where neither list says anything.
    pub(crate) fn from_lists(
        place: &str,
        users: Option<&[LinuxIdMapping]>,
        groups: Option<&[LinuxIdMapping]>,
    ) -> Result<Option<Self>, CreateError> {
        let users = ranges(place, "uidMappings", users.unwrap_or_default())?;
        let groups = ranges(place, "gidMappings", groups.unwrap_or_default())?;
        match (users.is_empty(), groups.is_empty()) {
            (true, true) => Ok(None),
            (false, false) => Ok(Some(Self { users, groups })),
            _ => Err(CreateError::Bundle(format!(
                "`{place}` has only one of uidMappings and gidMappings; it needs both or none"
            ))),
        }
    }

    /// The id outside that `user` means.
    pub(crate) fn outside_user(&self, user: u32) -> Option<u32> {
        outside(&self.users, user)
    }

    pub(crate) fn outside_group(&self, group: u32) -> Option<u32> {
        outside(&self.groups, group)
    }

    pub(crate) fn write(&self, pid: i32) -> io::Result<()> {
        write_maps(pid, &self.users, &self.groups)
    }

    /// A user namespace with these ids that nobody is in, for mapping mounts.
    pub(crate) fn namespace(&self) -> io::Result<OwnedFd> {
        unused(&self.users, &self.groups)
    }
}

fn outside(ranges: &[IdRange], id: u32) -> Option<u32> {
    ranges.iter().find_map(|range| {
        let place = id.checked_sub(range.inside)?;
        (place < range.size).then(|| range.outside + place)
    })
}

fn ranges(place: &str, name: &str, list: &[LinuxIdMapping]) -> Result<Vec<IdRange>, CreateError> {
    if list.len() > MOST_RANGES {
        return Err(CreateError::Bundle(format!(
            "`{place}.{name}` has {} entries; the kernel takes {MOST_RANGES}",
            list.len()
        )));
    }
    list.iter()
        .map(|mapping| {
            let range = IdRange {
                inside: mapping.container_id(),
                outside: mapping.host_id(),
                size: mapping.size(),
            };
            let ends = |first: u32| first.checked_add(range.size).is_some();
            if range.size == 0 || !ends(range.inside) || !ends(range.outside) {
                return Err(CreateError::Bundle(format!(
                    "`{place}.{name}` maps {} ids from {} to {}, which is nothing or too far",
                    range.size, range.inside, range.outside
                )));
            }
            Ok(range)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn maps(users: &serde_json::Value, groups: &serde_json::Value) -> Result<Option<IdMaps>, CreateError> {
        let list = |value: &serde_json::Value| serde_json::from_value::<Vec<LinuxIdMapping>>(value.clone()).unwrap();
        IdMaps::from_lists("linux", Some(&list(users)), Some(&list(groups)))
    }

    #[test]
    fn an_id_is_found_in_its_range_only() {
        let range = json!([
            {"containerID": 0, "hostID": 100_000, "size": 1000},
            {"containerID": 5000, "hostID": 7, "size": 1},
        ]);
        let maps = maps(&range, &range).unwrap().unwrap();
        assert_eq!(maps.outside_user(0), Some(100_000));
        assert_eq!(maps.outside_user(999), Some(100_999));
        assert_eq!(maps.outside_user(1000), None);
        assert_eq!(maps.outside_group(5000), Some(7));
    }

    #[test]
    fn one_list_without_the_other_and_empty_ranges_are_refused() {
        let whole = json!([{"containerID": 0, "hostID": 100_000, "size": 1000}]);
        assert!(maps(&whole, &json!([])).is_err());
        let empty = json!([{"containerID": 0, "hostID": 100_000, "size": 0}]);
        assert!(maps(&empty, &empty).is_err());
        let far = json!([{"containerID": 0, "hostID": u32::MAX, "size": 2}]);
        assert!(maps(&far, &far).is_err());
    }
}
