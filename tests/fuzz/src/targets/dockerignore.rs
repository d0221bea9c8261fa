//! `.dockerignore`, a line without anything on it, and paths of a context.

use build::Ignore;
use std::time::{Duration, Instant};

/// Two texts of 64 KiB, compared letter by letter, are done in far less.
const MOST: Duration = Duration::from_secs(15);

pub(crate) fn run(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let (lines, paths) = text.split_once("\n\n").unwrap_or((text, "src/a.rs\nnode_modules/x/y"));
    let begun = Instant::now();
    match Ignore::parse(lines) {
        Ok(ignore) => {
            for path in paths.lines().take(64).map(build::clean) {
                let out = ignore.leaves_out(&path);
                assert!(!out || !ignore.is_empty());
            }
        }
        Err(mistake) => assert!(!mistake.message.is_empty()),
    }
    for line in lines.lines() {
        if let Ok(pattern) = build::Pattern::new(line) {
            let plain = !build::is_pattern(pattern.text());
            // Without signs it is the path that it says, and all below that.
            if plain {
                assert!(pattern.matches(pattern.text()), "{line:?}");
                assert!(
                    pattern.matches_or_holds(&format!("{}/below", pattern.text())),
                    "{line:?}"
                );
            }
        }
    }
    assert!(begun.elapsed() < MOST, "it took {:?}", begun.elapsed());
}
