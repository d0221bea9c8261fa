//! Registries: how they are reached, and as whom.

use crate::StoreError;
use model::Timestamp;
use model::registry::Tls;
use sqlx::sqlite::SqliteRow;
use sqlx::{Row as _, SqliteConnection};

#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RegistryRow {
    /// `registry.example:5000`; Docker Hub is `docker.io`.
    pub host: String,
    pub username: Option<String>,
    pub secret: Option<SealedSecret>,
    pub tls: Tls,
    /// Certificates in PEM.
    pub authorities: Option<String>,
    /// Addresses that are asked first.
    pub mirrors: Vec<String>,
    pub used: Option<Timestamp>,
}

/// What signs in, sealed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealedSecret {
    pub kind: SecretKind,
    pub bytes: Vec<u8>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SecretKind {
    Password,
    /// An identity token, which the registry issued for an earlier login.
    Identity,
}

impl SecretKind {
    pub fn word(self) -> &'static str {
        match self {
            Self::Password => "password",
            Self::Identity => "identity",
        }
    }

    fn parse(word: &str) -> Option<Self> {
        let all = [Self::Password, Self::Identity];
        all.into_iter().find(|kind| kind.word() == word)
    }
}

/// `None` is SQL's `NULL`.
fn tls_word(tls: Tls) -> Option<&'static str> {
    match tls {
        Tls::Verified => None,
        Tls::Unverified => Some("unchecked"),
        Tls::Off => Some("off"),
    }
}

fn parse_tls(word: Option<&str>) -> Option<Tls> {
    let all = [Tls::Verified, Tls::Unverified, Tls::Off];
    all.into_iter().find(|tls| tls_word(*tls) == word)
}

/// Adds a registry, or brings the row of the same host up to date. When it was used
/// stays as it is.
pub async fn put(db: &mut SqliteConnection, row: &RegistryRow) -> Result<(), StoreError> {
    let mirrors = serde_json::Value::from(row.mirrors.clone()).to_string();
    sqlx::query(
        "INSERT INTO registries (host, username, secret_kind, secret, tls, authorities, mirrors) VALUES (?, ?, ?, ?, ?, ?, ?)
         ON CONFLICT (host) DO UPDATE SET username = excluded.username, secret_kind = excluded.secret_kind,
             secret = excluded.secret, tls = excluded.tls, authorities = excluded.authorities, mirrors = excluded.mirrors",
    )
    .bind(&row.host)
    .bind(&row.username)
    .bind(row.secret.as_ref().map(|secret| secret.kind.word()))
    .bind(row.secret.as_ref().map(|secret| &secret.bytes))
    .bind(tls_word(row.tls))
    .bind(&row.authorities)
    .bind(mirrors)
    .execute(db)
    .await?;
    Ok(())
}

pub async fn find(db: &mut SqliteConnection, host: &str) -> Result<Option<RegistryRow>, StoreError> {
    let row = sqlx::query("SELECT * FROM registries WHERE host = ?")
        .bind(host)
        .fetch_optional(db)
        .await?;
    row.as_ref().map(read).transpose()
}

/// By host.
pub async fn list(db: &mut SqliteConnection) -> Result<Vec<RegistryRow>, StoreError> {
    let rows = sqlx::query("SELECT * FROM registries ORDER BY host")
        .fetch_all(db)
        .await?;
    rows.iter().map(read).collect()
}

/// Notes that it was pulled from or pushed to. Nothing where it is not known.
pub async fn set_used(db: &mut SqliteConnection, host: &str, at: Timestamp) -> Result<(), StoreError> {
    sqlx::query("UPDATE registries SET used_ns = ? WHERE host = ?")
        .bind(at.as_unix_nanos())
        .bind(host)
        .execute(db)
        .await?;
    Ok(())
}

/// Whether there was one to remove.
pub async fn remove(db: &mut SqliteConnection, host: &str) -> Result<bool, StoreError> {
    Ok(sqlx::query("DELETE FROM registries WHERE host = ?")
        .bind(host)
        .execute(db)
        .await?
        .rows_affected()
        > 0)
}

fn read(row: &SqliteRow) -> Result<RegistryRow, StoreError> {
    let host: String = row.get("host");
    let mirrors: &str = row.get("mirrors");
    let mirrors =
        serde_json::from_str(mirrors).map_err(|error| StoreError::unreadable("registries", &host, "mirrors", error))?;
    let unreadable = |column, word: &str| StoreError::unreadable("registries", &host, column, format!("`{word}`"));
    let kind: Option<&str> = row.get("secret_kind");
    let kind = kind.map(|word| SecretKind::parse(word).ok_or_else(|| unreadable("secret_kind", word)));
    let secret = match (kind.transpose()?, row.get::<Option<Vec<u8>>, _>("secret")) {
        (Some(kind), Some(bytes)) => Some(SealedSecret { kind, bytes }),
        (None, None) => None,
        (None, Some(_)) => return Err(unreadable("secret_kind", "missing")),
        (Some(_), None) => return Err(unreadable("secret", "missing")),
    };
    let tls: Option<&str> = row.get("tls");
    // An unknown word must never become a weaker setting.
    let tls = parse_tls(tls).ok_or_else(|| unreadable("tls", tls.unwrap_or("missing")))?;
    Ok(RegistryRow {
        username: row.get("username"),
        secret,
        tls,
        authorities: row.get("authorities"),
        mirrors,
        used: row.get::<Option<i64>, _>("used_ns").map(Timestamp::from_unix_nanos),
        host,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_registry_reads_back_and_keeps_when_it_was_used() {
        let (_folder, database) = crate::database::tests::scratch().await;
        let mut tx = database.begin().await.expect("begins");
        let row = RegistryRow {
            host: "registry.example:5000".to_owned(),
            username: Some("ada".to_owned()),
            secret: Some(SealedSecret {
                kind: SecretKind::Password,
                bytes: vec![0, 255, 1],
            }),
            tls: Tls::Unverified,
            authorities: Some("PEM".to_owned()),
            mirrors: vec!["https://mirror.example".to_owned()],
            used: None,
        };
        put(&mut tx, &row).await.expect("writes");
        assert_eq!(find(&mut tx, &row.host).await.expect("reads"), Some(row.clone()));
        let at = Timestamp::from_unix_nanos(7);
        set_used(&mut tx, &row.host, at).await.expect("writes");
        put(&mut tx, &row).await.expect("writes again");
        let used = RegistryRow { used: Some(at), ..row };
        assert_eq!(list(&mut tx).await.expect("lists"), [used.clone()]);
        assert!(remove(&mut tx, &used.host).await.expect("removes"));
        assert_eq!(find(&mut tx, &used.host).await.expect("reads"), None);
    }

    #[tokio::test]
    async fn an_unknown_stored_word_is_an_error_and_not_another_setting() {
        let (_folder, database) = crate::database::tests::scratch().await;
        let mut tx = database.begin().await.expect("begins");
        // A later version may know more words.
        sqlx::query("PRAGMA ignore_check_constraints = ON")
            .execute(&mut *tx)
            .await
            .expect("is set");
        let row = RegistryRow {
            host: "registry.example".to_owned(),
            secret: Some(SealedSecret {
                kind: SecretKind::Identity,
                bytes: vec![1],
            }),
            ..RegistryRow::default()
        };
        for (damage, wrong) in [
            ("tls = 'pinned'", "tls"),
            ("tls = ''", "tls"),
            ("tls = 'Off'", "tls"),
            ("secret_kind = 'certificate'", "secret_kind"),
            ("secret_kind = NULL", "secret_kind"),
            ("secret = NULL", "secret"),
        ] {
            put(&mut tx, &row).await.expect("writes");
            assert_eq!(find(&mut tx, &row.host).await.expect("reads"), Some(row.clone()));
            sqlx::query(sqlx::AssertSqlSafe(format!("UPDATE registries SET {damage}")))
                .execute(&mut *tx)
                .await
                .expect("writes");
            let error = find(&mut tx, &row.host).await.expect_err(damage);
            assert!(
                matches!(&error, StoreError::Unreadable { column, .. } if *column == wrong),
                "{damage}: {error}"
            );
            assert!(list(&mut tx).await.is_err(), "{damage}");
        }
    }
}
