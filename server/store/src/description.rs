//! A container's row and the row of its image as text. The engine keeps it beside the
//! container's files, so that a lost database can be rebuilt.

use crate::containers::{ContainerRecord, Phase};
use crate::form::{endpoint, ports, spec};
use crate::images::{ImageRow, LayerRow};
use model::Timestamp;
use model::container::{ContainerId, HostIds, InitProcess, State};
use model::image::Digest;
use serde::{Deserialize, Serialize};

/// A description of another version is not read.
const VERSION: u32 = 1;

/// What can be known of a container without a database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Description {
    /// `Running` as of the last start, else `Created`: how a run ended is in its exit record.
    pub record: ContainerRecord,
    pub image: Option<ImageRow>,
}

#[derive(Serialize, Deserialize)]
struct Form {
    version: u32,
    id: String,
    created_ns: i64,
    spec: String,
    run: u64,
    stopped_by_hand: bool,
    ids: Option<Ids>,
    init: Option<Init>,
    endpoint: Option<String>,
    ports: String,
    image: Option<Image>,
}

#[derive(Serialize, Deserialize)]
struct Ids {
    first_user: u32,
    first_group: u32,
    count: u32,
    shared: bool,
}

#[derive(Serialize, Deserialize)]
struct Init {
    pid: i32,
    start_ticks: u64,
    since_ns: i64,
}

#[derive(Serialize, Deserialize)]
struct Image {
    id: String,
    manifest: String,
    created_ns: Option<i64>,
    added_ns: i64,
    size_bytes: u64,
    layers: Vec<Layer>,
}

#[derive(Serialize, Deserialize)]
struct Layer {
    digest: String,
    diff_id: String,
    chain_id: String,
    size_bytes: u64,
    unpacked_bytes: u64,
}

/// As JSON.
pub fn write(record: &ContainerRecord, image: Option<&ImageRow>) -> String {
    let init = match &record.state {
        State::Running { init, since } | State::Paused { init, since } => Some(Init {
            pid: init.pid,
            start_ticks: init.start_ticks,
            since_ns: since.as_unix_nanos(),
        }),
        State::Created | State::Exited { .. } | State::Failed { .. } | State::Lost { .. } => None,
    };
    let form = Form {
        version: VERSION,
        id: record.id.as_str().to_owned(),
        created_ns: record.created.as_unix_nanos(),
        spec: spec::write(&record.spec),
        run: record.run,
        stopped_by_hand: record.stopped_by_hand,
        ids: record.ids.map(|ids| Ids {
            first_user: ids.first_user,
            first_group: ids.first_group,
            count: ids.count,
            shared: ids.shared,
        }),
        init,
        endpoint: record.endpoint.as_ref().map(endpoint::write),
        ports: ports::write(&record.ports),
        image: image.map(write_image),
    };
    serde_json::to_string(&form).expect("plain data is JSON")
}

/// # Errors
/// Why it cannot be read, for people.
pub fn read(text: &str) -> Result<Description, String> {
    let form: Form = serde_json::from_str(text).map_err(|error| error.to_string())?;
    if form.version != VERSION {
        return Err(format!("it has version {}, and {VERSION} can be read", form.version));
    }
    let state = match form.init {
        Some(init) => State::Running {
            init: InitProcess {
                pid: init.pid,
                start_ticks: init.start_ticks,
            },
            since: Timestamp::from_unix_nanos(init.since_ns),
        },
        None => State::Created,
    };
    let record = ContainerRecord {
        id: ContainerId::parse(&form.id).map_err(|error| error.to_string())?,
        spec: spec::read(&form.spec)?,
        created: Timestamp::from_unix_nanos(form.created_ns),
        phase: Phase::Ready,
        state,
        run: form.run,
        restart_count: 0,
        restart_delay: None,
        stopped_by_hand: form.stopped_by_hand,
        stopped_by: None,
        ids: form.ids.map(|ids| HostIds {
            first_user: ids.first_user,
            first_group: ids.first_group,
            count: ids.count,
            shared: ids.shared,
        }),
        endpoint: form.endpoint.as_deref().map(endpoint::read).transpose()?,
        ports: ports::read(&form.ports)?,
    };
    Ok(Description {
        record,
        image: form.image.map(read_image).transpose()?,
    })
}

fn write_image(image: &ImageRow) -> Image {
    Image {
        id: image.id.as_str().to_owned(),
        manifest: image.manifest.as_str().to_owned(),
        created_ns: image.created.map(Timestamp::as_unix_nanos),
        added_ns: image.added.as_unix_nanos(),
        size_bytes: image.size_bytes,
        layers: image
            .layers
            .iter()
            .map(|layer| Layer {
                digest: layer.digest.as_str().to_owned(),
                diff_id: layer.diff_id.as_str().to_owned(),
                chain_id: layer.chain_id.as_str().to_owned(),
                size_bytes: layer.size_bytes,
                unpacked_bytes: layer.unpacked_bytes,
            })
            .collect(),
    }
}

fn read_image(image: Image) -> Result<ImageRow, String> {
    let digest = |text: &str| Digest::parse(text).map_err(|error| error.to_string());
    Ok(ImageRow {
        id: digest(&image.id)?,
        manifest: digest(&image.manifest)?,
        created: image.created_ns.map(Timestamp::from_unix_nanos),
        added: Timestamp::from_unix_nanos(image.added_ns),
        used: None,
        size_bytes: image.size_bytes,
        layers: image
            .layers
            .iter()
            .map(|layer| {
                Ok(LayerRow {
                    digest: digest(&layer.digest)?,
                    diff_id: digest(&layer.diff_id)?,
                    chain_id: digest(&layer.chain_id)?,
                    size_bytes: layer.size_bytes,
                    unpacked_bytes: layer.unpacked_bytes,
                })
            })
            .collect::<Result<_, String>>()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record() -> ContainerRecord {
        ContainerRecord {
            id: ContainerId::from_random([3; 32]),
            spec: spec::tests::full("web"),
            created: Timestamp::from_unix_nanos(5),
            phase: Phase::Ready,
            state: State::Running {
                init: InitProcess { pid: 7, start_ticks: 8 },
                since: Timestamp::from_unix_nanos(9),
            },
            run: 4,
            restart_count: 0,
            restart_delay: None,
            stopped_by_hand: true,
            stopped_by: None,
            ids: None,
            endpoint: None,
            ports: Vec::new(),
        }
    }

    #[test]
    fn a_described_container_is_read_as_it_was() {
        let digest = |byte| Digest::from_sha256([byte; 32]);
        let image = ImageRow {
            id: digest(1),
            manifest: digest(2),
            created: None,
            added: Timestamp::from_unix_nanos(3),
            used: None,
            size_bytes: 4,
            layers: vec![LayerRow {
                digest: digest(5),
                diff_id: digest(6),
                chain_id: digest(7),
                size_bytes: 8,
                unpacked_bytes: 9,
            }],
        };
        let read = read(&write(&record(), Some(&image))).expect("readable");
        assert_eq!(read.record, record());
        assert_eq!(read.image, Some(image));
    }

    #[test]
    fn what_is_cut_or_of_another_version_is_refused() {
        let text = write(&record(), None);
        assert!(read("").is_err() && read(&text[..text.len() / 2]).is_err());
        assert!(read(&text.replace("\"version\":1", "\"version\":2")).is_err());
    }
}
