//! The forms that the rest of an instruction's line can have.

use super::{Command, Said};
use crate::expand;

/// Said where a port cannot be read.
pub const PORTS_HINT: &str = "a port is such as `80`, `53/udp` or `8000-8010/tcp`";

/// `["a", "b"]`. `None` when it is no JSON at all.
pub(super) fn json_list(text: &str) -> Result<Option<Vec<String>>, Said> {
    if !text.starts_with('[') {
        return Ok(None);
    }
    match serde_json::from_str::<serde_json::Value>(text) {
        Ok(serde_json::Value::Array(items)) => {
            let words: Option<Vec<String>> = items.iter().map(|item| item.as_str().map(str::to_owned)).collect();
            words.map(Some).ok_or_else(|| {
                Said("its list holds something that is no string; put every part in double quotes".to_owned())
            })
        }
        _ => Ok(None),
    }
}

pub(super) fn command(text: &str) -> Result<Command, Said> {
    Ok(match json_list(text)? {
        Some(words) => Command::Exec(words),
        None => Command::Shell(text.to_owned()),
    })
}

/// A JSON list, or words at spaces.
pub(super) fn list(text: &str) -> Result<Vec<String>, Said> {
    Ok(match json_list(text)? {
        Some(words) => words,
        None => text.split_whitespace().map(str::to_owned).collect(),
    })
}

/// `a=1 b="x y"`, or the old `a value up to the end`. Quotes stay for the expander.
pub(super) fn pairs(text: &str, escape: char) -> Result<Vec<(String, String)>, Said> {
    let words = expand::raw_words(text, escape);
    let Some(first) = words.first() else {
        return Err(Said("it needs at least one `NAME=value`".to_owned()));
    };
    if !first.contains('=') {
        let Some((name, value)) = text.split_once(char::is_whitespace) else {
            return Err(Said(format!("`{text}` has no value; write `{text}=value`")));
        };
        return Ok(vec![(name.to_owned(), value.trim_start().to_owned())]);
    }
    words
        .iter()
        .map(|word| match word.split_once('=') {
            Some(("", _)) => Err(Said(format!("`{word}` has no name before its `=`"))),
            Some((name, value)) => Ok((name.to_owned(), value.to_owned())),
            None => Err(Said(format!(
                "`{word}` is no `NAME=value`; a value with spaces needs quotes"
            ))),
        })
        .collect()
}
