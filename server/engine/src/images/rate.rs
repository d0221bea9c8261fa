use crate::tasks::{LayerProgress, LayerState, Progress};
use std::time::{Duration, Instant};

/// Measured over no less than this.
const WINDOW: Duration = Duration::from_millis(500);

/// How fast a task's bytes go by, from looking at it now and then.
#[derive(Debug)]
pub(super) struct Rates {
    at: Instant,
    before: Progress,
    total: u64,
    layers: Vec<u64>,
}

impl Rates {
    pub(super) fn begin(now: Instant) -> Self {
        Self {
            at: now,
            before: Progress::default(),
            total: 0,
            layers: Vec::new(),
        }
    }

    /// Writes the rates into what is shown.
    pub(super) fn measure(&mut self, now: Instant, progress: &mut Progress) {
        let passed = now - self.at;
        if passed >= WINDOW {
            self.total = rate(self.before.bytes_done, progress.bytes_done, passed);
            self.layers = (0..progress.layers.len())
                .map(|place| rate_of(self.before.layers.get(place), &progress.layers[place], passed))
                .collect();
            self.at = now;
            self.before = progress.clone();
        }
        progress.bytes_per_s = self.total;
        for (layer, rate) in progress.layers.iter_mut().zip(&self.layers) {
            layer.bytes_per_s = match layer.state {
                LayerState::Downloading { .. } | LayerState::Uploading { .. } | LayerState::Extracting { .. } => *rate,
                _ => 0,
            };
        }
    }
}

fn rate_of(before: Option<&LayerProgress>, now: &LayerProgress, passed: Duration) -> u64 {
    let before = before.map_or(0, |layer| done(layer.state, now.state));
    rate(before, done(now.state, now.state), passed)
}

/// Bytes of what is being done now; what was done before it does not count.
fn done(state: LayerState, now: LayerState) -> u64 {
    match (state, now) {
        (LayerState::Downloading { done, .. }, LayerState::Downloading { .. })
        | (LayerState::Uploading { done, .. }, LayerState::Uploading { .. })
        | (LayerState::Extracting { done, .. }, LayerState::Extracting { .. }) => done,
        _ => 0,
    }
}

fn rate(before: u64, now: u64, passed: Duration) -> u64 {
    let millis = u64::try_from(passed.as_millis()).unwrap_or(u64::MAX).max(1);
    now.saturating_sub(before).saturating_mul(1000) / millis
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::image::Digest;

    #[test]
    fn a_rate_is_of_the_last_moments_and_gone_when_nothing_moves() {
        let begun = Instant::now();
        let mut rates = Rates::begin(begun);
        let at = |done| Progress {
            bytes_done: done,
            layers: vec![LayerProgress {
                digest: Digest::from_sha256([1; 32]),
                state: LayerState::Downloading { done, total: 9000 },
                bytes_per_s: 0,
            }],
            ..Progress::default()
        };
        let mut seen = |millis: u64, done| {
            let mut progress = at(done);
            rates.measure(begun + Duration::from_millis(millis), &mut progress);
            (progress.bytes_per_s, progress.layers[0].bytes_per_s)
        };
        assert_eq!(seen(100, 500), (0, 0));
        assert_eq!(seen(1000, 3000), (3000, 3000));
        assert_eq!(seen(1100, 3500), (3000, 3000));
        assert_eq!(seen(2000, 3500), (500, 500));
        assert_eq!(seen(3000, 3500), (0, 0));
    }
}
