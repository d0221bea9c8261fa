//! Steps that were taken and how each is taken back.

use crate::error::EngineError;
use std::pin::Pin;

type Step = Pin<Box<dyn Future<Output = Result<(), EngineError>> + Send>>;

/// Runs backwards when what was begun cannot be finished. It goes on past a
/// failure and tells each. Dropped without a word, it undoes nothing: after a
/// crash the next start finds the leftovers.
#[derive(Default)]
pub(crate) struct Undo {
    steps: Vec<(&'static str, Step)>,
}

impl Undo {
    /// Remembers how to take back a step that has just been taken.
    pub(crate) fn push<F>(&mut self, what: &'static str, step: F)
    where
        F: Future<Output = Result<(), EngineError>> + Send + 'static,
    {
        self.steps.push((what, Box::pin(step)));
    }

    /// It worked: nothing is to be taken back.
    pub(crate) fn forget(&mut self) {
        self.steps.clear();
    }

    /// Takes everything back, last first, and tells what could not be.
    pub(crate) async fn run(mut self) -> Vec<String> {
        let mut failures = Vec::new();
        while let Some((what, step)) = self.steps.pop() {
            if let Err(error) = step.await {
                failures.push(format!("{what}: {error}"));
            }
        }
        failures
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{Arc, Mutex};

    #[tokio::test]
    async fn steps_are_undone_backwards_and_past_a_failure() {
        let order = Arc::new(Mutex::new(Vec::new()));
        let mut undo = Undo::default();
        for (number, fails) in [(1, false), (2, true), (3, false)] {
            let order = order.clone();
            undo.push("a step", async move {
                order.lock().unwrap().push(number);
                if fails {
                    return Err(EngineError::Conflict("stuck".to_owned()));
                }
                Ok(())
            });
        }
        assert_eq!(undo.run().await, ["a step: stuck"]);
        assert_eq!(*order.lock().unwrap(), [3, 2, 1]);
    }
}
