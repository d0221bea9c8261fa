//! Lines `# name=value` at the very top.

use crate::mistake::Mistake;

/// What the first lines say about the rest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Directives {
    /// `\` or a backtick.
    pub escape: char,
    /// A frontend's image; this builder reads the file itself.
    pub syntax: Option<String>,
    /// Which checks to leave out, as written.
    pub check: Option<String>,
}

/// Ends at the first line that is none, also if that is a comment.
pub(super) fn read(text: &str) -> Result<Directives, Mistake> {
    let mut found = Directives {
        escape: '\\',
        syntax: None,
        check: None,
    };
    let mut seen: Vec<String> = Vec::new();
    for (number, line) in (1u32..).zip(text.lines()) {
        let Some((name, value)) = parse(line) else { break };
        if seen.contains(&name) {
            return Err(Mistake::at(
                number,
                "",
                format!("the directive `{name}` is given twice; keep one"),
            ));
        }
        match name.as_str() {
            "escape" => {
                found.escape = match value {
                    "\\" => '\\',
                    "`" => '`',
                    other => {
                        return Err(Mistake::at(
                            number,
                            "",
                            format!("the escape character is `\\` or a backtick, not `{other}`"),
                        ));
                    }
                };
            }
            "syntax" => found.syntax = Some(value.to_owned()),
            "check" => found.check = Some(value.to_owned()),
            _ => break,
        }
        seen.push(name);
    }
    Ok(found)
}

fn parse(line: &str) -> Option<(String, &str)> {
    let (name, value) = line.trim().strip_prefix('#')?.split_once('=')?;
    let name = name.trim();
    let is_word = !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric());
    is_word.then(|| (name.to_ascii_lowercase(), value.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directives_end_at_the_first_line_that_is_none() {
        let found = read("# Escape = `\n#syntax=docker/dockerfile:1\nFROM a").unwrap();
        assert_eq!(found.escape, '`');
        assert_eq!(found.syntax.as_deref(), Some("docker/dockerfile:1"));
        assert_eq!(read("# about\n# escape=`\n").unwrap().escape, '\\');
        assert_eq!(read("\n# escape=`\n").unwrap().escape, '\\');
        assert_eq!(read("# unknown=x\n# escape=`\n").unwrap().escape, '\\');
    }

    #[test]
    fn a_directive_that_cannot_be_is_refused() {
        assert!(read("# escape=x").is_err());
        assert!(read("# escape=`\n# escape=`").is_err());
    }
}
