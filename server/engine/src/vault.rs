//! Secrets that must be told again one day, kept so that the database alone tells
//! nobody: sealed with a key that lies beside it, for root's eyes only.

use crate::error::{Doing, EngineError};
use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::rand::{SecureRandom as _, SystemRandom};
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

const KEY_BYTES: usize = 32;

/// Seals and opens. RFC 8439; the nonce stands before the sealed bytes.
pub(crate) struct Vault {
    key: LessSafeKey,
}

impl std::fmt::Debug for Vault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Vault")
    }
}

#[derive(Debug, thiserror::Error)]
enum VaultError {
    #[error("`{0}` is not the key it was; sign in again")]
    Key(PathBuf),
    #[error("the host gives no random bytes")]
    Random,
    #[error("it was sealed with another key, or is damaged; sign in again")]
    Sealed,
}

impl Vault {
    /// Takes the key from the data directory, or makes one. Blocks.
    pub(crate) fn open(data_dir: &Path) -> Result<Self, EngineError> {
        let path = data_dir.join("secrets.key");
        let doing = || format!("read the key of secrets at `{}`", path.display());
        let bytes = match fs::read(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => make(&path)?,
            read => read.doing(doing)?,
        };
        let key = UnboundKey::new(&CHACHA20_POLY1305, &bytes).map_err(|_| VaultError::Key(path.clone()));
        Ok(Self {
            key: LessSafeKey::new(key.doing(doing)?),
        })
    }

    /// `place` is where it belongs: put elsewhere, it does not open.
    pub(crate) fn seal(&self, place: &str, secret: &str) -> Result<Vec<u8>, EngineError> {
        let doing = || format!("seal the secret of `{place}`");
        let nonce: [u8; NONCE_LEN] = random().doing(doing)?;
        let mut sealed = secret.as_bytes().to_vec();
        self.key
            .seal_in_place_append_tag(
                Nonce::assume_unique_for_key(nonce),
                Aad::from(place.as_bytes()),
                &mut sealed,
            )
            .map_err(|_| VaultError::Random)
            .doing(doing)?;
        Ok([&nonce[..], &sealed].concat())
    }

    pub(crate) fn open_sealed(&self, place: &str, sealed: &[u8]) -> Result<String, EngineError> {
        let opened = sealed.split_first_chunk::<NONCE_LEN>().and_then(|(nonce, sealed)| {
            let mut bytes = sealed.to_vec();
            let nonce = Nonce::assume_unique_for_key(*nonce);
            let aad = Aad::from(place.as_bytes());
            let opened = self.key.open_in_place(nonce, aad, &mut bytes).ok()?;
            String::from_utf8(opened.to_vec()).ok()
        });
        opened
            .ok_or(VaultError::Sealed)
            .doing(|| format!("open the secret of `{place}`"))
    }
}

fn make(path: &Path) -> Result<Vec<u8>, EngineError> {
    let doing = || format!("make the key of secrets at `{}`", path.display());
    let key: [u8; KEY_BYTES] = random().doing(doing)?;
    let new = path.with_extension("new");
    let written = || -> io::Result<()> {
        let _ = fs::remove_file(&new);
        let mut file = File::options().create_new(true).write(true).mode(0o600).open(&new)?;
        file.write_all(&key)?;
        file.sync_all()?;
        // Another process may have made it meanwhile: then that one counts.
        match fs::hard_link(&new, path) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            _ => {}
        }
        fs::remove_file(&new)
    };
    written().doing(doing)?;
    fs::read(path).doing(doing)
}

fn random<const COUNT: usize>() -> Result<[u8; COUNT], VaultError> {
    let mut bytes = [0; COUNT];
    let filled = SystemRandom::new().fill(&mut bytes);
    filled.map(|()| bytes).map_err(|_| VaultError::Random)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn a_secret_opens_with_its_key_in_its_place_and_nowhere_else() {
        let dir = tempfile::tempdir().expect("a directory");
        let vault = Vault::open(dir.path()).expect("opens");
        let sealed = vault.seal("registry.example", "hunter2").expect("seals");
        assert!(!sealed.windows(7).any(|part| part == b"hunter2"));
        let again = Vault::open(dir.path()).expect("opens again");
        assert_eq!(
            again.open_sealed("registry.example", &sealed).expect("opens"),
            "hunter2"
        );
        assert!(again.open_sealed("evil.example", &sealed).is_err());
        let mut damaged = sealed.clone();
        damaged[NONCE_LEN] ^= 1;
        assert!(again.open_sealed("registry.example", &damaged).is_err());
        let other = tempfile::tempdir().expect("a directory");
        let other = Vault::open(other.path()).expect("opens");
        assert!(other.open_sealed("registry.example", &sealed).is_err());
        let mode = fs::metadata(dir.path().join("secrets.key"))
            .expect("is there")
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600);
    }
}
