//! `Idempotency-Key`: a creating request that is sent twice creates once.

use super::problem::{Answer, Failure};
use axum::http::{HeaderMap, HeaderName, StatusCode};
use std::collections::VecDeque;
use std::hash::{DefaultHasher, Hash, Hasher as _};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::OnceCell;

const HEADER: HeaderName = HeaderName::from_static("idempotency-key");
/// Answers kept; who repeats a request does so soon.
const KEPT: usize = 1_000;
const LONGEST_KEY: usize = 200;

/// The answers of creating requests, by their sender and key.
#[derive(Debug)]
pub(super) struct Answers<T> {
    known: Mutex<VecDeque<Known<T>>>,
}

#[derive(Debug)]
struct Known<T> {
    key: String,
    /// Of what the request asked for.
    fingerprint: u64,
    answer: Arc<OnceCell<T>>,
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
    ///
    /// # Errors
    /// For a key that is too long to be kept, or that came with another request before.
    pub(super) async fn once(
        &self,
        headers: &HeaderMap,
        sender: &str,
        asked: &impl Hash,
        work: impl Future<Output = Answer<T>>,
    ) -> Answer<T> {
        let Some(key) = headers.get(HEADER) else {
            return work.await;
        };
        let key = key.to_str().ok();
        let Some(key) = key.filter(|key| (1..=LONGEST_KEY).contains(&key.len())) else {
            return Err(Failure::mistake(
                "Idempotency-Key",
                format!("it has 1 to {LONGEST_KEY} printable characters"),
            ));
        };
        let mut hasher = DefaultHasher::new();
        asked.hash(&mut hasher);
        let cell = self.cell(format!("{sender}\n{key}"), hasher.finish())?;
        cell.get_or_try_init(|| work).await.cloned()
    }

    fn cell(&self, key: String, fingerprint: u64) -> Answer<Arc<OnceCell<T>>> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(before) = known.iter_mut().find(|known| known.key == key) {
            if before.fingerprint == fingerprint {
                return Ok(before.answer.clone());
            }
            // What failed may be asked for in other words.
            if Arc::strong_count(&before.answer) == 1 && !before.answer.initialized() {
                before.fingerprint = fingerprint;
                return Ok(before.answer.clone());
            }
            return Err(Failure::new(
                StatusCode::UNPROCESSABLE_ENTITY,
                "idempotency_key_reused",
                "this Idempotency-Key came with another request before",
            )
            .hint("Take a new key for each request, and the same for the same only."));
        }
        if known.len() == KEPT {
            known.pop_front();
        }
        let answer = Arc::new(OnceCell::new());
        known.push_back(Known {
            key,
            fingerprint,
            answer: answer.clone(),
        });
        Ok(answer)
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
        assert_eq!(answers.once(&with("a"), "ada", &1, work()).await.expect("works"), 0);
        assert_eq!(answers.once(&with("a"), "ada", &1, work()).await.expect("works"), 0);
        assert_eq!(answers.once(&with("b"), "ada", &1, work()).await.expect("works"), 1);
        assert_eq!(answers.once(&with("a"), "bob", &1, work()).await.expect("works"), 2);
        assert_eq!(
            answers.once(&HeaderMap::new(), "ada", &1, work()).await.expect("works"),
            3
        );
    }

    #[tokio::test]
    async fn a_key_of_another_request_is_refused_unless_that_failed() {
        let answers = Answers::default();
        let with = |key: &str| HeaderMap::from_iter([(HEADER, key.parse().expect("a header"))]);
        let works = async || Ok(1);
        assert_eq!(answers.once(&with("a"), "ada", &"x", works()).await.expect("works"), 1);
        let refused = answers
            .once(&with("a"), "ada", &"y", works())
            .await
            .expect_err("reused");
        assert_eq!(
            (refused.problem.status, refused.problem.code.as_str()),
            (422, "idempotency_key_reused")
        );
        let fails = async { Err(Failure::not_found("image", "x")) };
        assert!(answers.once(&with("b"), "ada", &"x", fails).await.is_err());
        assert_eq!(answers.once(&with("b"), "ada", &"y", works()).await.expect("works"), 1);
        let long = "k".repeat(LONGEST_KEY + 1);
        assert!(answers.once(&with(&long), "ada", &"x", works()).await.is_err());
    }
}
