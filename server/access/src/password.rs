use crate::AccessError;
use argon2::{Argon2, PasswordHash, PasswordHasher as _, PasswordVerifier as _};
use tokio::sync::Semaphore;

/// Hashing takes 19 MiB each: so many at once, the others wait.
static PLACES: Semaphore = Semaphore::const_new(2);

/// Checked when there is no such user, so that both answers take as long.
const NOBODY: &str =
    "$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHRzb21lc2FsdA$QqZlIYI4ZrzNdcMZ3TOVkgrjj5vrDFVIbIfQg6Zg3iQ";

pub(crate) async fn hash(password: &str) -> Result<String, AccessError> {
    if !(10..=1024).contains(&password.chars().count()) {
        return Err(AccessError::PasswordLength);
    }
    let password = password.to_owned();
    blocking(move || {
        Argon2::default()
            .hash_password(password.as_bytes())
            .map(|hash| hash.to_string())
    })
    .await?
    .map_err(|e| AccessError::Hash(e.to_string()))
}

/// Whether `password` belongs to `hash`; always false without one.
pub(crate) async fn verify(password: &str, hash: Option<&str>) -> Result<bool, AccessError> {
    let (password, known) = (password.to_owned(), hash.is_some());
    let hash = hash.unwrap_or(NOBODY).to_owned();
    let matches = blocking(move || {
        let parsed = PasswordHash::new(&hash).map_err(|e| AccessError::Hash(e.to_string()))?;
        Ok::<_, AccessError>(Argon2::default().verify_password(password.as_bytes(), &parsed).is_ok())
    })
    .await??;
    Ok(known && matches)
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, AccessError> {
    let _place = PLACES.acquire().await.expect("the semaphore is never closed");
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|e| AccessError::Hash(e.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_the_right_password_is_taken() {
        let hashed = hash("correct horse").await.expect("hashes");
        assert!(hashed.starts_with("$argon2id$"));
        assert!(verify("correct horse", Some(&hashed)).await.expect("verifies"));
        assert!(!verify("correct house", Some(&hashed)).await.expect("verifies"));
        assert!(!verify("correct horse", None).await.expect("verifies"));
        assert!(matches!(hash("short").await, Err(AccessError::PasswordLength)));
    }
}
