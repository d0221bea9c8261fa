use model::image::Digest;
use std::io;
use std::path::PathBuf;

/// Why an image did not come.
#[derive(Debug, thiserror::Error)]
pub enum ImageError {
    #[error("the registry has no `{0}`; check the name, or sign in if it is private")]
    NotFound(String),
    #[error("the registry `{registry}` wants other credentials for `{repository}`; sign in, or check the name")]
    Unauthorized { registry: String, repository: String },
    #[error("the registry `{0}` asks to slow down; try again later, or sign in")]
    TooManyRequests(String),
    #[error("cannot reach the registry `{registry}`: {reason}")]
    Unreachable { registry: String, reason: String },
    #[error("the registry `{registry}` sent next to nothing for {seconds} s; try again later, or by a mirror")]
    TooSlow { registry: String, seconds: f32 },
    #[error("the registry `{registry}` answered {status} to `{path}`")]
    Answer {
        registry: String,
        status: u16,
        path: String,
    },
    #[error("the registry `{registry}` sent us to `{to}`, which is not safe to follow")]
    Redirect { registry: String, to: String },
    #[error("`{reference}` is not there for {platform}; it is for {available}")]
    Platform {
        reference: String,
        platform: String,
        available: String,
    },
    #[error("{what} has digest {found} instead of {expected}; what came is not what was promised, and was thrown away")]
    Digest {
        what: &'static str,
        expected: Digest,
        found: Digest,
    },
    #[error("{what} has {found} bytes instead of {expected}; what came was thrown away")]
    Size {
        what: &'static str,
        expected: u64,
        found: u64,
    },
    #[error("{what} is larger than the {limit_bytes} bytes allowed")]
    TooLarge { what: &'static str, limit_bytes: u64 },
    #[error("{what} cannot be read: {why}")]
    Malformed { what: &'static str, why: String },
    #[error("media type `{0}` is not known")]
    MediaType(String),
    #[error("layer {layer} cannot be unpacked at `{path}`: {source}")]
    Unpack {
        layer: Digest,
        path: PathBuf,
        source: io::Error,
    },
    #[error("the archive holds no image; it needs a `manifest.json` or an `index.json`")]
    NoImage,
    #[error("the archive lacks `{0}`, which it names")]
    Missing(String),
    #[error("cannot {doing} `{path}`: {source}")]
    File {
        doing: &'static str,
        path: PathBuf,
        source: io::Error,
    },
    #[error("cannot read the archive: {0}")]
    Read(io::Error),
    #[error("it was cancelled")]
    Cancelled,
    #[error("work on a thread of its own broke off: {0}")]
    Broken(String),
}

impl ImageError {
    pub(crate) fn file(doing: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::File { doing, path, source }
    }

    pub(crate) fn malformed(what: &'static str, why: impl std::fmt::Display) -> Self {
        Self::Malformed {
            what,
            why: why.to_string(),
        }
    }
}
