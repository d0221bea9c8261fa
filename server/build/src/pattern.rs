//! Patterns of paths, as COPY, `.dockerignore` and `--exclude` have them: `*` and
//! `?` stay within a name, `**` reaches over any number of them, `[a-z]` is one
//! letter of a range.

/// A pattern, ready to be compared with paths relative to some root.
///
/// All ways in which a path may fit are followed side by side, letter by letter, so a
/// comparison takes at most as many steps as the pattern is long for each letter of the
/// path, and a pattern takes no more room than its text.
#[derive(Debug, Clone)]
pub struct Pattern {
    parts: Vec<Part>,
    text: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Letter(char),
    /// `?`: any letter of a name.
    One,
    /// `*`: any letters of a name, or none.
    Some,
    /// `**` at the end: anything.
    All,
    /// `**/`: any directories, or none. Entered at the first; the second is within a name.
    Directories,
    WithinDirectories,
    /// `[a-z]`: ranges, first and last letter each.
    Class {
        negated: bool,
        ranges: Vec<(char, char)>,
    },
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no pattern of paths; check its brackets")]
pub struct InvalidPattern(pub String);

impl Pattern {
    /// A pattern is cleaned as a path is: `./a//b/` is `a/b`.
    pub fn new(text: &str) -> Result<Self, InvalidPattern> {
        let cleaned = clean(text);
        let parts = read(&cleaned).ok_or_else(|| InvalidPattern(text.to_owned()))?;
        Ok(Self { parts, text: cleaned })
    }

    /// `path` relative, without `./` in front.
    pub fn matches(&self, path: &str) -> bool {
        self.compare(path, false)
    }

    /// The path itself, or a directory above it.
    pub fn matches_or_holds(&self, path: &str) -> bool {
        self.compare(path, true)
    }

    pub fn text(&self) -> &str {
        &self.text
    }

    fn compare(&self, path: &str, holds: bool) -> bool {
        let mut places = Places::of(&self.parts);
        for (step, letter) in (1..).zip(path.chars()) {
            if holds && letter == '/' && places.are_at_the_end() {
                return true;
            }
            places.step(letter, step);
            if places.now.is_empty() {
                return false;
            }
        }
        places.are_at_the_end()
    }
}

/// Which parts may come next.
struct Places<'p> {
    parts: &'p [Part],
    now: Vec<usize>,
    next: Vec<usize>,
    /// In which step a place was entered last, so that none is entered twice.
    entered: Vec<u32>,
}

impl<'p> Places<'p> {
    fn of(parts: &'p [Part]) -> Self {
        let mut places = Self {
            parts,
            now: Vec::new(),
            next: Vec::new(),
            entered: vec![u32::MAX; parts.len() + 1],
        };
        places.enter(0, 0);
        std::mem::swap(&mut places.now, &mut places.next);
        places
    }

    /// Also the places behind it that need no letter. `read` leaves at most three in a row.
    fn enter(&mut self, place: usize, step: u32) {
        if std::mem::replace(&mut self.entered[place], step) == step {
            return;
        }
        self.next.push(place);
        match self.parts.get(place) {
            Some(Part::Some | Part::All) => self.enter(place + 1, step),
            Some(Part::Directories) => {
                self.enter(place + 1, step);
                self.enter(place + 2, step);
            }
            _ => {}
        }
    }

    fn step(&mut self, letter: char, step: u32) {
        self.next.clear();
        let now = std::mem::take(&mut self.now);
        for place in &now {
            match self.parts.get(*place) {
                Some(Part::Letter(own)) if *own == letter => self.enter(place + 1, step),
                Some(Part::One) if letter != '/' => self.enter(place + 1, step),
                Some(Part::Class { negated, ranges }) => {
                    let within = ranges.iter().any(|(first, last)| (*first..=*last).contains(&letter));
                    if within != *negated {
                        self.enter(place + 1, step);
                    }
                }
                Some(Part::Some) if letter != '/' => self.enter(*place, step),
                Some(Part::All) => self.enter(*place, step),
                Some(Part::WithinDirectories) => {
                    self.enter(*place, step);
                    if letter == '/' {
                        self.enter(place + 1, step);
                    }
                }
                _ => {}
            }
        }
        self.now = std::mem::replace(&mut self.next, now);
    }

    fn are_at_the_end(&self) -> bool {
        self.now.contains(&self.parts.len())
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

fn read(pattern: &str) -> Option<Vec<Part>> {
    let mut parts = Vec::new();
    let mut letters = pattern.chars().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            '*' if letters.peek() == Some(&'*') => {
                letters.next();
                if letters.peek() == Some(&'/') {
                    letters.next();
                }
                if letters.peek().is_none() {
                    parts.push(Part::All);
                } else if parts.last() != Some(&Part::WithinDirectories) {
                    parts.extend([Part::Directories, Part::WithinDirectories]);
                }
            }
            '*' => parts.push(Part::Some),
            '?' => parts.push(Part::One),
            '[' => parts.push(class(&mut letters)?),
            '\\' => parts.push(Part::Letter(letters.next()?)),
            other => parts.push(Part::Letter(other)),
        }
    }
    Some(parts)
}

/// What stands in brackets.
fn class(letters: &mut std::iter::Peekable<std::str::Chars<'_>>) -> Option<Part> {
    let negated = letters.next_if_eq(&'^').is_some();
    let mut ranges = Vec::new();
    loop {
        let first = match letters.next()? {
            ']' if ranges.is_empty() => return None,
            ']' => return Some(Part::Class { negated, ranges }),
            '\\' => letters.next()?,
            other => other,
        };
        let mut ahead = letters.clone();
        if ahead.next() != Some('-') || ahead.peek() == Some(&']') {
            ranges.push((first, first));
            continue;
        }
        letters.next();
        let last = match letters.next()? {
            '\\' => letters.next()?,
            other => other,
        };
        if last < first {
            return None;
        }
        ranges.push((first, last));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::fmt::Write as _;

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

    #[test]
    fn what_a_pattern_holds_is_told_from_the_path_alone() {
        let holds = |pattern: &str, path: &str| Pattern::new(pattern).unwrap().matches_or_holds(path);
        assert!(holds("a", "a/b/c") && holds("a/*", "a/b/c") && holds("**/b", "a/b/c") && holds("a", "a"));
        assert!(!holds("b", "a/b") && !holds("a", "ab/c") && !holds("a/b/c", "a/b"));
    }

    /// Half a million letters of what makes others go back and forth.
    #[test]
    fn a_hostile_pattern_takes_no_longer_than_its_length_says() {
        let path = format!("{}b", "a".repeat(4_000));
        for pattern in [
            "*a".repeat(100),
            "**/*a".repeat(100),
            "[^b]*".repeat(100),
            "**".repeat(200),
        ] {
            let begun = std::time::Instant::now();
            Pattern::new(&format!("{pattern}c")).unwrap().matches_or_holds(&path);
            assert!(begun.elapsed().as_secs() < 5, "{pattern}");
        }
        let long = "[a-z]?*".repeat(200_000);
        assert!(Pattern::new(&long).unwrap().parts.len() <= long.len());
    }

    /// The same said as a regular expression, to compare with.
    fn expression(pattern: &Pattern) -> regex::Regex {
        let mut source = String::from("(?s)^");
        for part in &pattern.parts {
            match part {
                Part::Letter(letter) => source.push_str(&regex::escape(&letter.to_string())),
                Part::One => source.push_str("[^/]"),
                Part::Some => source.push_str("[^/]*"),
                Part::All => source.push_str(".*"),
                Part::Directories => source.push_str("(?:.*/)?"),
                Part::WithinDirectories => {}
                Part::Class { negated, ranges } => {
                    source.push_str(if *negated { "[^" } else { "[" });
                    for (first, last) in ranges {
                        let (first, last) = (u32::from(*first), u32::from(*last));
                        let _ = write!(source, "\\x{{{first:x}}}-\\x{{{last:x}}}");
                    }
                    source.push(']');
                }
            }
        }
        source.push('$');
        regex::Regex::new(&source).unwrap()
    }

    proptest! {
        #[test]
        fn a_pattern_fits_what_its_regular_expression_fits(pattern in "[]a-c*?^\\\\/\\[-]{0,12}", path in "[a-c/]{0,8}") {
            if let Ok(pattern) = Pattern::new(&pattern) {
                let expression = expression(&pattern);
                prop_assert_eq!(pattern.matches(&path), expression.is_match(&path));
                let mut above = path.match_indices('/').map(|(at, _)| &path[..at]);
                let holds = expression.is_match(&path) || above.any(|above| expression.is_match(above));
                prop_assert_eq!(pattern.matches_or_holds(&path), holds);
            }
        }
    }
}
