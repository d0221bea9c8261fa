//! Keys of the cache: the same key, the same outcome. A key is made of what an order
//! reads and of what it is done on, which is told by content: two ways to the same
//! files meet in the same key.

use crate::instruction::MountKind;
use crate::settings::Settings;
use crate::state::{CopyOrder, Order, RunOrder};
use sha2::{Digest as _, Sha256};
use std::fmt::Write as _;

/// What is not in an order itself.
#[derive(Debug, Clone, Copy)]
pub struct Ground<'a> {
    /// The chain id of the files it is done on; empty on nothing.
    pub files: &'a str,
    pub platform: &'a str,
    /// Times are cut off at it: other times, other layers.
    pub epoch: Option<i64>,
}

/// Parts, each with its length, so that none can pass for another.
#[derive(Debug, Clone)]
pub struct Key {
    hash: Sha256,
}

impl Key {
    pub fn new(kind: &str) -> Self {
        let mut key = Self { hash: Sha256::new() };
        // Changed when the same order comes to mean something else.
        key.part("1");
        key.part(kind);
        key
    }

    pub fn part(&mut self, part: impl AsRef<[u8]>) -> &mut Self {
        let part = part.as_ref();
        self.hash.update((part.len() as u64).to_le_bytes());
        self.hash.update(part);
        self
    }

    fn parts<T: AsRef<[u8]>>(&mut self, parts: impl IntoIterator<Item = T>) -> &mut Self {
        let mut count = 0u64;
        for part in parts {
            self.part(part);
            count += 1;
        }
        self.part(count.to_le_bytes())
    }

    /// 64 hexadecimal digits.
    pub fn finish(&self) -> String {
        let mut text = String::with_capacity(64);
        for byte in self.hash.clone().finalize() {
            let _ = write!(text, "{byte:02x}");
        }
        text
    }
}

/// The key of an order; `contents` are digests of the files it reads from elsewhere,
/// in order. `None` for what needs no key: a directory is looked for each time.
pub fn of_order(order: &Order, ground: Ground<'_>, contents: &[String]) -> Option<String> {
    match order {
        Order::Settings | Order::MakeDir { .. } => None,
        Order::Run(run) => Some(of_run(run, ground, contents)),
        Order::Copy(copy) => Some(of_copy(copy, ground, contents)),
    }
}

/// Of settings that were changed: what they are now, and when they were before.
pub fn of_settings(files: &str, settings: &Settings, before: &str, created_by: &str) -> String {
    let mut key = Key::new("settings");
    key.part(files)
        .part(format!("{settings:?}"))
        .part(before)
        .part(created_by);
    key.finish()
}

fn ground(key: &mut Key, ground: Ground<'_>) {
    key.part(ground.platform);
    key.part(ground.epoch.map(|epoch| epoch.to_string()).unwrap_or_default());
}

fn of_run(run: &RunOrder, on: Ground<'_>, contents: &[String]) -> String {
    let mut key = Key::new("run");
    ground(&mut key, on);
    key.part(on.files);
    key.parts(&run.words);
    key.part(run.script.as_ref().map_or("", |script| script.content.as_str()));
    key.parts(run.env.iter().map(|(name, value)| format!("{name}={value}")));
    key.part(&run.user).part(&run.working_dir);
    key.part(format!("{:?}", run.network));
    // What is in a secret, a cache or a socket is of no matter; what is bound is, and
    // comes with its content.
    for mount in &run.mounts {
        key.part(&mount.target);
        match &mount.kind {
            MountKind::Bind { writable, .. } => key.part("bind").part([u8::from(*writable)]),
            MountKind::Cache {
                id, read_only, owner, ..
            } => key
                .part("cache")
                .part(id)
                .part([u8::from(*read_only)])
                .part(format!("{owner:?}")),
            MountKind::Tmpfs { size_bytes } => key.part("tmpfs").part(format!("{size_bytes:?}")),
            MountKind::Secret { id, env, owner, .. } => key
                .part("secret")
                .part(id)
                .part(format!("{env:?}"))
                .part(format!("{owner:?}")),
            MountKind::Ssh { id, owner, .. } => key.part("ssh").part(id).part(format!("{owner:?}")),
        };
    }
    key.parts(contents);
    key.finish()
}

fn of_copy(copy: &CopyOrder, on: Ground<'_>, contents: &[String]) -> String {
    let mut key = Key::new("copy");
    ground(&mut key, on);
    // A linked layer is the same on anything.
    key.part(if copy.link { "" } else { on.files });
    key.part([
        u8::from(copy.is_add),
        u8::from(copy.into_dir),
        u8::from(copy.link),
        u8::from(copy.parents),
    ]);
    key.part(&copy.destination);
    key.part(format!("{:?}", copy.unpack));
    key.part(format!("{:?}", copy.owner)).part(format!("{:?}", copy.mode));
    key.parts(copy.files.iter().flat_map(|(name, text)| [name, text]));
    // Which sources, the contents tell: a renamed directory is the same.
    key.parts(contents);
    key.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Dockerfile;
    use crate::state::{Arguments, State};

    fn key(text: &str, files: &str, contents: &[&str]) -> String {
        let file = Dockerfile::parse(text).unwrap();
        let mut state = State::new(Settings::default(), Arguments::default(), '\\');
        let mut last = None;
        for step in &file.stages[0].steps {
            last = Some(state.apply(step).unwrap().order);
        }
        let ground = Ground {
            files,
            platform: "linux/amd64",
            epoch: None,
        };
        let contents: Vec<String> = contents.iter().map(|text| (*text).to_owned()).collect();
        of_order(&last.unwrap(), ground, &contents).unwrap()
    }

    #[test]
    fn a_run_is_told_by_command_environment_and_what_it_is_done_on() {
        let one = key("FROM a\nRUN x", "f", &[]);
        assert_eq!(one, key("FROM a\nLABEL y=z\nRUN x", "f", &[]));
        assert_ne!(one, key("FROM a\nRUN y", "f", &[]));
        assert_ne!(one, key("FROM a\nRUN x", "g", &[]));
        assert_ne!(one, key("FROM a\nENV A=1\nRUN x", "f", &[]));
        assert_ne!(one, key("FROM a\nARG A=1\nRUN x", "f", &[]));
        assert_eq!(one, key("FROM a\nARG A\nRUN x", "f", &[]));
        assert_ne!(one, key("FROM a\nUSER 7\nRUN x", "f", &[]));
        assert_ne!(one, key("FROM a\nRUN [\"/bin/sh\", \"-c\", \"x\", \"\"]", "f", &[]));
        assert_eq!(one, key("FROM a\nRUN [\"/bin/sh\", \"-c\", \"x\"]", "f", &[]));
        let bound = "FROM a\nRUN --mount=target=/m x";
        assert_ne!(key(bound, "f", &["1"]), key(bound, "f", &["2"]));
    }

    #[test]
    fn a_copy_is_told_by_content_and_a_linked_one_by_nothing_below() {
        let one = key("FROM a\nCOPY x /y", "f", &["c"]);
        assert_ne!(one, key("FROM a\nCOPY x /y", "f", &["d"]));
        assert_ne!(one, key("FROM a\nCOPY x /y", "g", &["c"]));
        assert_ne!(one, key("FROM a\nCOPY x /y/", "f", &["c"]));
        assert_eq!(one, key("FROM a\nENV A=1\nCOPY z /y", "f", &["c"]));
        let linked = "FROM a\nCOPY --link x /y";
        assert_eq!(key(linked, "f", &["c"]), key(linked, "g", &["c"]));
    }
}
