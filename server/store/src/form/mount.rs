use model::mount::{Mount, Recursion, Source};
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
        /// Rows of earlier versions have none.
        #[serde(default)]
        recursion: RecursionForm,
    },
    Volume {
        name: String,
        #[serde(default)]
        no_copy: bool,
    },
    Tmpfs {
        size_bytes: Option<u64>,
        mode: Option<u32>,
        options: Vec<String>,
    },
}

#[derive(Clone, Copy, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum RecursionForm {
    #[default]
    Enabled,
    Disabled,
    Writable,
    ReadOnly,
}

impl From<Recursion> for RecursionForm {
    fn from(recursion: Recursion) -> Self {
        match recursion {
            Recursion::Enabled => Self::Enabled,
            Recursion::Disabled => Self::Disabled,
            Recursion::Writable => Self::Writable,
            Recursion::ReadOnly => Self::ReadOnly,
        }
    }
}

impl From<RecursionForm> for Recursion {
    fn from(recursion: RecursionForm) -> Self {
        match recursion {
            RecursionForm::Enabled => Self::Enabled,
            RecursionForm::Disabled => Self::Disabled,
            RecursionForm::Writable => Self::Writable,
            RecursionForm::ReadOnly => Self::ReadOnly,
        }
    }
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
                recursion,
            } => SourceForm::Bind {
                path,
                propagation,
                create,
                recursion: recursion.into(),
            },
            Source::Volume { name, no_copy } => SourceForm::Volume { name, no_copy },
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
                recursion,
            } => Source::Bind {
                path,
                propagation,
                create,
                recursion: recursion.into(),
            },
            SourceForm::Volume { name, no_copy } => Source::Volume { name, no_copy },
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
