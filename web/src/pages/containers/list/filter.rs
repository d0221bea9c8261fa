//! What the filter field and the columns' heads mean.

use crate::state::App;
use crate::state::containers::{has_failed, is_up};
use leptos::prelude::GetUntracked;
use shared::container::{Container, Health, Status};

/// State tabs: word and key.
pub const STATES: [(&str, &str); 5] = [
    ("All", ""),
    ("Running", "running"),
    ("Unhealthy", "unhealthy"),
    ("Failed", "failed"),
    ("Stopped", "stopped"),
];

pub fn fits_state(container: &Container, state: &str) -> bool {
    match state {
        "" => true,
        "running" => is_up(container),
        "unhealthy" => container.state.health == Some(Health::Unhealthy),
        "failed" => has_failed(container),
        "stopped" => !is_up(container),
        word => status_word(container.state.status) == word,
    }
}

fn status_word(status: Status) -> &'static str {
    match status {
        Status::Created => "created",
        Status::Running => "running",
        Status::Paused => "paused",
        Status::Exited => "exited",
        Status::Failed => "failed",
        Status::Lost => "lost",
    }
}

/// A parsed filter: every term has to hold.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Filter {
    terms: Vec<Term>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Term {
    exclude: bool,
    /// Empty for a free word.
    field: String,
    value: String,
}

impl Filter {
    /// `web state:running -image:nginx*`: free words and `field:value`, a
    /// leading `-` excludes.
    pub fn parse(text: &str) -> Self {
        let term = |word: &str| {
            let (exclude, word) = match word.strip_prefix('-') {
                Some(rest) if !rest.is_empty() => (true, rest),
                _ => (false, word),
            };
            let (field, value) = match word.split_once(':') {
                Some((field @ ("state" | "image" | "label" | "port" | "health" | "name" | "id"), value)) => {
                    (field, value)
                }
                _ => ("", word),
            };
            Term {
                exclude,
                field: field.to_owned(),
                value: value.to_lowercase(),
            }
        };
        Self {
            terms: text.split_whitespace().map(term).collect(),
        }
    }

    pub fn takes(&self, container: &Container) -> bool {
        self.terms.iter().all(|term| term.holds(container) != term.exclude)
    }
}

impl Term {
    fn holds(&self, container: &Container) -> bool {
        let value = self.value.as_str();
        match self.field.as_str() {
            "state" => fits_state(container, value),
            "image" => like(&container.image, value),
            "name" => like(&container.name, value),
            "id" => container.id.starts_with(value),
            "label" => container
                .labels
                .iter()
                .any(|(key, label)| like(&[key, "=", label].concat(), value) || like(key, value)),
            "port" => container
                .ports
                .iter()
                .any(|port| port.host_port.to_string() == value || port.container_port.to_string() == value),
            "health" => match container.state.health {
                Some(Health::Healthy) => value == "healthy",
                Some(Health::Unhealthy) => value == "unhealthy",
                Some(Health::Starting) => value == "starting",
                None => value == "none",
            },
            _ => {
                container.name.to_lowercase().contains(value)
                    || container.image.to_lowercase().contains(value)
                    || container.id.starts_with(value)
                    || container
                        .labels
                        .iter()
                        .any(|(key, label)| key.contains(value) || label.to_lowercase().contains(value))
            }
        }
    }
}

/// A pattern with `*` at its ends; without one, the text only has to hold it.
fn like(text: &str, pattern: &str) -> bool {
    let text = text.to_lowercase();
    match (pattern.strip_prefix('*'), pattern.strip_suffix('*')) {
        (Some(rest), None) => text.ends_with(rest),
        (None, Some(rest)) => text.starts_with(rest),
        _ => text.contains(pattern.trim_matches('*')),
    }
}

/// What a column sorts by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    Status,
    Name,
    Image,
    Cpu,
    Memory,
    Ports,
    Uptime,
}

/// Sorts rows; names break ties.
pub fn sort(rows: &mut [Container], order: Order, down: bool, app: App) {
    rows.sort_by(|a, b| a.name.cmp(&b.name));
    let live = |container: &Container| match order {
        Order::Cpu | Order::Memory => app.stats.of(&container.id),
        _ => None,
    };
    match order {
        Order::Name => {}
        Order::Status => rows.sort_by_key(|row| (status_rank(row), row.state.exit_code)),
        Order::Image => rows.sort_by(|a, b| a.image.cmp(&b.image)),
        // Ports are compared by the first one.
        Order::Ports => rows.sort_by_key(|row| row.ports.first().map_or(u16::MAX, |port| port.host_port)),
        Order::Uptime => rows.sort_by(|a, b| b.state.since.cmp(&a.state.since)),
        Order::Cpu => rows.sort_by_cached_key(|row| {
            crate::format::number::whole(live(row).map_or(-1.0, |recent| recent.last.cpu_cores) * 1e6)
        }),
        Order::Memory => rows.sort_by_cached_key(|row| live(row).map_or(0, |recent| recent.last.memory_bytes)),
    }
    if down {
        rows.reverse();
    }
    let _ = app.now.get_untracked();
}

fn status_rank(container: &Container) -> u8 {
    match container.state.status {
        _ if has_failed(container) => 0,
        Status::Running => 1,
        Status::Paused => 2,
        Status::Created => 3,
        Status::Exited | Status::Failed | Status::Lost => 4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use shared::container::{Port, State};

    fn container(name: &str, status: Status) -> Container {
        Container {
            id: "ab12".into(),
            name: name.into(),
            image: "nginx:1.27".into(),
            image_id: String::new(),
            command: String::new(),
            created: String::new(),
            state: State {
                status,
                since: String::new(),
                pid: None,
                exit_code: None,
                signal: None,
                oom_killed: false,
                reason: None,
                started: None,
                restarting: false,
                health: None,
            },
            ports: vec![Port {
                host_address: None,
                host_port: 8080,
                container_port: 80,
                protocol: "tcp".into(),
            }],
            address: None,
            labels: [("env".to_owned(), "prod".to_owned())].into(),
            restart_count: 0,
            memory_limit_bytes: None,
            nano_cpus: None,
        }
    }

    #[test]
    fn every_term_has_to_hold() {
        let web = container("web-1", Status::Running);
        for (text, takes) in [
            ("", true),
            ("web", true),
            ("WEB state:running", true),
            ("web state:stopped", false),
            ("-state:running", false),
            ("image:nginx*", true),
            ("image:*1.26", false),
            ("label:env=prod", true),
            ("port:8080", true),
            ("port:81", false),
            ("db", false),
        ] {
            assert_eq!(Filter::parse(text).takes(&web), takes, "{text}");
        }
    }

    #[test]
    fn a_failure_is_an_exit_with_an_error() {
        let mut gone = container("job", Status::Exited);
        gone.state.exit_code = Some(0);
        assert!(!fits_state(&gone, "failed"));
        gone.state.exit_code = Some(3);
        assert!(fits_state(&gone, "failed") && fits_state(&gone, "stopped"));
    }
}
