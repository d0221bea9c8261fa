//! Registries this server knows: how they are reached, and as whom.

use crate::blocking::blocking;
use crate::clock;
use crate::engine::{Engine, Inner};
use crate::error::EngineError;
use crate::vault::Vault;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use image::{ImageError, Login, Reach};
use model::Timestamp;
use model::image::Reference;
use model::image::reference::DOCKER_HUB;
use model::registry::Tls;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};
use store::Database;
use store::registries::{RegistryRow, SealedSecret, SecretKind};

const MOST_MIRRORS: usize = 8;
const LONGEST_SECRET_BYTES: usize = 64 << 10;

/// A registry as it is shown: without what signs in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownRegistry {
    pub host: String,
    /// `None` is as nobody.
    pub username: Option<String>,
    pub tls: Tls,
    pub has_authorities: bool,
    pub mirrors: Vec<String>,
    /// When it was last pulled from or pushed to.
    pub used: Option<Timestamp>,
}

/// How a registry is to be reached from now on.
#[derive(Clone, Default)]
pub struct RegistrySetup {
    pub username: Option<String>,
    /// `None` keeps the one of the same user.
    pub password: Option<String>,
    pub tls: Tls,
    /// `None` keeps them, empty takes them away.
    pub authorities: Option<String>,
    /// `None` keeps them.
    pub mirrors: Option<Vec<String>>,
}

/// What a registry said when it was tried.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegistryVerdict {
    pub works: bool,
    pub detail: String,
    pub took: Duration,
}

impl Engine {
    /// By host.
    pub async fn registries(&self) -> Result<Vec<KnownRegistry>, EngineError> {
        let rows = store::registries::list(&mut *self.inner.database().read().await?).await?;
        Ok(rows.into_iter().map(show).collect())
    }

    /// Adds a registry or changes how it is reached.
    pub async fn set_registry(&self, host: &str, setup: RegistrySetup) -> Result<KnownRegistry, EngineError> {
        let host = parse_host(host)?;
        let vault = self.inner.vault().await?;
        let mut tx = self.inner.database().begin().await?;
        let before = store::registries::find(&mut tx, &host).await?.unwrap_or_default();
        let row = changed(&vault, host, before, setup)?;
        store::registries::put(&mut tx, &row).await?;
        tx.commit().await.map_err(store::StoreError::from)?;
        Ok(show(row))
    }

    pub async fn remove_registry(&self, host: &str) -> Result<(), EngineError> {
        let host = parse_host(host)?;
        let mut tx = self.inner.database().begin().await?;
        let removed = store::registries::remove(&mut tx, &host).await?;
        tx.commit().await.map_err(store::StoreError::from)?;
        if removed { Ok(()) } else { Err(unknown(&host)) }
    }

    /// Signs in to a registry that is known, to see whether it can be done.
    pub async fn check_registry(&self, host: &str) -> Result<RegistryVerdict, EngineError> {
        let host = parse_host(host)?;
        let row = store::registries::find(&mut *self.inner.database().read().await?, &host).await?;
        let row = row.ok_or_else(|| unknown(&host))?;
        let reach = reach(&self.inner.vault().await?, &row)?;
        let begun = Instant::now();
        let outcome = self.inner.images.sign_in(&host, reach).await;
        let detail = match (&outcome, &row.username) {
            (Ok(_), Some(username)) => format!("`{host}` answers, and takes the login of `{username}`"),
            (Ok(_), None) => format!("`{host}` answers"),
            (Err(ImageError::Unauthorized { .. }), _) => {
                format!("`{host}` answers, and does not take the login; give another name or password")
            }
            (Err(error), _) => crate::error::show_causes(error),
        };
        Ok(RegistryVerdict {
            works: outcome.is_ok(),
            detail,
            took: begun.elapsed(),
        })
    }

    /// Takes over the logins of a Docker `config.json`.
    pub async fn import_registries(&self, json: &[u8]) -> Result<Vec<KnownRegistry>, EngineError> {
        let vault = self.inner.vault().await?;
        take_logins(self.inner.database(), &vault, json).await
    }

    /// Tries a login that is not kept. Gives the token that stands for it from now on,
    /// where the registry makes such.
    pub async fn sign_in(&self, host: &str, login: Login) -> Result<Option<String>, EngineError> {
        let host = parse_host(host)?;
        let reach = self.inner.reach(&host, Some(login)).await?;
        let welcome = self.inner.images.sign_in(&host, reach).await;
        let welcome = welcome.map_err(|error| crate::images::failed(&host, &error))?;
        Ok(match welcome.identity {
            Some(Login::Identity(token)) => Some(token),
            _ => None,
        })
    }
}

/// As [`Engine::import_registries`], from the command line, whether or not a server runs.
pub async fn import_registries(
    database: &Database,
    data_dir: &Path,
    json: &[u8],
) -> Result<Vec<KnownRegistry>, EngineError> {
    let data_dir = data_dir.to_owned();
    let vault = blocking("open the vault", move || Vault::open(&data_dir)).await?;
    take_logins(database, &vault, json).await
}

impl Inner {
    async fn vault(self: &Arc<Self>) -> Result<Vault, EngineError> {
        let data = self.layout.data.clone();
        blocking("open the vault", move || Vault::open(&data)).await
    }

    /// How a registry is reached; `login` counts before the one that is kept.
    pub(crate) async fn reach(self: &Arc<Self>, host: &str, login: Option<Login>) -> Result<Reach, EngineError> {
        let row = store::registries::find(&mut *self.database().read().await?, host).await?;
        let Some(row) = row else {
            return Ok(Reach {
                login,
                ..Reach::default()
            });
        };
        if login.is_some() {
            let bare = RegistryRow { secret: None, ..row };
            return Ok(Reach {
                login,
                ..reach_without_secret(&bare)
            });
        }
        reach(&self.vault().await?, &row)
    }

    /// Where a registry's images are looked for first.
    pub(crate) async fn mirrors(self: &Arc<Self>, host: &str) -> Result<Vec<image::Mirror>, EngineError> {
        let row = store::registries::find(&mut *self.database().read().await?, host).await?;
        let kept = row.map(|row| row.mirrors).unwrap_or_default();
        let switched: &[String] = if host == DOCKER_HUB { &self.options.mirrors } else { &[] };
        let mut mirrors = Vec::new();
        for url in kept.iter().chain(switched) {
            let authority = url.split_once("://").map_or(url.as_str(), |(_, rest)| rest);
            let mirror_host = authority.split('/').next().unwrap_or_default();
            mirrors.push(image::Mirror {
                url: url.clone(),
                reach: self.reach(mirror_host, None).await?,
            });
        }
        Ok(mirrors)
    }

    pub(crate) async fn note_use(&self, host: &str) {
        let noted = async {
            let mut tx = self.database().begin().await?;
            store::registries::set_used(&mut tx, host, clock::now()).await?;
            tx.commit()
                .await
                .map_err(store::StoreError::from)
                .map_err(EngineError::from)
        };
        if let Err(error) = noted.await {
            tracing::warn!(%error, registry = host, "cannot note that a registry was used");
        }
    }
}

fn unknown(host: &str) -> EngineError {
    EngineError::NotFound {
        what: "registry",
        name: host.to_owned(),
    }
}

fn show(row: RegistryRow) -> KnownRegistry {
    KnownRegistry {
        tls: row.tls,
        has_authorities: row.authorities.is_some(),
        host: row.host,
        username: row.username,
        mirrors: row.mirrors,
        used: row.used,
    }
}

fn changed(vault: &Vault, host: String, before: RegistryRow, setup: RegistrySetup) -> Result<RegistryRow, EngineError> {
    let username = setup.username.filter(|name| !name.is_empty());
    let secret = match (&username, setup.password) {
        (None, Some(_)) => return Err(EngineError::invalid("username", "a password needs a user")),
        (None, None) => None,
        (Some(_), Some(password)) => {
            if password.is_empty() || password.len() > LONGEST_SECRET_BYTES {
                return Err(EngineError::invalid("password", "it is empty, or longer than 64 KiB"));
            }
            Some(SealedSecret {
                kind: SecretKind::Password,
                bytes: vault.seal(&host, &password)?,
            })
        }
        (Some(name), None) if before.username.as_ref() == Some(name) => before.secret,
        (Some(_), None) => return Err(EngineError::invalid("password", "a new user needs a password")),
    };
    let authorities = match setup.authorities {
        None => before.authorities,
        Some(pem) if pem.trim().is_empty() => None,
        Some(pem) => Some(pem),
    };
    let mirrors = setup.mirrors.unwrap_or(before.mirrors);
    check_mirrors(&mirrors)?;
    let row = RegistryRow {
        host,
        username,
        secret,
        tls: setup.tls,
        authorities,
        mirrors,
        used: before.used,
    };
    let checked = reach_without_secret(&row).check();
    checked.map_err(|error| EngineError::invalid("ca", error))?;
    Ok(row)
}

fn check_mirrors(mirrors: &[String]) -> Result<(), EngineError> {
    if mirrors.len() > MOST_MIRRORS {
        return Err(EngineError::invalid("mirrors", format!("{MOST_MIRRORS} are the most")));
    }
    for mirror in mirrors {
        let rest = mirror
            .strip_prefix("https://")
            .or_else(|| mirror.strip_prefix("http://"));
        if rest.is_none_or(|rest| rest.is_empty() || rest.contains(['@', '?', '#', ' '])) {
            let message = format!("`{mirror}` is not an address such as `https://mirror.example`");
            return Err(EngineError::invalid("mirrors", message));
        }
    }
    Ok(())
}

fn reach_without_secret(row: &RegistryRow) -> Reach {
    Reach {
        login: None,
        tls: row.tls,
        authorities: row.authorities.clone(),
    }
}

fn reach(vault: &Vault, row: &RegistryRow) -> Result<Reach, EngineError> {
    let login = match (&row.username, &row.secret) {
        (Some(username), Some(secret)) => {
            let opened = vault.open_sealed(&row.host, &secret.bytes)?;
            Some(match secret.kind {
                SecretKind::Identity => Login::Identity(opened),
                SecretKind::Password => Login::Password {
                    username: username.clone(),
                    password: opened,
                },
            })
        }
        _ => None,
    };
    Ok(Reach {
        login,
        ..reach_without_secret(row)
    })
}

/// `https://index.docker.io/v1/`, as Docker names its hub, and the plainer forms.
fn parse_host(text: &str) -> Result<String, EngineError> {
    let rest = text.split_once("://").map_or(text, |(_, rest)| rest);
    let host = rest.split('/').next().unwrap_or_default();
    if matches!(host, "" | "index.docker.io" | "registry-1.docker.io" | DOCKER_HUB) && !text.is_empty() {
        return Ok(DOCKER_HUB.to_owned());
    }
    match Reference::parse(&format!("{host}/name")) {
        Ok(reference) if reference.registry() == host => Ok(host.to_owned()),
        _ => Err(EngineError::invalid(
            "host",
            format!("`{text}` is not a registry such as `registry.example:5000`"),
        )),
    }
}

/// What counts of a Docker `config.json`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct DockerConfig {
    #[serde(default)]
    auths: BTreeMap<String, DockerAuth>,
    creds_store: Option<String>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct DockerAuth {
    auth: String,
    username: String,
    password: String,
    identitytoken: String,
}

async fn take_logins(database: &Database, vault: &Vault, json: &[u8]) -> Result<Vec<KnownRegistry>, EngineError> {
    let logins = read_logins(json)?;
    let mut taken = Vec::new();
    let mut tx = database.begin().await?;
    for (host, username, kind, secret) in logins {
        let before = store::registries::find(&mut tx, &host).await?.unwrap_or_default();
        let row = RegistryRow {
            username: Some(username),
            secret: Some(SealedSecret {
                kind,
                bytes: vault.seal(&host, &secret)?,
            }),
            host,
            ..before
        };
        store::registries::put(&mut tx, &row).await?;
        taken.push(show(row));
    }
    tx.commit().await.map_err(store::StoreError::from)?;
    Ok(taken)
}

type Taken = (String, String, SecretKind, String);

/// Host, user, kind of secret, and secret of every login in the file.
fn read_logins(json: &[u8]) -> Result<Vec<Taken>, EngineError> {
    let wrong = |message: String| EngineError::invalid("config.json", message);
    let config: DockerConfig = serde_json::from_slice(json)
        .map_err(|error| wrong(format!("it is not a `config.json` of Docker: line {}", error.line())))?;
    let mut logins = Vec::new();
    for (address, auth) in config.auths {
        let host = parse_host(&address)?;
        let (mut username, mut password) = (auth.username, auth.password);
        if !auth.auth.is_empty() {
            let decoded = STANDARD.decode(auth.auth.trim()).ok();
            let decoded = decoded.and_then(|bytes| String::from_utf8(bytes).ok());
            let pair = decoded.as_deref().and_then(|text| text.split_once(':'));
            let (user, word) = pair.ok_or_else(|| wrong(format!("the login of `{address}` cannot be read")))?;
            user.clone_into(&mut username);
            // Some pad it with zeros.
            word.trim_end_matches('\0').clone_into(&mut password);
        }
        if !auth.identitytoken.is_empty() {
            let username = if username.is_empty() {
                "<token>".to_owned()
            } else {
                username
            };
            logins.push((host, username, SecretKind::Identity, auth.identitytoken));
        } else if !username.is_empty() && !password.is_empty() {
            logins.push((host, username, SecretKind::Password, password));
        }
    }
    if logins.is_empty() {
        return Err(wrong(match config.creds_store {
            Some(helper) => format!("its logins are kept by the helper `{helper}` and not in the file; sign in here"),
            None => "it holds no login".to_owned(),
        }));
    }
    Ok(logins)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_read_in_all_their_spellings() {
        for text in [
            "docker.io",
            "https://index.docker.io/v1/",
            "index.docker.io",
            "registry-1.docker.io",
        ] {
            assert_eq!(parse_host(text).expect("a host"), "docker.io", "{text}");
        }
        assert_eq!(
            parse_host("http://127.0.0.1:5000/v2/").expect("a host"),
            "127.0.0.1:5000"
        );
        for text in ["", "a b", "team", "ftp"] {
            assert!(parse_host(text).is_err(), "{text}");
        }
    }

    #[test]
    fn logins_of_docker_are_read() {
        let json = br#"{"auths":{"https://index.docker.io/v1/":{"auth":"YWRhOmh1bnRlcjI="},
            "r.example:5000":{"username":"bob","password":"x:y"},
            "t.example":{"auth":"PHRva2VuPjo=","identitytoken":"tok"},"empty.example":{}},"HttpHeaders":{}}"#;
        let found = read_logins(json).expect("logins");
        let text = |(host, user, kind, secret): &Taken| format!("{host} {user} {} {secret}", kind.word());
        assert_eq!(
            found.iter().map(text).collect::<Vec<_>>(),
            [
                "docker.io ada password hunter2",
                "r.example:5000 bob password x:y",
                "t.example <token> identity tok"
            ]
        );
        let helper = read_logins(br#"{"auths":{"r.example":{}},"credsStore":"pass"}"#).expect_err("nothing");
        assert!(helper.to_string().contains("pass"), "{helper}");
        assert!(read_logins(b"[").is_err());
    }

    #[test]
    fn a_password_stays_with_its_user() {
        let dir = tempfile::tempdir().expect("a directory");
        let vault = Vault::open(dir.path()).expect("opens");
        let host = || "r.example".to_owned();
        let setup = |username: &str, password: Option<&str>| RegistrySetup {
            username: Some(username.to_owned()),
            password: password.map(str::to_owned),
            ..RegistrySetup::default()
        };
        let first = changed(&vault, host(), RegistryRow::default(), setup("ada", Some("x"))).expect("is kept");
        let kept = changed(&vault, host(), first.clone(), setup("ada", None)).expect("is kept");
        assert_eq!(kept.secret, first.secret);
        assert!(changed(&vault, host(), first.clone(), setup("bob", None)).is_err());
        let nobody = changed(&vault, host(), first, RegistrySetup::default()).expect("is kept");
        assert_eq!(nobody.secret, None);
        let wrong = RegistrySetup {
            authorities: Some("no certificate".to_owned()),
            ..RegistrySetup::default()
        };
        assert!(changed(&vault, host(), RegistryRow::default(), wrong).is_err());
    }
}
