//! How slowly bytes may come: one now and then would hold a pull for ever.

use super::Patience;
use std::time::{Duration, Instant};

/// In each window at least this, else it is no connection worth waiting for.
const LEAST_BYTES: usize = 1 << 10;

/// Twice the silence that ends a connection.
pub(super) fn window(patience: &Patience) -> Duration {
    patience.silence * 2
}

/// Of one body.
#[derive(Debug)]
pub(crate) struct Pace {
    window: Duration,
    since: Instant,
    bytes: usize,
}

impl Pace {
    pub(crate) fn new(patience: &Patience) -> Self {
        Self {
            window: window(patience),
            since: Instant::now(),
            bytes: 0,
        }
    }

    /// Whether it still comes fast enough, now that `bytes` more are here.
    pub(crate) fn holds(&mut self, bytes: usize) -> bool {
        self.bytes += bytes;
        if self.since.elapsed() < self.window {
            return true;
        }
        let enough = self.bytes >= LEAST_BYTES;
        (self.since, self.bytes) = (Instant::now(), 0);
        enough
    }
}
