//! Here-documents: which a line announces. The lines that follow are gathered by
//! the reader.

use crate::expand;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heredoc {
    /// The line that ends it, and the file's name where it is copied.
    pub name: String,
    /// The name stands without quotes: variables mean something inside.
    pub expand: bool,
    /// `<<-`: tabs at the beginning of lines go.
    pub strip_tabs: bool,
    /// As written.
    pub content: String,
}

impl Heredoc {
    /// What it says, tabs taken away where that was asked for.
    pub fn text(&self) -> String {
        if !self.strip_tabs {
            return self.content.clone();
        }
        let mut text = String::with_capacity(self.content.len());
        for line in self.content.split_inclusive('\n') {
            text.push_str(line.trim_start_matches('\t'));
        }
        text
    }
}

/// The instruction's name, in capitals; of what a trigger runs, where it is one.
pub(super) fn keyword_of(text: &str) -> String {
    text.split_whitespace().next().unwrap_or_default().to_ascii_uppercase()
}

/// Those a statement announces, in order and empty.
pub(super) fn announced(text: &str, escape: char) -> Vec<Heredoc> {
    let mut rest = text.trim_start();
    let mut keyword = keyword_of(rest);
    if keyword == "ONBUILD" {
        rest = after_word(rest);
        keyword = keyword_of(rest);
    }
    if !matches!(keyword.as_str(), "RUN" | "COPY" | "ADD") || !rest.contains("<<") {
        return Vec::new();
    }
    rest = after_word(rest);
    if rest.starts_with('[') && serde_json::from_str::<Vec<String>>(rest).is_ok() {
        return Vec::new();
    }
    join_operators(expand::raw_words(rest, escape))
        .iter()
        .filter_map(|word| of_word(word, escape))
        .collect()
}

/// The whole text is one here-document: `<<EOF`, `<< EOF`.
pub(crate) fn is_alone(text: &str, escape: char) -> bool {
    let words = join_operators(expand::raw_words(text, escape));
    matches!(&words[..], [word] if of_word(word, escape).is_some())
}

/// Joins an operator with its delimiter where blanks are between them, as the shell reads
/// it: `<< EOF` becomes `<<EOF`. In an arithmetic expression `<<` is a shift.
pub(crate) fn join_operators(words: Vec<String>) -> Vec<String> {
    let mut joined: Vec<String> = Vec::with_capacity(words.len());
    let mut open_arithmetic = 0usize;
    for word in words {
        match joined.last_mut() {
            Some(last) if open_arithmetic == 0 && is_operator(last) => last.push_str(&word),
            _ => {
                open_arithmetic += word.matches("((").count();
                open_arithmetic = open_arithmetic.saturating_sub(word.matches("))").count());
                joined.push(word);
            }
        }
    }
    joined
}

/// `<<` or `<<-`, with the number of a descriptor or without.
fn is_operator(word: &str) -> bool {
    matches!(without_descriptor(word), "<<" | "<<-")
}

fn without_descriptor(word: &str) -> &str {
    word.trim_start_matches(|letter: char| letter.is_ascii_digit())
}

/// What a word such as `<<EOF`, `<<-"EOF"` or `0<<EOF` announces.
pub(crate) fn of_word(word: &str, escape: char) -> Option<Heredoc> {
    let rest = without_descriptor(word).strip_prefix("<<")?;
    let (strip_tabs, rest) = match rest.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, rest),
    };
    if rest.is_empty() || rest.contains('<') {
        return None;
    }
    let name = expand::unquote(rest, escape)?;
    if name.is_empty() || name.contains(char::is_whitespace) {
        return None;
    }
    Some(Heredoc {
        expand: name == rest,
        name,
        strip_tabs,
        content: String::new(),
    })
}

fn after_word(text: &str) -> &str {
    text.split_once(char::is_whitespace)
        .map_or("", |(_, rest)| rest.trim_start())
}
