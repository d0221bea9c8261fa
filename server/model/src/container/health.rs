use std::time::Duration;

/// How a container's health is probed. Durations of `None` take the default.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HealthCheck {
    pub test: Probe,
    pub interval: Option<Duration>,
    pub timeout: Option<Duration>,
    pub retries: Option<u32>,
    pub start_period: Option<Duration>,
    pub start_interval: Option<Duration>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Probe {
    /// No probe, also where the image has one.
    None,
    Command(Vec<String>),
    Shell(String),
}
