//! The text of a Dockerfile as statements: comments gone, continued lines joined,
//! here-documents gathered. Dockerfile reference, "Format", "Parser directives",
//! "Here-Documents".

mod directives;
mod heredoc;

pub use directives::Directives;
pub use heredoc::Heredoc;
pub(crate) use heredoc::{is_alone, join_operators, of_word};

use crate::mistake::{Mistake, Warning};

/// Longer files are a mistake, or meant to harm.
const MOST_BYTES: usize = 4 << 20;

/// One instruction as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Statement {
    /// Counted from 1.
    pub(crate) first_line: u32,
    /// With its here-documents.
    pub(crate) last_line: u32,
    /// Continued lines joined; no here-documents.
    pub(crate) text: String,
    pub(crate) heredocs: Vec<Heredoc>,
}

/// A file, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Source {
    pub(crate) directives: Directives,
    pub(crate) statements: Vec<Statement>,
    pub(crate) warnings: Vec<Warning>,
}

/// Takes the text apart.
pub(crate) fn read(text: &str) -> Result<Source, Mistake> {
    if text.len() > MOST_BYTES {
        return Err(Mistake::of_file(format!(
            "it is longer than {} MiB; is this the right file?",
            MOST_BYTES >> 20
        )));
    }
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let directives = directives::read(text)?;
    let mut reader = Reader {
        lines: text.lines().collect(),
        next: 0,
        escape: directives.escape,
        warnings: Vec::new(),
    };
    let mut statements = Vec::new();
    while let Some(statement) = reader.statement()? {
        statements.push(statement);
    }
    Ok(Source {
        directives,
        statements,
        warnings: reader.warnings,
    })
}

/// A statement that stands alone, as in `ONBUILD`.
pub(crate) fn read_statement(text: &str, escape: char) -> Result<Option<Statement>, Mistake> {
    let mut reader = Reader {
        lines: text.lines().collect(),
        next: 0,
        escape,
        warnings: Vec::new(),
    };
    reader.statement()
}

struct Reader<'t> {
    lines: Vec<&'t str>,
    next: usize,
    escape: char,
    warnings: Vec<Warning>,
}

impl<'t> Reader<'t> {
    fn line(&mut self) -> Option<&'t str> {
        let line = self.lines.get(self.next)?;
        self.next += 1;
        Some(line)
    }

    /// The line taken last, counted from 1.
    fn number(&self) -> u32 {
        u32::try_from(self.next).unwrap_or(u32::MAX)
    }

    fn statement(&mut self) -> Result<Option<Statement>, Mistake> {
        loop {
            let Some(line) = self.line() else {
                return Ok(None);
            };
            let line = line.trim_start();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let first_line = self.number();
            let (start, mut goes_on) = self.without_continuation(line);
            let mut text = start.to_owned();
            while goes_on {
                let Some(line) = self.line() else { break };
                if line.trim_start().starts_with('#') {
                    continue;
                }
                if line.trim().is_empty() {
                    self.warn("an empty line inside an instruction; take it out, it will be an error one day");
                    continue;
                }
                let (more, again) = self.without_continuation(line);
                text.push_str(more);
                goes_on = again;
            }
            if text.trim().is_empty() {
                continue;
            }
            let heredocs = self.heredocs(&text, first_line)?;
            return Ok(Some(Statement {
                first_line,
                last_line: self.number(),
                text: text.trim_end().to_owned(),
                heredocs,
            }));
        }
    }

    /// The line without an escape character at its end, and whether there was one
    /// that is not itself escaped.
    fn without_continuation(&self, line: &'t str) -> (&'t str, bool) {
        let trimmed = line.trim_end_matches([' ', '\t']);
        match trimmed.strip_suffix(self.escape) {
            Some(rest) if !rest.ends_with(self.escape) => (rest, true),
            _ => (line, false),
        }
    }

    fn heredocs(&mut self, text: &str, first_line: u32) -> Result<Vec<Heredoc>, Mistake> {
        let keyword = heredoc::keyword_of(text);
        let mut heredocs = Vec::new();
        for mut heredoc in heredoc::announced(text, self.escape) {
            loop {
                let Some(line) = self.line() else {
                    return Err(Mistake::at(
                        first_line,
                        &keyword,
                        format!(
                            "the here-document `<<{0}` has no end; end it with a line that is `{0}` alone",
                            heredoc.name
                        ),
                    ));
                };
                let bare = if heredoc.strip_tabs {
                    line.trim_start_matches('\t')
                } else {
                    line
                };
                if bare == heredoc.name {
                    break;
                }
                heredoc.content.push_str(line);
                heredoc.content.push('\n');
            }
            heredocs.push(heredoc);
        }
        Ok(heredocs)
    }

    fn warn(&mut self, message: &str) {
        let warning = Warning {
            line: self.number(),
            message: message.to_owned(),
        };
        self.warnings.push(warning);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(text: &str) -> Vec<String> {
        let source = read(text).unwrap();
        source.statements.into_iter().map(|s| s.text).collect()
    }

    #[test]
    fn continued_lines_are_joined_and_comments_between_them_left_out() {
        let text = "FROM a\nRUN one \\\n  # a comment\n  two \\  \n\n  three\n# end\n";
        assert_eq!(texts(text), ["FROM a", "RUN one   two   three"]);
        assert_eq!(read(text).unwrap().warnings[0].line, 5);
    }

    #[test]
    fn an_escaped_escape_continues_nothing() {
        assert_eq!(texts("RUN a\\\\\nRUN b"), ["RUN a\\\\", "RUN b"]);
        assert_eq!(texts("# escape=`\nRUN a `\n b\\\nRUN c"), ["RUN a  b\\", "RUN c"]);
    }

    #[test]
    fn a_here_document_is_gathered_with_its_lines() {
        let source =
            read("RUN <<EOF\n# kept\necho $HOME\nEOF\nCOPY <<-\"A\" <<B /x/\n\tone\n\tA\ntwo\nB\nRUN c").unwrap();
        let run = &source.statements[0];
        assert_eq!((run.first_line, run.last_line), (1, 4));
        assert_eq!(run.heredocs[0].content, "# kept\necho $HOME\n");
        let copy = &source.statements[1];
        assert_eq!(copy.heredocs.len(), 2);
        assert!(!copy.heredocs[0].expand && copy.heredocs[1].expand);
        assert_eq!(copy.heredocs[0].text(), "one\n");
        assert_eq!(source.statements[2].first_line, 10);
    }

    #[test]
    fn blanks_may_stand_between_the_operator_and_its_delimiter() {
        for (operator, expand, strip_tabs) in [
            ("<< EOF", true, false),
            ("<<  EOF", true, false),
            ("<<\tEOF", true, false),
            ("<<- EOF", true, true),
            ("<< \"EOF\"", false, false),
            ("<< 'EOF'", false, false),
            ("0<< EOF", true, false),
            ("3<<EOF", true, false),
        ] {
            for text in [
                format!("RUN cat {operator}\nline\nEOF\nRUN b"),
                format!("RUN {operator}\nline\nEOF\nRUN b"),
                format!("COPY --chmod=600 {operator} /x\nline\nEOF\nRUN b"),
            ] {
                let source = read(&text).unwrap();
                assert_eq!(source.statements.len(), 2, "{text}");
                let [heredoc] = &source.statements[0].heredocs[..] else {
                    panic!("one here-document: {text}")
                };
                assert_eq!((heredoc.name.as_str(), heredoc.content.as_str()), ("EOF", "line\n"));
                assert_eq!((heredoc.expand, heredoc.strip_tabs), (expand, strip_tabs), "{text}");
            }
        }
        let two = read("RUN cat << A << B\na\nA\nb\nB").unwrap();
        let names: Vec<&str> = two.statements[0].heredocs.iter().map(|doc| doc.name.as_str()).collect();
        assert_eq!(names, ["A", "B"]);
    }

    #[test]
    fn a_here_document_without_end_is_told_with_its_line() {
        let error = read("FROM a\nRUN <<EOF\necho\n").unwrap_err();
        assert_eq!((error.line, error.instruction.as_str()), (Some(2), "RUN"));
        assert!(error.message.contains("`EOF`"), "{error}");
    }

    #[test]
    fn what_only_looks_like_a_here_document_is_none() {
        assert_eq!(
            texts("RUN echo $((1<<2))\nRUN [\"cat\",\"<<EOF\"]\nENV A=<<B\nRUN cat <<<word").len(),
            4
        );
        assert_eq!(texts("RUN echo '<<EOF'\nRUN b").len(), 2);
        assert_eq!(
            texts("RUN echo $((1 << n)) $(( 2 << 3 ))\nRUN echo a <<\nRUN b").len(),
            3
        );
    }

    #[test]
    fn line_ends_of_windows_and_a_byte_order_mark_are_fine() {
        assert_eq!(texts("\u{feff}FROM a\r\nRUN b \\\r\n c\r\n"), ["FROM a", "RUN b  c"]);
    }
}
