//! Files of the v2 tree that are written as they were given.

use crate::change::Step;
use crate::error::CgroupError;

/// What moves processes or changes the shape of the tree is not a setting.
const NOT_SETTINGS: [&str; 6] = [
    "cgroup.procs",
    "cgroup.threads",
    "cgroup.type",
    "cgroup.kill",
    "cgroup.freeze",
    "cgroup.subtree_control",
];

pub(crate) fn steps(asked: &[(String, String)], controllers: &[String]) -> Result<Vec<Step>, CgroupError> {
    asked
        .iter()
        .map(|(key, value)| {
            let controller = key.split('.').next().unwrap_or_default();
            let known = controller == "cgroup" || controllers.iter().any(|name| name == controller);
            if key.contains('/') || !known || NOT_SETTINGS.contains(&key.as_str()) || !key.contains('.') {
                return Err(CgroupError::Unified { key: key.clone() });
            }
            Ok(Step::new(key, value, "a file of the v2 hierarchy"))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_files_of_enabled_controllers_may_be_set() {
        let controllers = ["memory".to_owned()];
        let one = |key: &str| steps(&[(key.into(), "1".into())], &controllers);
        assert!(one("memory.high").is_ok());
        for key in ["../memory.max", "cpu.max", "cgroup.procs", "memory", "memory.high/../x"] {
            assert!(one(key).is_err(), "{key}");
        }
    }
}
