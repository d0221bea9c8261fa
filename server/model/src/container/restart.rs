use std::time::Duration;

/// When a container that ended is started again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum RestartPolicy {
    #[default]
    No,
    /// After a non-zero exit, at most `max_retries` times in a row; `None` is without end.
    OnFailure {
        max_retries: Option<u32>,
    },
    Always,
    UnlessStopped,
}

/// Why a restart is considered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Occasion {
    /// The container ended with this exit code.
    Exited { code: i32 },
    /// The server started and found it not running.
    ServerStarted,
}

const FIRST_DELAY: Duration = Duration::from_millis(100);
const LONGEST_DELAY: Duration = Duration::from_secs(60);
/// A run at least this long counts as a success and resets the delay.
const STEADY_RUN: Duration = Duration::from_secs(10);

impl RestartPolicy {
    /// Whether to start again. `stopped_by_hand`: someone asked for the stop.
    /// `failures`: restarts made in a row so far.
    pub fn wants_restart(self, occasion: Occasion, stopped_by_hand: bool, failures: u32) -> bool {
        match (self, occasion) {
            (Self::No, _) | (Self::OnFailure { .. }, Occasion::ServerStarted) => false,
            (Self::Always, Occasion::ServerStarted) => true,
            (Self::Always | Self::UnlessStopped, _) => !stopped_by_hand,
            (Self::OnFailure { max_retries }, Occasion::Exited { code }) => {
                !stopped_by_hand && code != 0 && max_retries.is_none_or(|max| failures < max)
            }
        }
    }
}

/// The wait before the next start, given the wait before the last one and how
/// long that run lasted: 100 ms, doubled after each short run up to a minute.
pub fn next_delay(last: Option<Duration>, run: Duration) -> Duration {
    match last {
        Some(last) if run < STEADY_RUN => (last * 2).min(LONGEST_DELAY),
        _ => FIRST_DELAY,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stop_by_hand_is_respected_until_the_server_starts_again() {
        let exited = Occasion::Exited { code: 1 };
        assert!(!RestartPolicy::Always.wants_restart(exited, true, 0));
        assert!(RestartPolicy::Always.wants_restart(Occasion::ServerStarted, true, 0));
        assert!(!RestartPolicy::UnlessStopped.wants_restart(Occasion::ServerStarted, true, 0));
    }

    #[test]
    fn on_failure_gives_up_after_its_retries() {
        let policy = RestartPolicy::OnFailure { max_retries: Some(2) };
        assert!(policy.wants_restart(Occasion::Exited { code: 1 }, false, 1));
        assert!(!policy.wants_restart(Occasion::Exited { code: 1 }, false, 2));
        assert!(!policy.wants_restart(Occasion::Exited { code: 0 }, false, 0));
    }

    #[test]
    fn the_delay_doubles_and_a_steady_run_resets_it() {
        let short = Duration::from_secs(1);
        let mut delay = next_delay(None, short);
        assert_eq!(delay, Duration::from_millis(100));
        for _ in 0..20 {
            delay = next_delay(Some(delay), short);
        }
        assert_eq!(delay, Duration::from_secs(60));
        assert_eq!(
            next_delay(Some(delay), Duration::from_secs(10)),
            Duration::from_millis(100)
        );
    }
}
