//! Reading a `.env` file, by the rules of Docker Compose: names and values, comments,
//! single and double quotes, also over several lines.

/// A variable for each assignment, in order. What is no assignment is left out.
pub fn parse(text: &str) -> Vec<(String, String)> {
    let text = text.replace("\r\n", "\n");
    let mut found = Vec::new();
    let mut rest = text.as_str();
    while !rest.is_empty() {
        let line = rest.split('\n').next().unwrap_or_default();
        let after_line = &rest[(line.len() + 1).min(rest.len())..];
        let trimmed = line.trim_start();
        let assignment = trimmed.strip_prefix("export ").unwrap_or(trimmed);
        let Some((name, value)) = assignment.split_once('=').filter(|_| !trimmed.starts_with('#')) else {
            rest = after_line;
            continue;
        };
        let name = name.trim();
        if name.is_empty() || name.contains(char::is_whitespace) {
            rest = after_line;
            continue;
        }
        // Where the value begins in all that is left: a quoted one may go on beyond the line.
        let from = &rest[line.len() - value.len()..];
        match quoted(from.trim_start_matches([' ', '\t'])) {
            Some((value, after)) => {
                found.push((name.to_owned(), value));
                rest = after.split_once('\n').map_or("", |(_, next)| next);
            }
            None => {
                found.push((name.to_owned(), bare(value).to_owned()));
                rest = after_line;
            }
        }
    }
    found
}

/// Without quotes a value ends with its line, or at a comment.
fn bare(value: &str) -> &str {
    if value.trim_start().starts_with('#') {
        return "";
    }
    let end = value.find(" #").or_else(|| value.find("\t#")).unwrap_or(value.len());
    value[..end].trim()
}

/// A value in quotes, and what comes after it; `None` where no quote begins or none ends it.
fn quoted(text: &str) -> Option<(String, &str)> {
    let quote = text.chars().next().filter(|c| matches!(c, '"' | '\''))?;
    let mut value = String::new();
    let mut letters = text[1..].char_indices();
    while let Some((at, letter)) = letters.next() {
        match letter {
            end if end == quote => return Some((value, &text[at + 2..])),
            '\\' if quote == '"' => match letters.next()?.1 {
                'n' => value.push('\n'),
                'r' => value.push('\r'),
                't' => value.push('\t'),
                escaped @ ('"' | '\\' | '$') => value.push(escaped),
                other => value.extend(['\\', other]),
            },
            '\\' if text[at + 2..].starts_with('\'') => {
                letters.next();
                value.push('\'');
            }
            other => value.push(other),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::parse;

    fn pairs(text: &str) -> Vec<(String, String)> {
        parse(text)
    }

    fn check(text: &str, wanted: &[(&str, &str)]) {
        let wanted: Vec<(String, String)> = wanted
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        assert_eq!(pairs(text), wanted, "{text}");
    }

    #[test]
    fn assignments_are_read_and_the_rest_is_left_out() {
        check(
            "# comment\nexport A=1\nB=\"two words\"\n\nC=x=y\nnonsense\r\nD = spaced \r\nE=\n",
            &[("A", "1"), ("B", "two words"), ("C", "x=y"), ("D", "spaced"), ("E", "")],
        );
    }

    #[test]
    fn a_quoted_value_goes_over_lines() {
        check(
            "KEY=\"-----BEGIN KEY-----\nabc=\n# not a comment\n-----END KEY-----\"\nNEXT='a\nb'\nLAST=1",
            &[
                ("KEY", "-----BEGIN KEY-----\nabc=\n# not a comment\n-----END KEY-----"),
                ("NEXT", "a\nb"),
                ("LAST", "1"),
            ],
        );
    }

    #[test]
    fn escapes_count_in_double_quotes_alone() {
        check(
            "A=\"x\\ny \\\"z\\\" \\$HOME \\d\"\nB='x\\ny $HOME'\nC='it\\'s'\nD=\"#no\" # yes",
            &[
                ("A", "x\ny \"z\" $HOME \\d"),
                ("B", "x\\ny $HOME"),
                ("C", "it's"),
                ("D", "#no"),
            ],
        );
    }

    #[test]
    fn comments_end_values_without_quotes() {
        check(
            "A=1 # one\nB=a#b\nC= # nothing\nD=\"open",
            &[("A", "1"), ("B", "a#b"), ("C", ""), ("D", "\"open")],
        );
    }
}
