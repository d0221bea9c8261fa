//! What the filter field and the columns' heads mean.

use crate::format::order::sort;
use crate::state::App;
use crate::state::containers::{has_failed, is_stopped, is_up};
use shared::container::{Container, Health, Status};
use shared::order::natural;
use std::cmp::Ordering;
use std::sync::Arc;

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
        "stopped" => is_stopped(container),
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
                value: value.to_ascii_lowercase(),
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
                container.name.to_ascii_lowercase().contains(value)
                    || container.image.to_ascii_lowercase().contains(value)
                    || container.id.starts_with(value)
                    || container
                        .labels
                        .iter()
                        .any(|(key, label)| key.contains(value) || label.to_ascii_lowercase().contains(value))
            }
        }
    }
}

/// A pattern with `*` at its ends; without one, the text only has to hold it.
fn like(text: &str, pattern: &str) -> bool {
    let text = text.to_ascii_lowercase();
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
pub fn sort_rows(rows: &mut Vec<Arc<Container>>, order: Order, down: bool, app: App) {
    // Live figures are looked up once for each row, not for each comparison.
    let figure = |container: &Container| {
        let value = match order {
            Order::Cpu => app.stats.last(&container.id, |stats| stats.cpu_cores),
            Order::Memory => app.stats.last(&container.id, |stats| stats.memory_bytes as f64),
            _ => None,
        };
        value.unwrap_or(-1.0)
    };
    let mut keyed: Vec<(f64, Arc<Container>)> = match order {
        Order::Cpu | Order::Memory => rows.drain(..).map(|row| (figure(&row), row)).collect(),
        _ => rows.drain(..).map(|row| (0.0, row)).collect(),
    };
    sort(&mut keyed, &mut |(x, a), (y, b)| {
        let by_column = match order {
            Order::Name => Ordering::Equal,
            Order::Status => (status_rank(a), a.state.exit_code).cmp(&(status_rank(b), b.state.exit_code)),
            Order::Image => natural(&a.image, &b.image),
            Order::Ports => first_port(a).cmp(&first_port(b)),
            Order::Uptime => b.state.since.cmp(&a.state.since),
            Order::Cpu | Order::Memory => x.total_cmp(y),
        };
        let by_column = if down { by_column.reverse() } else { by_column };
        let by_name = natural(&a.name, &b.name);
        by_column.then(if down && order == Order::Name {
            by_name.reverse()
        } else {
            by_name
        })
    });
    rows.extend(keyed.into_iter().map(|(_, row)| row));
}

/// Containers without ports come last.
fn first_port(container: &Container) -> u16 {
    container.ports.first().map_or(u16::MAX, |port| port.host_port)
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
    use shared::container::{Port, State, StoppedBy, StoppedByKind};

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
                stopped_by: None,
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
        assert!(fits_state(&gone, "failed") && !fits_state(&gone, "stopped"));
        gone.state.exit_code = Some(0);
        assert!(fits_state(&gone, "stopped"));
        assert!(!fits_state(&container("new", Status::Created), "stopped"));
    }

    #[test]
    fn names_are_in_the_order_of_their_numbers() {
        let mut names = ["web-10", "web-2", "web-2b", "db", "web-02", "web"];
        names.sort_by(|a, b| natural(a, b));
        assert_eq!(names, ["db", "web", "web-02", "web-2", "web-2b", "web-10"]);
    }

    #[test]
    fn what_somebody_stopped_has_not_failed() {
        let mut stopped = container("web", Status::Exited);
        stopped.state.exit_code = Some(143);
        stopped.state.oom_killed = true;
        stopped.state.stopped_by = Some(StoppedBy {
            kind: StoppedByKind::User,
            name: Some("admin".to_owned()),
        });
        assert!(fits_state(&stopped, "stopped") && !fits_state(&stopped, "failed"));
    }
}
