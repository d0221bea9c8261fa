use model::image::Digest;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use tokio::sync::{Mutex as Turn, OwnedMutexGuard};

/// Who brings a blob: two images that share a layer, pulled at the same time, fetch it
/// once. The second waits for the first, and finds it here; or tries itself when the
/// first failed.
#[derive(Debug, Clone, Default)]
pub(crate) struct Turns {
    taken: Arc<Mutex<HashMap<Digest, Weak<Turn<()>>>>>,
}

impl Turns {
    pub(crate) async fn wait(&self, digest: &Digest) -> OwnedMutexGuard<()> {
        self.of(digest).lock_owned().await
    }

    fn of(&self, digest: &Digest) -> Arc<Turn<()>> {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        taken.retain(|_, turn| turn.strong_count() > 0);
        if let Some(turn) = taken.get(digest).and_then(Weak::upgrade) {
            return turn;
        }
        let turn = Arc::new(Turn::new(()));
        taken.insert(digest.clone(), Arc::downgrade(&turn));
        turn
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn one_blob_is_one_turn_and_is_forgotten_afterwards() {
        let turns = Turns::default();
        let (one, other) = (Digest::from_sha256([1; 32]), Digest::from_sha256([2; 32]));
        let held = turns.wait(&one).await;
        assert!(turns.of(&one).try_lock().is_err());
        drop(turns.wait(&other).await);
        drop(held);
        assert!(turns.of(&one).try_lock().is_ok());
        assert_eq!(turns.taken.lock().unwrap().len(), 1);
    }
}
