//! `Idempotency-Key`: a creating request that is sent twice creates once.

use super::problem::Answer;
use axum::http::{HeaderMap, HeaderName};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::OnceCell;

const HEADER: HeaderName = HeaderName::from_static("idempotency-key");
/// Answers kept; who repeats a request does so soon.
const KEPT: usize = 1_000;
const LONGEST_KEY: usize = 200;

/// The answers of creating requests, by their sender and key.
#[derive(Debug)]
pub(super) struct Answers<T> {
    known: Mutex<VecDeque<(String, Arc<OnceCell<T>>)>>,
}

impl<T> Default for Answers<T> {
    fn default() -> Self {
        Self {
            known: Mutex::default(),
        }
    }
}

impl<T: Clone> Answers<T> {
    /// Does the work, or waits for the same request that is under way, or repeats
    /// its answer. A failure is not kept: trying again is then right.
    pub(super) async fn once(
        &self,
        headers: &HeaderMap,
        sender: &str,
        work: impl Future<Output = Answer<T>>,
    ) -> Answer<T> {
        let key = headers.get(HEADER).and_then(|key| key.to_str().ok());
        let Some(key) = key.filter(|key| !key.is_empty() && key.len() <= LONGEST_KEY) else {
            return work.await;
        };
        let cell = self.cell(&format!("{sender}\n{key}"));
        cell.get_or_try_init(|| work).await.cloned()
    }

    fn cell(&self, key: &str) -> Arc<OnceCell<T>> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, cell)) = known.iter().find(|(other, _)| other == key) {
            return cell.clone();
        }
        if known.len() == KEPT {
            known.pop_front();
        }
        let cell = Arc::new(OnceCell::new());
        known.push_back((key.to_owned(), cell.clone()));
        cell
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU32, Ordering};

    #[tokio::test]
    async fn the_same_key_works_once_and_another_again() {
        let (answers, count) = (Answers::default(), AtomicU32::new(0));
        let with = |key: &str| HeaderMap::from_iter([(HEADER, key.parse().expect("a header"))]);
        let work = async || Ok(count.fetch_add(1, Ordering::Relaxed));
        assert_eq!(answers.once(&with("a"), "ada", work()).await.expect("works"), 0);
        assert_eq!(answers.once(&with("a"), "ada", work()).await.expect("works"), 0);
        assert_eq!(answers.once(&with("b"), "ada", work()).await.expect("works"), 1);
        assert_eq!(answers.once(&with("a"), "bob", work()).await.expect("works"), 2);
        assert_eq!(answers.once(&HeaderMap::new(), "ada", work()).await.expect("works"), 3);
    }
}
