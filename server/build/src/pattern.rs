//! Patterns of paths, as COPY, `.dockerignore` and `--exclude` have them: `*` and
//! `?` stay within a name, `**` reaches over any number of them, `[a-z]` is one
//! letter of a range.

use regex::Regex;

/// A pattern, ready to be compared with paths relative to some root.
#[derive(Debug, Clone)]
pub struct Pattern {
    regex: Regex,
    text: String,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no pattern of paths; check its brackets")]
pub struct InvalidPattern(pub String);

impl Pattern {
    /// A pattern is cleaned as a path is: `./a//b/` is `a/b`.
    pub fn new(text: &str) -> Result<Self, InvalidPattern> {
        let cleaned = clean(text);
        let invalid = || InvalidPattern(text.to_owned());
        let source = translate(&cleaned).ok_or_else(invalid)?;
        // A hostile pattern may not take more than this to prepare.
        let regex = regex::RegexBuilder::new(&source)
            .dot_matches_new_line(true)
            .size_limit(1 << 20)
            .build()
            .map_err(|_| invalid())?;
        Ok(Self { regex, text: cleaned })
    }

    /// `path` relative, without `./` in front.
    pub fn matches(&self, path: &str) -> bool {
        self.regex.is_match(path)
    }

    /// The path itself, or a directory above it.
    pub fn matches_or_holds(&self, path: &str) -> bool {
        let parents = path.match_indices('/').map(|(at, _)| &path[..at]);
        self.matches(path) || parents.into_iter().any(|parent| self.matches(parent))
    }

    pub fn text(&self) -> &str {
        &self.text
    }
}

/// Whether the text is more than a plain path.
pub fn is_pattern(text: &str) -> bool {
    text.contains(['*', '?', '[', '\\'])
}

/// Without doubled, single-dot and trailing parts; `..` takes a part away and never
/// leads out of the root. Relative.
pub fn clean(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    parts.join("/")
}

fn translate(pattern: &str) -> Option<String> {
    let mut source = String::from("^");
    let mut letters = pattern.chars().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            '*' if letters.peek() == Some(&'*') => {
                letters.next();
                if letters.peek() == Some(&'/') {
                    letters.next();
                }
                source.push_str(if letters.peek().is_none() { ".*" } else { "(?:.*/)?" });
            }
            '*' => source.push_str("[^/]*"),
            '?' => source.push_str("[^/]"),
            '[' => source.push_str(&class(&mut letters)?),
            '\\' => source.push_str(&regex::escape(&letters.next()?.to_string())),
            other => source.push_str(&regex::escape(&other.to_string())),
        }
    }
    source.push('$');
    Some(source)
}

/// What stands in brackets.
fn class(letters: &mut std::iter::Peekable<std::str::Chars<'_>>) -> Option<String> {
    let mut source = String::from("[");
    if letters.peek() == Some(&'^') {
        letters.next();
        source.push('^');
    }
    let mut empty = true;
    loop {
        match letters.next()? {
            ']' if empty => return None,
            ']' => break,
            '-' if !empty && letters.peek().is_some_and(|next| *next != ']') => source.push('-'),
            '\\' => source.push_str(&regex::escape(&letters.next()?.to_string())),
            other => {
                // What means something inside brackets of a regular expression.
                if matches!(other, '[' | '&' | '~' | '^' | '-') {
                    source.push('\\');
                }
                source.push(other);
            }
        }
        empty = false;
    }
    source.push(']');
    // A slash is in no class.
    Some(format!("(?:{source})"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn fits(pattern: &str, path: &str) -> bool {
        Pattern::new(pattern).unwrap().matches(path)
    }

    #[test]
    fn stars_stay_within_a_name_and_two_do_not() {
        assert!(fits("*.txt", "a.txt") && !fits("*.txt", "a/b.txt"));
        assert!(fits("a/**", "a/b/c") && fits("**", "x") && fits("**/b", "b") && fits("**/b", "a/x/b"));
        assert!(fits("a/**/b", "a/b") && fits("a/**/b", "a/x/y/b") && !fits("a/**/b", "ab"));
        assert!(fits("a?c", "abc") && !fits("a?c", "a/c"));
    }

    #[test]
    fn ranges_and_escapes_mean_what_they_say() {
        assert!(fits("[a-c]x", "bx") && !fits("[a-c]x", "dx") && fits("[^a]x", "bx"));
        assert!(fits("a\\*b", "a*b") && !fits("a\\*b", "axb"));
        assert!(fits("a.b", "a.b") && !fits("a.b", "axb") && fits("a+(b)", "a+(b)"));
        assert!(Pattern::new("[").is_err() && Pattern::new("[]").is_err() && Pattern::new("a\\").is_err());
    }

    #[test]
    fn a_pattern_is_cleaned_as_a_path() {
        assert_eq!(clean("/./a//b/../c/"), "a/c");
        assert_eq!(clean("../../a"), "a");
        assert!(fits("./a/", "a"));
    }

    proptest! {
        #[test]
        fn no_pattern_is_too_much(pattern in "[]a*?^\\\\/\\[-]{0,30}", path in "[a/]{0,10}") {
            if let Ok(pattern) = Pattern::new(&pattern) {
                pattern.matches_or_holds(&path);
            }
        }
    }
}
