//! Work that blocks, on threads made for it.

use crate::error::EngineError;

/// Runs `work` where blocking harms nobody. A panic in it is an error of `doing`.
pub(crate) async fn blocking<T, F>(doing: &str, work: F) -> Result<T, EngineError>
where
    T: Send + 'static,
    F: FnOnce() -> Result<T, EngineError> + Send + 'static,
{
    match tokio::task::spawn_blocking(work).await {
        Ok(outcome) => outcome,
        Err(error) => Err(EngineError::Host {
            doing: doing.to_owned(),
            source: Box::new(error),
        }),
    }
}
