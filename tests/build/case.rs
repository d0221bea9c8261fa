//! Cases as text, so that a Dockerfile and what it gives stand side by side:
//!
//! ```text
//! === a name
//! --- file app/a.txt 0644
//! text
//! --- link app/b -> a.txt
//! --- dir empty
//! --- arg VERSION=2
//! --- target tests
//! --- secret token=hush
//! --- dockerfile
//! FROM scratch
//! COPY app /app
//! --- gives
//! Cmd ["sh"]
//! + app d 0755 0:0
//! --- fails
//! a part of the message
//! --- alone why no peer builds it, or builds it otherwise
//! ```

use std::path::{Path, PathBuf};

#[derive(Debug, Clone, Default)]
pub(crate) struct Case {
    pub(crate) name: String,
    pub(crate) files: Vec<Entry>,
    pub(crate) args: Vec<(String, String)>,
    pub(crate) target: Option<String>,
    pub(crate) secrets: Vec<(String, String)>,
    pub(crate) dockerfile: String,
    pub(crate) gives: Vec<String>,
    pub(crate) fails: Option<String>,
    /// Why no peer is asked.
    pub(crate) alone: Option<String>,
}

#[derive(Debug, Clone)]
pub(crate) enum Entry {
    File { path: String, mode: u32, bytes: Vec<u8> },
    Link { path: String, target: String },
    Dir { path: String, mode: u32 },
}

/// A file of cases.
pub(crate) struct Group {
    pub(crate) path: PathBuf,
    pub(crate) cases: Vec<Case>,
}

/// All there are, by file name.
pub(crate) fn all() -> Vec<Group> {
    let dir = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/build/cases"));
    let mut paths: Vec<PathBuf> = std::fs::read_dir(dir)
        .expect("the folder of cases")
        .map(|entry| entry.expect("readable").path())
        .collect();
    paths.sort();
    let groups = paths.into_iter().map(|path| Group {
        cases: parse(&std::fs::read_to_string(&path).expect("a readable file")),
        path,
    });
    groups.collect()
}

pub(crate) fn parse(text: &str) -> Vec<Case> {
    let mut cases = Vec::new();
    for block in text.split("=== ").skip(1) {
        let (name, rest) = block.split_once('\n').unwrap_or((block, ""));
        let mut case = Case {
            name: name.trim().to_owned(),
            ..Case::default()
        };
        for part in format!("\n{rest}").split("\n--- ").skip(1) {
            let (head, body) = part.split_once('\n').unwrap_or((part, ""));
            case.take(head.trim(), body);
        }
        assert!(!case.dockerfile.is_empty(), "case `{}` has no Dockerfile", case.name);
        cases.push(case);
    }
    cases
}

impl Case {
    fn take(&mut self, head: &str, body: &str) {
        let (kind, rest) = head.split_once(' ').unwrap_or((head, ""));
        let pair = || {
            let (name, value) = rest.split_once('=').unwrap_or((rest, ""));
            (name.to_owned(), value.to_owned())
        };
        let path_and_mode = |otherwise| match rest.rsplit_once(' ') {
            Some((path, mode)) if mode.bytes().all(|b| b.is_ascii_digit()) => {
                (path.to_owned(), u32::from_str_radix(mode, 8).expect("an octal mode"))
            }
            _ => (rest.to_owned(), otherwise),
        };
        match kind {
            "file" => {
                let (path, mode) = path_and_mode(0o644);
                // The last line ends, unless it says otherwise.
                let bytes = match body.strip_suffix("\\") {
                    Some(body) => body.as_bytes().to_vec(),
                    None if body.is_empty() => Vec::new(),
                    None => format!("{body}\n").into_bytes(),
                };
                self.files.push(Entry::File { path, mode, bytes });
            }
            "tar" => {
                // path, packing, then names of files in it.
                let words: Vec<&str> = rest.split(' ').collect();
                self.files.push(Entry::File {
                    path: words[0].to_owned(),
                    mode: 0o644,
                    bytes: crate::archive::packed(words[1], &words[2..]),
                });
            }
            "link" => {
                let (path, target) = rest.split_once(" -> ").expect("`path -> target`");
                self.files.push(Entry::Link {
                    path: path.to_owned(),
                    target: target.to_owned(),
                });
            }
            "dir" => {
                let (path, mode) = path_and_mode(0o755);
                self.files.push(Entry::Dir { path, mode });
            }
            "arg" => self.args.push(pair()),
            "secret" => self.secrets.push(pair()),
            "target" => self.target = Some(rest.to_owned()),
            "dockerfile" => self.dockerfile = format!("{}\n", body.trim_end_matches('\n')),
            "gives" => {
                let lines = body.lines().filter(|line| !line.is_empty());
                self.gives = lines.map(str::to_owned).collect();
            }
            "fails" => self.fails = Some(body.trim().to_owned()),
            "alone" => self.alone = Some(rest.to_owned()),
            other => panic!("case `{}`: there is no `--- {other}`", self.name),
        }
    }

    /// The context, with the Dockerfile.
    pub(crate) fn context(&self) -> Vec<u8> {
        let mut tar = tar::Builder::new(Vec::new());
        let header = |kind, mode, size: usize| {
            let mut header = tar::Header::new_gnu();
            header.set_entry_type(kind);
            header.set_mode(mode);
            header.set_size(size as u64);
            header.set_mtime(1_600_000_000);
            header.set_uid(1000);
            header.set_gid(1000);
            header
        };
        let add = |tar: &mut tar::Builder<Vec<u8>>, mut header: tar::Header, path: &str, bytes: &[u8]| {
            tar.append_data(&mut header, path, bytes).expect("a tar in memory");
        };
        for entry in &self.files {
            match entry {
                Entry::File { path, mode, bytes } => {
                    add(
                        &mut tar,
                        header(tar::EntryType::Regular, *mode, bytes.len()),
                        path,
                        bytes,
                    );
                }
                Entry::Dir { path, mode } => add(&mut tar, header(tar::EntryType::Directory, *mode, 0), path, b""),
                Entry::Link { path, target } => {
                    let mut header = header(tar::EntryType::Symlink, 0o777, 0);
                    tar.append_link(&mut header, path, target).expect("a tar in memory");
                }
            }
        }
        let text = self.dockerfile.as_bytes();
        add(
            &mut tar,
            header(tar::EntryType::Regular, 0o644, text.len()),
            "Dockerfile",
            text,
        );
        tar.into_inner().expect("a tar in memory")
    }
}

/// The text of a group with what its cases gave written anew.
pub(crate) fn rewrite(text: &str, given: &[(String, Vec<String>)]) -> String {
    let mut out = String::new();
    let mut blocks = text.split("=== ");
    out.push_str(blocks.next().unwrap_or_default());
    for block in blocks {
        let name = block.lines().next().unwrap_or_default().trim();
        let mut parts: Vec<&str> = block.split("\n--- ").collect();
        let lines = given.iter().find(|(known, _)| known == name).map(|(_, lines)| lines);
        let fresh;
        if let Some(lines) = lines {
            parts.retain(|part| !part.starts_with("gives"));
            fresh = format!("gives\n{}", lines.join("\n"));
            let at = parts
                .iter()
                .position(|part| part.starts_with("alone"))
                .unwrap_or(parts.len());
            parts.insert(at, &fresh);
        }
        out.push_str("=== ");
        let parts: Vec<&str> = parts.iter().map(|part| part.trim_end_matches('\n')).collect();
        out.push_str(&parts.join("\n--- "));
        out.push_str("\n\n");
    }
    format!("{}\n", out.trim_end())
}
