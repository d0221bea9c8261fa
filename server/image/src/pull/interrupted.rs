//! Pulls that did not come to their end: what they finished is kept for a while, so that
//! the next one goes on from there.

use crate::{Image, Store};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Who wants the image still asks for it again within a day.
const KEPT: Duration = Duration::from_hours(24);
/// The oldest goes where there are more.
const MOST: usize = 32;

/// Of this run of the server: the next finds nothing of them, and collects what they left.
#[derive(Debug, Clone, Default)]
pub(crate) struct Interrupted(Arc<Mutex<Vec<(Instant, Image)>>>);

impl Interrupted {
    fn list(&self) -> MutexGuard<'_, Vec<(Instant, Image)>> {
        let mut list = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        list.retain(|(since, _)| since.elapsed() < KEPT);
        list
    }

    pub(super) fn note(&self, image: Image) {
        let mut list = self.list();
        list.retain(|(_, known)| known.manifest != image.manifest);
        if list.len() == MOST {
            list.remove(0);
        }
        list.push((Instant::now(), image));
    }

    pub(super) fn forget(&self, image: &Image) {
        self.list().retain(|(_, known)| known.manifest != image.manifest);
    }
}

impl Store {
    /// What pulls that failed or were cancelled had wanted. [`Store::collect`] keeps what
    /// they finished of it.
    pub fn interrupted_pulls(&self) -> Vec<Image> {
        self.interrupted.list().iter().map(|(_, image)| image.clone()).collect()
    }

    /// Lets go of them.
    pub fn forget_interrupted_pulls(&self) {
        self.interrupted.list().clear();
    }
}
