//! Patterns of `${x#p}`, `${x%p}` and `${x/p/y}`: `*` is anything, `?` one letter,
//! and what is quoted means itself.

use regex::Regex;

pub(crate) struct ShellPattern {
    source: String,
}

impl ShellPattern {
    /// Each letter with whether it was quoted.
    pub(crate) fn new(letters: &[(char, bool)]) -> Self {
        let mut source = String::new();
        for (letter, quoted) in letters {
            match (letter, quoted) {
                ('*', false) => source.push_str(".*"),
                ('?', false) => source.push('.'),
                (letter, _) => source.push_str(&regex::escape(&letter.to_string())),
            }
        }
        Self { source }
    }

    pub(crate) fn without_prefix(&self, text: &str, longest: bool) -> String {
        let ends = boundaries(text);
        let end = self.fitting(text, ends, longest, |text, end| &text[..end]);
        end.map_or_else(|| text.to_owned(), |end| text[end..].to_owned())
    }

    pub(crate) fn without_suffix(&self, text: &str, longest: bool) -> String {
        let mut starts = boundaries(text);
        starts.reverse();
        let start = self.fitting(text, starts, longest, |text, start| &text[start..]);
        start.map_or_else(|| text.to_owned(), |start| text[..start].to_owned())
    }

    /// The leftmost place, as much of it as fits; or all of them.
    pub(crate) fn replace(&self, text: &str, by: &str, all: bool) -> String {
        let Some(regex) = compiled(&self.source) else {
            return text.to_owned();
        };
        if self.source.is_empty() {
            return text.to_owned();
        }
        let by = regex::NoExpand(by);
        if all {
            regex.replace_all(text, by).into_owned()
        } else {
            regex.replace(text, by).into_owned()
        }
    }

    /// The first of `places`, ordered by the length of what is cut off there, whose
    /// part fits; from the other end for the longest.
    fn fitting(
        &self,
        text: &str,
        mut places: Vec<usize>,
        longest: bool,
        part: impl Fn(&str, usize) -> &str,
    ) -> Option<usize> {
        let regex = compiled(&format!("^(?:{})$", self.source))?;
        if longest {
            places.reverse();
        }
        places.into_iter().find(|place| regex.is_match(part(text, *place)))
    }
}

fn compiled(source: &str) -> Option<Regex> {
    regex::RegexBuilder::new(source).dot_matches_new_line(true).build().ok()
}

fn boundaries(text: &str) -> Vec<usize> {
    text.char_indices().map(|(at, _)| at).chain([text.len()]).collect()
}
