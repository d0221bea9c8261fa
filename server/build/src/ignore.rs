//! `.dockerignore`: what of a context is left out. Docker's documentation, "Build
//! context", "dockerignore files".

use crate::mistake::Mistake;
use crate::pattern::{Pattern, clean};

/// Longer files are a mistake, or meant to harm: each line is compared with each path.
const MOST_BYTES: usize = 1 << 20;

/// The lines of the file; the last that fits decides.
#[derive(Debug, Clone, Default)]
pub struct Ignore {
    lines: Vec<Line>,
}

#[derive(Debug, Clone)]
struct Line {
    pattern: Pattern,
    /// `!`: it comes along after all.
    keeps: bool,
}

impl Ignore {
    /// # Errors
    /// A file that is too long, or the first line that is no pattern.
    pub fn parse(text: &str) -> Result<Self, Mistake> {
        if text.len() > MOST_BYTES {
            return Err(Mistake::of_file(format!(
                "it is longer than {} MiB; is this the right file?",
                MOST_BYTES >> 20
            )));
        }
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let mut lines = Vec::new();
        for (number, line) in (1u32..).zip(text.lines()) {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let (keeps, text) = match line.strip_prefix('!') {
                Some(rest) => (true, rest.trim()),
                None => (false, line),
            };
            if text.is_empty() {
                return Err(Mistake::at(number, "", "`!` must be followed by a pattern"));
            }
            if clean(text).is_empty() {
                // `.` and `/` mean the root, which always comes along.
                continue;
            }
            let pattern = Pattern::new(text).map_err(|error| Mistake::at(number, "", error.to_string()))?;
            lines.push(Line { pattern, keeps });
        }
        Ok(Self { lines })
    }

    pub fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// Whether the file or directory at `path`, relative to the context, is left out.
    /// What lies in a directory that is left out is so, too, unless a later line keeps it.
    pub fn leaves_out(&self, path: &str) -> bool {
        let mut out = false;
        for line in &self.lines {
            // A line that would change nothing need not be compared.
            if line.keeps == out && line.pattern.matches_or_holds(path) {
                out = !line.keeps;
            }
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn left_out(lines: &str, path: &str) -> bool {
        Ignore::parse(lines).unwrap().leaves_out(path)
    }

    #[test]
    fn the_last_line_that_fits_decides() {
        let lines = "# comment\n*.md\n!README*.md\nREADME-secret.md\n";
        assert!(left_out(lines, "a.md") && !left_out(lines, "README.md") && left_out(lines, "README-secret.md"));
        assert!(!left_out(lines, "sub/a.md"));
    }

    #[test]
    fn directories_take_what_is_in_them_along() {
        assert!(left_out("node_modules", "node_modules/a/b"));
        assert!(left_out("**/*.log", "a/b/c.log") && left_out("**/*.log", "c.log"));
        assert!(!left_out("*\n!src", "src/main.rs") && left_out("*\n!src", "doc/a"));
        assert!(!left_out("a\n!a/keep", "a/keep") && left_out("a\n!a/keep", "a/other"));
    }

    #[test]
    fn slashes_in_front_and_dots_mean_nothing() {
        assert!(left_out("/temp", "temp") && left_out("./temp/", "temp/a"));
        assert!(!left_out(".\n/\n", "a"));
        assert!(Ignore::parse("!").is_err() && Ignore::parse("[").is_err());
    }
}
