//! Containers: what is wanted of each, and what is known of its last run.

use crate::StoreError;
use crate::form::{endpoint, ports, spec, stopped_by};
use model::container::{ContainerId, ContainerName, ExitStatus, HostIds, InitProcess, Loss, Spec, State, StoppedBy};
use model::image::Digest;
use model::network::{Endpoint, PortMapping};
use model::{Signal, Timestamp};
use sqlx::sqlite::SqliteRow;
use sqlx::{Row as _, SqliteConnection};
use std::time::Duration;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContainerRecord {
    pub id: ContainerId,
    pub spec: Spec,
    pub created: Timestamp,
    pub phase: Phase,
    pub state: State,
    /// Counts starts; 0 before the first.
    pub run: u64,
    pub restart_count: u32,
    /// The wait before the last restart by policy, or the one that goes on.
    pub restart_delay: Option<Duration>,
    pub stopped_by_hand: bool,
    /// Who asked for the end of the present or last run.
    pub stopped_by: Option<StoppedBy>,
    /// Of its own user namespace, from its creation on; `None` where it has the host's.
    pub ids: Option<HostIds>,
    pub endpoint: Option<Endpoint>,
    /// In force, with the host ports chosen at the start.
    pub ports: Vec<PortMapping>,
}

/// How far a row's container is made or unmade.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    Making,
    Ready,
    Removing,
}

impl Phase {
    fn word(self) -> &'static str {
        match self {
            Self::Making => "making",
            Self::Ready => "ready",
            Self::Removing => "removing",
        }
    }
}

/// A state as columns.
#[derive(Default)]
struct StateColumns {
    init: Option<InitProcess>,
    started: Option<Timestamp>,
    ended: Option<Timestamp>,
    exit_code: Option<i32>,
    exit_signal: Option<i32>,
    oom_killed: bool,
    reason: Option<String>,
}

const HOST_RESTARTED: &str = "host restarted";
const SHIM_KILLED: &str = "shim killed";

impl StateColumns {
    fn of(state: &State) -> Self {
        match state.clone() {
            State::Created => Self::default(),
            State::Running { init, since } | State::Paused { init, since } => Self {
                init: Some(init),
                started: Some(since),
                ..Self::default()
            },
            State::Exited {
                status,
                started,
                at,
                oom_killed,
            } => {
                let (exit_code, exit_signal) = match status {
                    ExitStatus::Code(code) => (Some(i32::from(code)), None),
                    ExitStatus::Signaled(signal) => (None, Some(signal.number())),
                };
                Self {
                    started: Some(started),
                    ended: Some(at),
                    exit_code,
                    exit_signal,
                    oom_killed,
                    ..Self::default()
                }
            }
            State::Failed { code, reason, at } => Self {
                ended: Some(at),
                exit_code: Some(code),
                reason: Some(reason),
                ..Self::default()
            },
            State::Lost { at, why } => {
                let why = match why {
                    Loss::HostRestarted => HOST_RESTARTED,
                    Loss::ShimKilled => SHIM_KILLED,
                };
                Self {
                    ended: Some(at),
                    reason: Some(why.to_owned()),
                    ..Self::default()
                }
            }
        }
    }
}

pub async fn insert(db: &mut SqliteConnection, record: &ContainerRecord) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO containers (id, name, image_id, spec, created_ns, phase, first_user, first_group, id_count, ids_shared, state)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 'created')",
    )
        .bind(record.id.as_str())
        .bind(record.spec.name.as_str())
        .bind(record.spec.image.id.as_str())
        .bind(spec::write(&record.spec))
        .bind(record.created.as_unix_nanos())
        .bind(record.phase.word())
        .bind(record.ids.map(|ids| ids.first_user))
        .bind(record.ids.map(|ids| ids.first_group))
        .bind(record.ids.map(|ids| ids.count))
        .bind(record.ids.map(|ids| ids.shared))
        .execute(&mut *db)
        .await
        .map_err(|error| StoreError::taken(error, "name", record.spec.name.as_str()))?;
    update(db, record).await
}

/// Writes all that can change: spec, name, phase, state and the rest.
pub async fn update(db: &mut SqliteConnection, record: &ContainerRecord) -> Result<(), StoreError> {
    let state = StateColumns::of(&record.state);
    sqlx::query(
        "UPDATE containers SET name = ?, spec = ?, phase = ?, state = ?, run = ?, init_pid = ?, init_ticks = ?, started_ns = ?, ended_ns = ?,
         exit_code = ?, exit_signal = ?, oom_killed = ?, reason = ?, restart_count = ?, restart_delay_ms = ?, stopped_by_hand = ?, stopped_by = ?, endpoint = ?, ports = ? WHERE id = ?",
    )
    .bind(record.spec.name.as_str())
    .bind(spec::write(&record.spec))
    .bind(record.phase.word())
    .bind(record.state.word())
    .bind(record.run as i64)
    .bind(state.init.map(|init| init.pid))
    .bind(state.init.map(|init| init.start_ticks as i64))
    .bind(state.started.map(Timestamp::as_unix_nanos))
    .bind(state.ended.map(Timestamp::as_unix_nanos))
    .bind(state.exit_code)
    .bind(state.exit_signal)
    .bind(state.oom_killed)
    .bind(state.reason)
    .bind(record.restart_count)
    .bind(record.restart_delay.map(|delay| i64::try_from(delay.as_millis()).unwrap_or(i64::MAX)))
    .bind(record.stopped_by_hand)
    .bind(record.stopped_by.as_ref().map(stopped_by::write))
    .bind(record.endpoint.as_ref().map(endpoint::write))
    .bind(ports::write(&record.ports))
    .bind(record.id.as_str())
    .execute(db)
    .await
    .map_err(|error| StoreError::taken(error, "name", record.spec.name.as_str()))?;
    Ok(())
}

pub async fn find(db: &mut SqliteConnection, id: &ContainerId) -> Result<Option<ContainerRecord>, StoreError> {
    sqlx::query("SELECT * FROM containers WHERE id = ?")
        .bind(id.as_str())
        .fetch_optional(db)
        .await?
        .as_ref()
        .map(read)
        .transpose()
}

pub async fn find_by_name(db: &mut SqliteConnection, name: &ContainerName) -> Result<Option<ContainerId>, StoreError> {
    let row = sqlx::query("SELECT id FROM containers WHERE name = ?")
        .bind(name.as_str())
        .fetch_optional(db)
        .await?;
    row.map(|row| id(&row)).transpose()
}

/// Newest first.
pub async fn list(db: &mut SqliteConnection) -> Result<Vec<ContainerRecord>, StoreError> {
    sqlx::query("SELECT * FROM containers ORDER BY created_ns DESC, id")
        .fetch_all(db)
        .await?
        .iter()
        .map(read)
        .collect()
}

/// The ids that containers have, of every one that has some.
pub async fn list_ids(db: &mut SqliteConnection) -> Result<Vec<HostIds>, StoreError> {
    let rows =
        sqlx::query("SELECT id, first_user, first_group, id_count, ids_shared FROM containers WHERE id_count > 0")
            .fetch_all(db)
            .await?;
    let ids = rows.iter().map(ids).collect::<Result<Vec<_>, _>>()?;
    Ok(ids.into_iter().flatten().collect())
}

/// Whether there was one to remove; its runs go with it.
pub async fn remove(db: &mut SqliteConnection, id: &ContainerId) -> Result<bool, StoreError> {
    Ok(sqlx::query("DELETE FROM containers WHERE id = ?")
        .bind(id.as_str())
        .execute(db)
        .await?
        .rows_affected()
        > 0)
}

/// Containers made from an image.
pub async fn list_of_image(db: &mut SqliteConnection, image: &Digest) -> Result<Vec<ContainerId>, StoreError> {
    sqlx::query("SELECT id FROM containers WHERE image_id = ?")
        .bind(image.as_str())
        .fetch_all(db)
        .await?
        .iter()
        .map(id)
        .collect()
}

fn id(row: &SqliteRow) -> Result<ContainerId, StoreError> {
    let text: &str = row.get("id");
    ContainerId::parse(text).map_err(|error| StoreError::unreadable("containers", text, "id", error))
}

fn ids(row: &SqliteRow) -> Result<Option<HostIds>, StoreError> {
    let number = |column: &'static str| {
        let number = row.get::<Option<i64>, _>(column).map(u32::try_from).transpose();
        number.map_err(|_| StoreError::unreadable("containers", row.get("id"), column, "is no id"))
    };
    let all = (number("first_user")?, number("first_group")?, number("id_count")?);
    let (Some(first_user), Some(first_group), Some(count)) = all else {
        return Ok(None);
    };
    Ok(Some(HostIds {
        first_user,
        first_group,
        count,
        shared: row.get::<Option<bool>, _>("ids_shared").unwrap_or(false),
    }))
}

fn read(row: &SqliteRow) -> Result<ContainerRecord, StoreError> {
    let id = id(row)?;
    let unreadable = |column, why: String| StoreError::unreadable("containers", id.as_str(), column, why);
    let phase = match row.get::<&str, _>("phase") {
        "making" => Phase::Making,
        "ready" => Phase::Ready,
        "removing" => Phase::Removing,
        other => return Err(unreadable("phase", format!("`{other}`"))),
    };
    let endpoint = row
        .get::<Option<&str>, _>("endpoint")
        .map(endpoint::read)
        .transpose()
        .map_err(|why| unreadable("endpoint", why))?;
    let delay: Option<i64> = row.get("restart_delay_ms");
    Ok(ContainerRecord {
        spec: spec::read(row.get("spec")).map_err(|why| unreadable("spec", why))?,
        created: Timestamp::from_unix_nanos(row.get("created_ns")),
        phase,
        state: read_state(row).map_err(|(column, why)| unreadable(column, why))?,
        run: row.get::<i64, _>("run") as u64,
        restart_count: row.get("restart_count"),
        restart_delay: delay
            .map(|ms| u64::try_from(ms).map(Duration::from_millis))
            .transpose()
            .map_err(|_| unreadable("restart_delay_ms", "negative".to_owned()))?,
        stopped_by_hand: row.get("stopped_by_hand"),
        stopped_by: row
            .get::<Option<&str>, _>("stopped_by")
            .map(stopped_by::read)
            .transpose()
            .map_err(|why| unreadable("stopped_by", why))?,
        ids: ids(row)?,
        endpoint,
        ports: ports::read(row.get("ports")).map_err(|why| unreadable("ports", why))?,
        id,
    })
}

fn read_state(row: &SqliteRow) -> Result<State, (&'static str, String)> {
    let number = |column: &'static str| row.get::<Option<i64>, _>(column).ok_or((column, "missing".to_owned()));
    let time = |column| number(column).map(Timestamp::from_unix_nanos);
    let init = || {
        let pid = i32::try_from(number("init_pid")?).map_err(|_| ("init_pid", "too large".to_owned()))?;
        Ok(InitProcess {
            pid,
            start_ticks: number("init_ticks")? as u64,
        })
    };
    Ok(match row.get::<&str, _>("state") {
        "created" => State::Created,
        "running" => State::Running {
            init: init()?,
            since: time("started_ns")?,
        },
        "paused" => State::Paused {
            init: init()?,
            since: time("started_ns")?,
        },
        "exited" => {
            let status = match row.get::<Option<i32>, _>("exit_signal") {
                Some(signal) => {
                    ExitStatus::Signaled(Signal::from_number(signal).ok_or(("exit_signal", format!("{signal}")))?)
                }
                None => {
                    let code = number("exit_code")?;
                    ExitStatus::Code(u8::try_from(code).map_err(|_| ("exit_code", format!("{code}")))?)
                }
            };
            State::Exited {
                status,
                started: time("started_ns")?,
                at: time("ended_ns")?,
                oom_killed: row.get("oom_killed"),
            }
        }
        "failed" => State::Failed {
            code: i32::try_from(number("exit_code")?).map_err(|_| ("exit_code", "too large".to_owned()))?,
            reason: row.get::<Option<String>, _>("reason").unwrap_or_default(),
            at: time("ended_ns")?,
        },
        "lost" => {
            let why = match row.get::<Option<&str>, _>("reason") {
                Some(SHIM_KILLED) => Loss::ShimKilled,
                Some(HOST_RESTARTED) => Loss::HostRestarted,
                other => return Err(("reason", format!("`{}`", other.unwrap_or("missing")))),
            };
            State::Lost {
                at: time("ended_ns")?,
                why,
            }
        }
        other => return Err(("state", format!("`{other}`"))),
    })
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn record(name: &str) -> ContainerRecord {
        let mut bytes = [0; 32];
        bytes[..name.len()].copy_from_slice(name.as_bytes());
        ContainerRecord {
            id: ContainerId::from_random(bytes),
            spec: crate::form::spec::tests::full(name),
            created: Timestamp::from_unix_nanos(3),
            phase: Phase::Making,
            state: State::Created,
            run: 0,
            restart_count: 0,
            restart_delay: None,
            stopped_by_hand: false,
            stopped_by: None,
            ids: None,
            endpoint: None,
            ports: vec![],
        }
    }

    #[tokio::test]
    async fn ids_are_kept_with_the_container_and_given_back_with_it() {
        let (_folder, database) = crate::database::tests::scratch().await;
        let mut tx = database.begin().await.expect("begins");
        let mut web = record("web");
        web.ids = Some(HostIds {
            first_user: 100_000,
            first_group: 200_000,
            count: 65_536,
            shared: true,
        });
        insert(&mut tx, &web).await.expect("inserts");
        insert(&mut tx, &record("db")).await.expect("inserts");
        update(&mut tx, &web).await.expect("updates");
        let found = find(&mut tx, &web.id).await.expect("reads").expect("is there");
        assert_eq!(found.ids, web.ids);
        assert_eq!(list_ids(&mut tx).await.expect("reads"), [web.ids.expect("some")]);
        remove(&mut tx, &web.id).await.expect("removes");
        assert!(list_ids(&mut tx).await.expect("reads").is_empty());
    }

    #[tokio::test]
    async fn every_state_reads_back_as_it_was_written() {
        let (_folder, database) = crate::database::tests::scratch().await;
        let mut tx = database.begin().await.expect("begins");
        let at = Timestamp::from_unix_nanos;
        let init = InitProcess { pid: 7, start_ticks: 8 };
        let exited = |status| State::Exited {
            status,
            started: at(4),
            at: at(5),
            oom_killed: true,
        };
        let mut record = record("web");
        insert(&mut tx, &record).await.expect("inserts");
        for state in [
            State::Created,
            State::Running { init, since: at(4) },
            State::Paused { init, since: at(4) },
            exited(ExitStatus::Code(3)),
            exited(ExitStatus::Signaled(Signal::KILL)),
            State::Failed {
                code: 127,
                reason: "no such file".into(),
                at: at(5),
            },
            State::Lost {
                at: at(6),
                why: Loss::ShimKilled,
            },
            State::Lost {
                at: at(6),
                why: Loss::HostRestarted,
            },
        ] {
            record.state = state;
            record.phase = Phase::Ready;
            record.stopped_by = Some(StoppedBy::User("ann".to_owned()));
            record.run += 1;
            record.restart_delay = Some(Duration::from_millis(record.run * 100));
            record.endpoint = Some(Endpoint {
                address: [10, 88, 0, 2].into(),
                prefix: 16,
                gateway: [10, 88, 0, 1].into(),
                mac: [2, 0, 10, 88, 0, 2],
                host_device: "veth0".into(),
            });
            record.ports = PortMapping::parse("127.0.0.1:8080:80").expect("valid");
            update(&mut tx, &record).await.expect("updates");
            assert_eq!(find(&mut tx, &record.id).await.expect("reads"), Some(record.clone()));
        }
        assert_eq!(
            list_of_image(&mut tx, &record.spec.image.id).await.expect("lists"),
            [record.id.clone()]
        );
        assert!(remove(&mut tx, &record.id).await.expect("removes"));
    }

    #[tokio::test]
    async fn a_name_is_taken_once_also_by_renaming() {
        let (_folder, database) = crate::database::tests::scratch().await;
        let mut tx = database.begin().await.expect("begins");
        insert(&mut tx, &record("web")).await.expect("inserts");
        let mut second = record("api");
        insert(&mut tx, &second).await.expect("inserts");
        second.spec.name = ContainerName::parse("web").expect("a name");
        let refused = update(&mut tx, &second).await.expect_err("is taken");
        assert_eq!(refused.to_string(), "name `web` is taken");
        let found = find_by_name(&mut tx, &second.spec.name).await.expect("reads");
        assert_eq!(found, Some(record("web").id));
    }
}
