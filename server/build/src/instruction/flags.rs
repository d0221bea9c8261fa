//! Words `--name=value` between an instruction's name and the rest.

use super::Said;

/// Flags as given: names without dashes, and the value where there is a `=`.
#[derive(Debug)]
pub(super) struct Flags {
    given: Vec<(String, Option<String>)>,
}

/// Takes the flags off the front of `text`. Quotes and escapes in them are resolved.
pub(super) fn take(text: &str, escape: char) -> Result<(Flags, &str), Said> {
    let mut given = Vec::new();
    let mut rest = text.trim_start();
    while rest.starts_with("--") {
        let (word, after) = first_word(rest, escape)?;
        rest = after.trim_start();
        if word == "--" {
            break;
        }
        let flag = &word[2..];
        let (name, value) = match flag.split_once('=') {
            Some((name, value)) => (name, Some(value.to_owned())),
            None => (flag, None),
        };
        given.push((name.to_owned(), value));
    }
    Ok((Flags { given }, rest))
}

fn first_word(text: &str, escape: char) -> Result<(String, &str), Said> {
    let mut word = String::new();
    let mut quote = None;
    let mut letters = text.char_indices();
    while let Some((at, letter)) = letters.next() {
        match quote {
            None if letter.is_whitespace() => return Ok((word, &text[at..])),
            None if matches!(letter, '"' | '\'') => quote = Some(letter),
            Some(open) if letter == open => quote = None,
            _ if letter == escape && quote != Some('\'') => {
                if let Some((_, next)) = letters.next() {
                    // What is expanded later must know that this one is not meant.
                    if next == '$' {
                        word.push(escape);
                    }
                    word.push(next);
                }
            }
            _ => word.push(letter),
        }
    }
    if let Some(open) = quote {
        return Err(Said(format!("a quote {open} in a flag is opened and not closed")));
    }
    Ok((word, ""))
}

impl Flags {
    /// The value of a flag that may be given once.
    pub(super) fn value(&mut self, name: &str) -> Result<Option<String>, Said> {
        let mut values = self.values(name)?;
        if values.len() > 1 {
            return Err(Said(format!("`--{name}` is given twice; keep one")));
        }
        Ok(values.pop())
    }

    /// All values of a flag that may be given more than once.
    pub(super) fn values(&mut self, name: &str) -> Result<Vec<String>, Said> {
        let mut values = Vec::new();
        for (_, value) in self.given.extract_if(.., |(known, _)| known == name) {
            match value {
                Some(value) if !value.is_empty() => values.push(value),
                _ => return Err(Said(format!("`--{name}` needs a value: `--{name}=…`"))),
            }
        }
        Ok(values)
    }

    /// Whether a flag without value is given; `=true` and `=false` are fine.
    pub(super) fn switch(&mut self, name: &str) -> Result<bool, Said> {
        Ok(self.optional_switch(name)?.unwrap_or(false))
    }

    /// As above; `None` when nothing is said.
    pub(super) fn optional_switch(&mut self, name: &str) -> Result<Option<bool>, Said> {
        let mut said = None;
        for (_, value) in self.given.extract_if(.., |(known, _)| known == name) {
            said = match value.as_deref() {
                None => Some(true),
                Some(word) => Some(
                    parse_bool(word).ok_or_else(|| Said(format!("`--{name}` is `true` or `false`, not `{word}`")))?,
                ),
            };
        }
        Ok(said)
    }

    /// Whatever was not asked for is a mistake.
    pub(super) fn end(self, known: &[&str]) -> Result<(), Said> {
        let Some((name, _)) = self.given.first() else {
            return Ok(());
        };
        let known: Vec<String> = known.iter().map(|name| format!("`--{name}`")).collect();
        Err(Said(if known.is_empty() {
            format!("it takes no flags, and so no `--{name}`")
        } else {
            format!("there is no flag `--{name}`; it takes {}", known.join(", "))
        }))
    }
}

/// As Go reads one.
pub(super) fn parse_bool(word: &str) -> Option<bool> {
    match word {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Some(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Some(false),
        _ => None,
    }
}
