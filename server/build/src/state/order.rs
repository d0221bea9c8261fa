use crate::instruction::{Mount, RunNetwork};
use crate::mode::Mode;
use crate::owner::Who;

/// What a step asks for besides the settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Order {
    /// Nothing.
    Settings,
    /// A directory that is there at the end.
    MakeDir {
        path: String,
    },
    Run(RunOrder),
    Copy(CopyOrder),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunOrder {
    /// Program and arguments.
    pub words: Vec<String>,
    pub script: Option<Script>,
    /// What it sees, arguments after the image's own.
    pub env: Vec<(String, String)>,
    /// Seen, too, and of no matter to the cache: proxies.
    pub hidden_env: Vec<(String, String)>,
    pub mounts: Vec<Mount>,
    pub network: RunNetwork,
    /// As `USER` has it; empty is root.
    pub user: String,
    /// Absolute.
    pub working_dir: String,
}

/// A here-document that says by `#!` what runs it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Script {
    pub path: String,
    pub content: String,
}

/// What `--from` says: a stage or an image; nothing is the context.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Location(pub Option<String>);

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CopyOrder {
    pub location: Location,
    /// Archives are unpacked, and addresses are fetched.
    pub is_add: bool,
    pub checksum: Option<String>,
    pub keep_git_dir: bool,
    pub unpack: Option<bool>,
    pub sources: Vec<String>,
    /// Name and content, from here-documents.
    pub files: Vec<(String, String)>,
    /// Absolute, without a slash at the end.
    pub destination: String,
    /// It is a directory, there or not.
    pub into_dir: bool,
    pub owner: Option<Who>,
    pub mode: Option<Mode>,
    pub link: bool,
    pub parents: bool,
    pub exclude: Vec<String>,
}

/// What a source of `ADD` is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AddSource {
    Path(String),
    Url(String),
    /// Address, what to check out, and the directory in it.
    Git {
        url: String,
        reference: Option<String>,
        subdir: Option<String>,
    },
}

impl AddSource {
    pub fn parse(text: &str) -> Self {
        let (address, fragment) = match text.split_once('#') {
            Some((address, fragment)) => (address, Some(fragment)),
            None => (text, None),
        };
        let web = address.starts_with("http://") || address.starts_with("https://");
        let git = address.starts_with("git://")
            || address.starts_with("ssh://")
            || address.starts_with("git@")
            || (web && address.trim_end_matches('/').strip_suffix(".git").is_some());
        if git {
            let (reference, subdir) = match fragment.map(|text| text.split_once(':').unwrap_or((text, ""))) {
                Some((reference, subdir)) => (some(reference), some(subdir)),
                None => (None, None),
            };
            return Self::Git {
                url: address.to_owned(),
                reference,
                subdir,
            };
        }
        if web {
            return Self::Url(text.to_owned());
        }
        Self::Path(text.to_owned())
    }
}

fn some(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}
