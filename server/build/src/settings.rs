use model::container::health::HealthCheck;
use std::collections::{BTreeMap, BTreeSet};

/// What a stage has said so far about the containers made from it: image-spec,
/// config.md, "Properties", with Docker's additions.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Settings {
    pub user: String,
    /// `80/tcp`.
    pub exposed_ports: BTreeSet<String>,
    /// In the order of their first mention.
    pub env: Vec<(String, String)>,
    pub entrypoint: Option<Vec<String>>,
    pub command: Option<Vec<String>>,
    pub volumes: BTreeSet<String>,
    pub working_dir: String,
    pub labels: BTreeMap<String, String>,
    pub stop_signal: Option<String>,
    pub health: Option<HealthCheck>,
    pub shell: Option<Vec<String>>,
    pub on_build: Vec<String>,
    pub author: Option<String>,
}

impl Settings {
    pub fn variable(&self, name: &str) -> Option<&str> {
        let found = self.env.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    }

    pub(crate) fn set_variable(&mut self, name: &str, value: String) {
        match self.env.iter_mut().find(|(known, _)| known == name) {
            Some((_, held)) => *held = value,
            None => self.env.push((name.to_owned(), value)),
        }
    }

    /// What a line is run by.
    pub fn shell(&self) -> Vec<String> {
        self.shell
            .clone()
            .unwrap_or_else(|| vec!["/bin/sh".to_owned(), "-c".to_owned()])
    }

    /// Absolute: the working directory and `path` in it.
    pub fn resolve(&self, path: &str) -> String {
        let joined = if path.starts_with('/') {
            path.to_owned()
        } else {
            format!("{}/{path}", self.working_dir)
        };
        format!("/{}", crate::clean(&joined))
    }
}
