//! The words that docs/style.md section 1 asks to replace are not used in documentation
//! comments (which become the API's and the command line's help), error texts, log lines and
//! strings. `language.txt` has the count of each crate that still has some: it may only fall.

use crate::root;
use regex::Regex;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

/// Words with another, established term; docs/style.md and docs/glossary.md have the terms.
const WORDS: &str = r"(?i)\b(anew|afresh|besides|lets? go|nobody|honest|honestly|buries|foster|wish(es)?|hears?|heard|obeys?|hire|hired|goodbye|patience|cables?|way out|be patient|is no|what was brought|is laid|to mend|mended|for want of|of its own accord|whoever|wants of)\b";

/// Lines that people read: documentation comments, and lines with a string.
fn is_prose(line: &str) -> bool {
    let line = line.trim_start();
    line.starts_with("///") || line.starts_with("//!") || (!line.starts_with("//") && line.contains('"'))
}

fn count(folder: &Path, words: &Regex, found: &mut Vec<String>) {
    for entry in std::fs::read_dir(folder).expect("a readable folder") {
        let path = entry.expect("a readable entry").path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if path.is_dir() && !["target", "node_modules", "dist", "tests"].contains(&name.as_str()) {
            count(&path, words, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = std::fs::read_to_string(&path).expect("readable");
            for (number, line) in (1..).zip(text.lines()) {
                if is_prose(line) && words.is_match(line) {
                    found.push(format!("{}:{number}: {}", path.display(), line.trim()));
                }
            }
        }
    }
}

#[test]
fn house_words_only_become_fewer() {
    let words = Regex::new(WORDS).expect("a valid expression");
    let file = root().join("tests/tidy/language.txt");
    let text = std::fs::read_to_string(&file).expect("tests/tidy/language.txt exists");
    let allowed: BTreeMap<&str, usize> = text
        .lines()
        .filter_map(|line| line.split_once(' '))
        .filter_map(|(name, number)| Some((name, number.parse().ok()?)))
        .collect();
    let server = std::fs::read_dir(root().join("server")).expect("server/ exists");
    let mut folders: Vec<_> = server.map(|entry| entry.expect("readable").path()).collect();
    folders.extend(["shared", "web", "xtask"].map(|folder| root().join(folder)));
    folders.sort();
    let mut written = String::new();
    for folder in folders {
        let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let mut found = Vec::new();
        count(&folder, &words, &mut found);
        let limit = allowed.get(name.as_str()).copied().unwrap_or(0);
        if !found.is_empty() {
            let _ = writeln!(written, "{name} {}", found.len());
        }
        if std::env::var_os("GANTRY_TEST_WRITE").is_some() {
            continue;
        }
        assert!(
            found.len() <= limit,
            "{name} has {} lines with words that docs/style.md replaces, {limit} are allowed: use the field's terms\n{}",
            found.len(),
            found.join("\n")
        );
        assert!(
            found.len() == limit,
            "{name} has only {} such lines left: lower its number in tests/tidy/language.txt",
            found.len()
        );
    }
    if std::env::var_os("GANTRY_TEST_WRITE").is_some() {
        std::fs::write(file, written).expect("writable");
    }
}
