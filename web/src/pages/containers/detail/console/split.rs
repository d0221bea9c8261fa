//! Command lines as people type them.

/// Splits a command line at spaces, minding quotes.
pub fn split(line: &str) -> Vec<String> {
    let mut parts = Vec::new();
    let mut part = String::new();
    let mut quote = None;
    let mut inside = false;
    let mut letters = line.chars();
    while let Some(c) = letters.next() {
        match (quote, c) {
            (None, '\'' | '"') => {
                quote = Some(c);
                inside = true;
            }
            (Some(open), c) if c == open => quote = None,
            (None | Some('"'), '\\') => {
                part.extend(letters.next());
                inside = true;
            }
            (None, c) if c.is_whitespace() => {
                if std::mem::take(&mut inside) {
                    parts.push(std::mem::take(&mut part));
                }
            }
            (_, c) => {
                part.push(c);
                inside = true;
            }
        }
    }
    if inside {
        parts.push(part);
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::split;

    #[test]
    fn a_command_line_is_split_as_a_shell_does() {
        assert_eq!(split("  ls -la  /tmp "), ["ls", "-la", "/tmp"]);
        assert_eq!(
            split(r#"sh -c "echo 'a b'" x\ y ''"#),
            ["sh", "-c", "echo 'a b'", "x y", ""]
        );
        assert_eq!(split(""), Vec::<String>::new());
    }
}
