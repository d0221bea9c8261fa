//! Patterns of `${x#p}`, `${x%p}` and `${x/p/y}`: `*` is anything, `?` one letter,
//! and what is quoted means itself.

use regex::Regex;

pub(crate) struct ShellPattern {
    parts: Vec<Part>,
}

enum Part {
    Any,
    One,
    Letter(char),
}

/// More room than this, a pattern may not take to prepare.
const MOST_BYTES: usize = 1 << 20;

/// Which of the ways to fit is looked for.
#[derive(Clone, Copy)]
enum Length {
    Shortest,
    Longest,
}

impl ShellPattern {
    /// Each letter with whether it was quoted.
    pub(crate) fn new(letters: &[(char, bool)]) -> Self {
        let parts = letters.iter().map(|(letter, quoted)| match (letter, quoted) {
            ('*', false) => Part::Any,
            ('?', false) => Part::One,
            (letter, _) => Part::Letter(*letter),
        });
        Self { parts: parts.collect() }
    }

    pub(crate) fn without_prefix(&self, text: &str, longest: bool) -> String {
        let regex = begins_with(self.parts.iter(), longest);
        let found = regex.and_then(|regex| regex.find(text).map(|found| found.end()));
        text[found.unwrap_or(0)..].to_owned()
    }

    pub(crate) fn without_suffix(&self, text: &str, longest: bool) -> String {
        // What ends with the pattern begins with it, read from the end.
        let regex = begins_with(self.parts.iter().rev(), longest);
        let backwards: String = text.chars().rev().collect();
        let found = regex.and_then(|regex| regex.find(&backwards).map(|found| found.end()));
        text[..text.len() - found.unwrap_or(0)].to_owned()
    }

    /// The leftmost place, as much of it as fits; or all of them. `None` when more than
    /// `most_bytes` would come of it.
    pub(crate) fn replace(&self, text: &str, by: &str, all: bool, most_bytes: usize) -> Option<String> {
        let regex = compiled(&source(self.parts.iter(), Length::Longest));
        let Some(regex) = regex.filter(|_| !self.parts.is_empty()) else {
            return Some(text.to_owned());
        };
        let (mut replaced, mut after) = (String::new(), 0);
        for found in regex.find_iter(text).take(if all { usize::MAX } else { 1 }) {
            if replaced.len() + found.start() - after + by.len() > most_bytes {
                return None;
            }
            replaced.push_str(&text[after..found.start()]);
            replaced.push_str(by);
            after = found.end();
        }
        replaced.push_str(&text[after..]);
        Some(replaced)
    }
}

/// Of all beginnings that fit, the first one it finds is the shortest or the longest:
/// what stands between two stars fits as early or as late as it can.
fn begins_with<'p>(parts: impl Iterator<Item = &'p Part>, longest: bool) -> Option<Regex> {
    let length = if longest { Length::Longest } else { Length::Shortest };
    compiled(&format!("^(?:{})", source(parts, length)))
}

fn source<'p>(parts: impl Iterator<Item = &'p Part>, length: Length) -> String {
    let mut source = String::new();
    for part in parts {
        match (part, length) {
            (Part::Any, Length::Shortest) => source.push_str(".*?"),
            (Part::Any, Length::Longest) => source.push_str(".*"),
            (Part::One, _) => source.push('.'),
            (Part::Letter(letter), _) => source.push_str(&regex::escape(&letter.to_string())),
        }
    }
    source
}

fn compiled(source: &str) -> Option<Regex> {
    let mut builder = regex::RegexBuilder::new(source);
    builder.dot_matches_new_line(true).size_limit(MOST_BYTES).build().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn pattern(text: &str) -> ShellPattern {
        let letters: Vec<(char, bool)> = text.chars().map(|letter| (letter, false)).collect();
        ShellPattern::new(&letters)
    }

    fn whole(text: &str) -> Regex {
        compiled(&format!(
            "^(?:{})$",
            source(pattern(text).parts.iter(), Length::Longest)
        ))
        .unwrap()
    }

    proptest! {
        #[test]
        fn the_shortest_and_the_longest_are_found(shape in "[ab*?é]{0,7}", text in "[abé]{0,9}") {
            let fits = whole(&shape);
            let places: Vec<usize> = text.char_indices().map(|(at, _)| at).chain([text.len()]).collect();
            let ends: Vec<usize> = places.iter().copied().filter(|at| fits.is_match(&text[..*at])).collect();
            let starts: Vec<usize> = places.iter().copied().filter(|at| fits.is_match(&text[*at..])).collect();
            let pattern = pattern(&shape);
            let shortest = ends.first().map_or(&text[..], |at| &text[*at..]);
            let longest = ends.last().map_or(&text[..], |at| &text[*at..]);
            prop_assert_eq!(pattern.without_prefix(&text, false), shortest);
            prop_assert_eq!(pattern.without_prefix(&text, true), longest);
            let shortest = starts.last().map_or(&text[..], |at| &text[..*at]);
            let longest = starts.first().map_or(&text[..], |at| &text[..*at]);
            prop_assert_eq!(pattern.without_suffix(&text, false), shortest);
            prop_assert_eq!(pattern.without_suffix(&text, true), longest);
        }
    }

    #[test]
    fn what_would_grow_beyond_all_bounds_is_not_made() {
        let (text, by) = ("a".repeat(1000), "b".repeat(1000));
        assert_eq!(pattern("a").replace(&text, &by, true, 900_000), None);
        assert_eq!(
            pattern("a").replace(&text, &by, true, 1_000_000).map(|text| text.len()),
            Some(1_000_000)
        );
    }
}
