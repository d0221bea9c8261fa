use model::mount::{Mount, Source};
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
pub(crate) struct Form {
    #[serde(flatten)]
    source: SourceForm,
    target: String,
    read_only: bool,
}

#[derive(Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
enum SourceForm {
    Bind {
        path: String,
        propagation: Option<String>,
        create: bool,
    },
    Volume {
        name: String,
    },
    Tmpfs {
        size_bytes: Option<u64>,
        mode: Option<u32>,
        options: Vec<String>,
    },
}

impl From<Mount> for Form {
    fn from(
        Mount {
            source,
            target,
            read_only,
        }: Mount,
    ) -> Self {
        let source = match source {
            Source::Bind {
                path,
                propagation,
                create,
            } => SourceForm::Bind {
                path,
                propagation,
                create,
            },
            Source::Volume { name } => SourceForm::Volume { name },
            Source::Tmpfs {
                size_bytes,
                mode,
                options,
            } => SourceForm::Tmpfs {
                size_bytes,
                mode,
                options,
            },
        };
        Self {
            source,
            target,
            read_only,
        }
    }
}

impl From<Form> for Mount {
    fn from(
        Form {
            source,
            target,
            read_only,
        }: Form,
    ) -> Self {
        let source = match source {
            SourceForm::Bind {
                path,
                propagation,
                create,
            } => Source::Bind {
                path,
                propagation,
                create,
            },
            SourceForm::Volume { name } => Source::Volume { name },
            SourceForm::Tmpfs {
                size_bytes,
                mode,
                options,
            } => Source::Tmpfs {
                size_bytes,
                mode,
                options,
            },
        };
        Self {
            source,
            target,
            read_only,
        }
    }
}
