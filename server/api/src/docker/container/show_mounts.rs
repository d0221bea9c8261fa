//! Mounts in the three forms of a create request, so that what is shown can be sent back.

use model::mount::{Mount, Recursion, Source};
use serde_json::{Map, Value, json};

#[derive(Debug, Default)]
pub(super) struct ShownMounts {
    /// `SOURCE:TARGET[:OPTIONS]`.
    pub(super) binds: Vec<String>,
    /// What `binds` cannot say: a source that must exist, a `:` in a path.
    pub(super) mounts: Vec<Value>,
    /// Options by target.
    pub(super) tmpfs: Map<String, Value>,
}

impl ShownMounts {
    pub(super) fn of(mounts: &[Mount]) -> Self {
        let mut shown = Self::default();
        for mount in mounts {
            match &mount.source {
                Source::Bind {
                    path,
                    propagation,
                    create,
                    recursion,
                } => shown.add_bind(mount, path, propagation.as_deref(), *create, *recursion),
                Source::Volume { name, no_copy } if mount.target.contains(':') => shown.mounts.push(json!({
                    "Type": "volume",
                    "Source": name,
                    "Target": mount.target,
                    "ReadOnly": mount.read_only,
                    "VolumeOptions": { "NoCopy": no_copy },
                })),
                Source::Volume { name, no_copy } => {
                    shown.binds.push(bind(name, mount, no_copy.then_some("nocopy")));
                }
                Source::Tmpfs {
                    size_bytes,
                    mode,
                    options,
                } => {
                    let mut words: Vec<String> = Vec::new();
                    words.extend(mount.read_only.then(|| "ro".to_owned()));
                    words.extend(size_bytes.map(|bytes| format!("size={bytes}")));
                    words.extend(mode.map(|mode| format!("mode={mode:o}")));
                    words.extend(options.iter().cloned());
                    shown.tmpfs.insert(mount.target.clone(), words.join(",").into());
                }
            }
        }
        shown
    }

    fn add_bind(&mut self, mount: &Mount, path: &str, propagation: Option<&str>, create: bool, recursion: Recursion) {
        if create && recursion == Recursion::Enabled && !path.contains(':') && !mount.target.contains(':') {
            self.binds.push(bind(path, mount, propagation));
            return;
        }
        let mut options = Map::new();
        if let Some(propagation) = propagation {
            options.insert("Propagation".to_owned(), propagation.into());
        }
        if create {
            options.insert("CreateMountpoint".to_owned(), true.into());
        }
        let recursive = match recursion {
            Recursion::Enabled => None,
            Recursion::Disabled => Some("NonRecursive"),
            Recursion::Writable => Some("ReadOnlyNonRecursive"),
            Recursion::ReadOnly => Some("ReadOnlyForceRecursive"),
        };
        options.extend(recursive.map(|option| (option.to_owned(), true.into())));
        let mut shown = json!({
            "Type": "bind",
            "Source": path,
            "Target": mount.target,
            "ReadOnly": mount.read_only,
        });
        if !options.is_empty() {
            shown["BindOptions"] = options.into();
        }
        self.mounts.push(shown);
    }
}

fn bind(source: &str, mount: &Mount, option: Option<&str>) -> String {
    let options: Vec<&str> = mount.read_only.then_some("ro").into_iter().chain(option).collect();
    let mode = if options.is_empty() {
        String::new()
    } else {
        format!(":{}", options.join(","))
    };
    format!("{source}:{}{mode}", mount.target)
}
