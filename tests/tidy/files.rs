//! What files may be called, how long they may be, and what they may say.

use crate::root;
use std::path::{Path, PathBuf};

const LONGEST_FILE: usize = 600;

fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("a readable folder") {
        let path = entry.expect("a readable entry").path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if name.starts_with('.') || ["target", "node_modules", "dist", "dist.tmp"].contains(&name.as_str()) {
            continue;
        }
        if path.is_dir() {
            files(&path, found);
        } else {
            found.push(path);
        }
    }
}

fn sources() -> Vec<PathBuf> {
    let mut found = Vec::new();
    files(root(), &mut found);
    found.retain(|path| path.extension().is_some_and(|e| e == "rs"));
    found
}

#[test]
fn there_are_no_drawers_for_odds_and_ends() {
    for file in sources() {
        let stem = file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let folder = file
            .parent()
            .and_then(Path::file_name)
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        for drawer in ["util", "utils", "helper", "helpers", "common", "misc"] {
            assert!(
                stem != drawer && folder != drawer,
                "{}: name the concept instead",
                file.display()
            );
        }
    }
}

#[test]
fn no_file_holds_two_concepts() {
    let long: Vec<String> = sources()
        .iter()
        .map(|file| (file, std::fs::read_to_string(file).unwrap_or_default().lines().count()))
        .filter(|(_, lines)| *lines > LONGEST_FILE)
        .map(|(file, lines)| format!("{}: {lines} lines", file.display()))
        .collect();
    assert!(long.is_empty(), "look for the second concept inside: {long:#?}");
}

#[test]
fn migrations_go_forward_and_say_why() {
    let mut found = Vec::new();
    files(&root().join("migrations"), &mut found);
    found.sort();
    for (number, file) in (1..).zip(found) {
        let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
        assert!(
            name.starts_with(&format!("{number:04}_")),
            "{name}: migrations are numbered without a gap"
        );
        let text = std::fs::read_to_string(&file).expect("a readable file");
        assert!(
            text.starts_with("-- "),
            "{name} must begin with a comment that says why"
        );
    }
}

/// What containers and images say is text. Leptos writes it as text unless it is told
/// otherwise, and nothing tells it.
#[test]
fn the_panel_writes_no_html_of_others() {
    for file in sources() {
        if !file.starts_with(root().join("web")) {
            continue;
        }
        let text = std::fs::read_to_string(&file).expect("readable");
        for word in ["inner_html", "set_outer_html", "insert_adjacent_html", "document.write"] {
            assert!(
                !text.contains(word),
                "{} says `{word}`: text of others would become HTML; build elements of it instead",
                file.display()
            );
        }
    }
}
