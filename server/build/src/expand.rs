//! Variables and quotes in the words of instructions. Dockerfile reference,
//! "Environment replacement"; the operators are those of the POSIX shell, with the
//! substitution of other shells.

use crate::shell_pattern::ShellPattern;

/// Nested deeper than this, a word is a mistake, or meant to harm.
const MOST_DEEP: usize = 32;
/// Of what comes out of a word: variables that name each other double with every line.
const MOST_BYTES: usize = 1 << 20;

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ExpandError {
    #[error("a quote {0} is opened and not closed")]
    OpenQuote(char),
    #[error("`${{` is opened and not closed with `}}`")]
    OpenBrace,
    #[error(
        "`${{{0}` is no known form; use one of `${{x}}`, `${{x:-y}}`, `${{x:+y}}`, `${{x:?y}}`, `${{x#p}}`, `${{x%p}}`, `${{x/p/y}}`"
    )]
    Form(String),
    #[error("variable `{name}` is needed: {why}")]
    Needed { name: String, why: String },
    #[error("it is nested too deeply")]
    Deep,
    #[error("with its variables it becomes longer than {0} bytes; make them shorter")]
    Long(usize),
}

/// Replaces variables by what `lookup` says they are; what is not known is empty.
pub(crate) struct Expander<'a> {
    pub(crate) escape: char,
    pub(crate) lookup: &'a dyn Fn(&str) -> Option<String>,
}

impl Expander<'_> {
    /// As one word, whatever spaces are in it; quotes and escapes go.
    pub(crate) fn word(&self, text: &str) -> Result<String, ExpandError> {
        self.within(text, MOST_BYTES)
    }

    /// A whole document: it may be as long as the file it stands in.
    pub(crate) fn document(&self, text: &str) -> Result<String, ExpandError> {
        self.within(text, text.len() + MOST_BYTES)
    }

    fn within(&self, text: &str, most_bytes: usize) -> Result<String, ExpandError> {
        let mut scan = self.scan(text, most_bytes);
        let mut out = Vec::new();
        scan.run(&mut out, Until::End)?;
        Ok(out.into_iter().map(|(letter, _)| letter).collect())
    }

    /// As words: spaces part them unless they are quoted.
    pub(crate) fn words(&self, text: &str) -> Result<Vec<String>, ExpandError> {
        let mut scan = self.scan(text, MOST_BYTES);
        let mut out = Vec::new();
        scan.run(&mut out, Until::End)?;
        let mut words = Vec::new();
        let mut word: Option<String> = None;
        for (letter, quoted) in out {
            if letter.is_whitespace() && !quoted {
                words.extend(word.take());
            } else {
                word.get_or_insert_default().push(letter);
            }
        }
        words.extend(word);
        Ok(words)
    }

    fn scan<'s>(&'s self, text: &str, most_bytes: usize) -> Scan<'s> {
        Scan {
            letters: text.chars().collect(),
            at: 0,
            escape: self.escape,
            lookup: self.lookup,
            depth: 0,
            most_bytes,
        }
    }
}

/// Without quotes and escapes; `None` when a quote is open.
pub(crate) fn unquote(word: &str, escape: char) -> Option<String> {
    // A `$` stays what it is.
    let escaped: String = word
        .chars()
        .flat_map(|letter| {
            if letter == '$' {
                vec![escape, letter]
            } else {
                vec![letter]
            }
        })
        .collect();
    let nothing = |_: &str| None;
    let expander = Expander {
        escape,
        lookup: &nothing,
    };
    expander.word(&escaped).ok()
}

/// Parted at spaces outside quotes; quotes and escapes stay.
pub(crate) fn raw_words(text: &str, escape: char) -> Vec<String> {
    let mut words = Vec::new();
    let mut word = String::new();
    let mut quote = None;
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        match quote {
            None if letter.is_whitespace() => {
                if !word.is_empty() {
                    words.push(std::mem::take(&mut word));
                }
                continue;
            }
            None if matches!(letter, '"' | '\'') => quote = Some(letter),
            Some(open) if letter == open => quote = None,
            _ => {}
        }
        word.push(letter);
        if letter == escape && quote != Some('\'') {
            word.extend(letters.next());
        }
    }
    if !word.is_empty() {
        words.push(word);
    }
    words
}

/// Where a scan ends.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Until {
    End,
    /// At `}`, which is taken.
    Brace,
    /// At `/`, which is taken, or at `}`, which is not.
    Slash,
}

struct Scan<'a> {
    letters: Vec<char>,
    at: usize,
    escape: char,
    lookup: &'a dyn Fn(&str) -> Option<String>,
    depth: usize,
    most_bytes: usize,
}

/// Letters, each with whether it was quoted.
type Out = Vec<(char, bool)>;

impl Scan<'_> {
    fn peek(&self) -> Option<char> {
        self.letters.get(self.at).copied()
    }

    fn take(&mut self) -> Option<char> {
        let letter = self.peek()?;
        self.at += 1;
        Some(letter)
    }

    fn run(&mut self, out: &mut Out, until: Until) -> Result<(), ExpandError> {
        loop {
            match (self.peek(), until) {
                (None, Until::End) => return Ok(()),
                (None, Until::Brace | Until::Slash) => return Err(ExpandError::OpenBrace),
                (Some('}'), Until::Brace) | (Some('/'), Until::Slash) => {
                    self.at += 1;
                    return Ok(());
                }
                (Some('}'), Until::Slash) => return Ok(()),
                (Some(letter), _) => {
                    self.at += 1;
                    match letter {
                        '\'' => self.single_quoted(out)?,
                        '"' => self.double_quoted(out)?,
                        '$' => self.dollar(out, false)?,
                        _ if letter == self.escape => match self.take() {
                            // At the end it means itself no more.
                            None => {}
                            Some(next) => out.push((next, true)),
                        },
                        _ => out.push((letter, false)),
                    }
                }
            }
        }
    }

    fn single_quoted(&mut self, out: &mut Out) -> Result<(), ExpandError> {
        loop {
            match self.take() {
                None => return Err(ExpandError::OpenQuote('\'')),
                Some('\'') => return Ok(()),
                Some(letter) => out.push((letter, true)),
            }
        }
    }

    fn double_quoted(&mut self, out: &mut Out) -> Result<(), ExpandError> {
        loop {
            match self.take() {
                None => return Err(ExpandError::OpenQuote('"')),
                Some('"') => return Ok(()),
                Some('$') => self.dollar(out, true)?,
                Some(letter) if letter == self.escape => match self.take() {
                    None => return Err(ExpandError::OpenQuote('"')),
                    Some(next) => {
                        // Only before these does it mean anything here.
                        if next != '"' && next != '$' && next != self.escape {
                            out.push((letter, true));
                        }
                        out.push((next, true));
                    }
                },
                Some(letter) => out.push((letter, true)),
            }
        }
    }

    fn dollar(&mut self, out: &mut Out, quoted: bool) -> Result<(), ExpandError> {
        self.depth += 1;
        if self.depth > MOST_DEEP {
            return Err(ExpandError::Deep);
        }
        if self.peek() == Some('{') {
            self.at += 1;
            let value = self.braced()?;
            self.put(out, &value, quoted)?;
        } else {
            let name = self.name();
            if name.is_empty() {
                out.push(('$', quoted));
            } else {
                let value = (self.lookup)(&name).unwrap_or_default();
                self.put(out, &value, quoted)?;
            }
        }
        self.depth -= 1;
        Ok(())
    }

    fn put(&self, out: &mut Out, value: &str, quoted: bool) -> Result<(), ExpandError> {
        if out.len() + value.len() > self.most_bytes {
            return Err(ExpandError::Long(self.most_bytes));
        }
        out.extend(value.chars().map(|letter| (letter, quoted)));
        Ok(())
    }

    /// A variable's name, a parameter's number, or one of the shell's own signs.
    fn name(&mut self) -> String {
        let mut name = String::new();
        match self.peek() {
            Some(first) if first.is_ascii_alphabetic() || first == '_' => {
                while let Some(letter) = self.peek().filter(|l| l.is_ascii_alphanumeric() || *l == '_') {
                    name.push(letter);
                    self.at += 1;
                }
            }
            Some(first) if first.is_ascii_digit() => {
                while let Some(letter) = self.peek().filter(char::is_ascii_digit) {
                    name.push(letter);
                    self.at += 1;
                }
            }
            Some(sign @ ('@' | '*' | '#' | '!' | '?' | '-')) => {
                name.push(sign);
                self.at += 1;
            }
            _ => {}
        }
        name
    }

    /// After `${`.
    fn braced(&mut self) -> Result<String, ExpandError> {
        let name = self.name();
        if name.is_empty() {
            return Err(ExpandError::Form(self.rest()));
        }
        let value = (self.lookup)(&name);
        let operator = self.take().ok_or(ExpandError::OpenBrace)?;
        match operator {
            '}' => Ok(value.unwrap_or_default()),
            ':' => match self.take() {
                Some(operator @ ('-' | '+' | '?')) => {
                    let value = value.filter(|value| !value.is_empty());
                    self.choose(operator, &name, value)
                }
                Some(other) => Err(ExpandError::Form(format!("{name}:{other}"))),
                None => Err(ExpandError::OpenBrace),
            },
            '-' | '+' | '?' => self.choose(operator, &name, value),
            '#' | '%' => {
                let longest = self.peek() == Some(operator);
                if longest {
                    self.at += 1;
                }
                let pattern = ShellPattern::new(&self.pattern(Until::Brace)?);
                let value = value.unwrap_or_default();
                Ok(match operator {
                    '#' => pattern.without_prefix(&value, longest),
                    _ => pattern.without_suffix(&value, longest),
                })
            }
            '/' => {
                let all = self.peek() == Some('/');
                if all {
                    self.at += 1;
                }
                let pattern = ShellPattern::new(&self.pattern(Until::Slash)?);
                let replacement = self.nested()?;
                pattern
                    .replace(&value.unwrap_or_default(), &replacement, all, self.most_bytes)
                    .ok_or(ExpandError::Long(self.most_bytes))
            }
            other => Err(ExpandError::Form(format!("{name}{other}"))),
        }
    }

    fn choose(&mut self, operator: char, name: &str, value: Option<String>) -> Result<String, ExpandError> {
        let word = self.nested()?;
        match (operator, value) {
            ('-' | '?', Some(value)) => Ok(value),
            ('-', None) | ('+', Some(_)) => Ok(word),
            ('?', None) => Err(ExpandError::Needed {
                name: name.to_owned(),
                why: if word.is_empty() {
                    "give it by a build argument or with ARG or ENV".to_owned()
                } else {
                    word
                },
            }),
            _ => Ok(String::new()),
        }
    }

    /// Up to the closing brace.
    fn nested(&mut self) -> Result<String, ExpandError> {
        let mut out = Vec::new();
        self.run(&mut out, Until::Brace)?;
        Ok(out.into_iter().map(|(letter, _)| letter).collect())
    }

    /// As [`Scan::nested`], of a pattern: what was quoted is escaped, so that it means itself.
    fn pattern(&mut self, until: Until) -> Result<Vec<(char, bool)>, ExpandError> {
        let mut out = Vec::new();
        self.run(&mut out, until)?;
        Ok(out)
    }

    fn rest(&self) -> String {
        self.letters[self.at..].iter().take(20).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn lookup(name: &str) -> Option<String> {
        match name {
            "a" => Some("hello".to_owned()),
            "empty" => Some(String::new()),
            "path" => Some("/usr/local/bin/tool.tar.gz".to_owned()),
            "spaced" => Some("x y".to_owned()),
            _ => None,
        }
    }

    fn word(text: &str) -> Result<String, ExpandError> {
        let expander = Expander {
            escape: '\\',
            lookup: &lookup,
        };
        expander.word(text)
    }

    #[test]
    fn every_form_of_a_variable_is_known() {
        for (text, wanted) in [
            ("$a", "hello"),
            ("${a}x", "hellox"),
            ("$ax", ""),
            ("${nope:-b}", "b"),
            ("${empty:-b}", "b"),
            ("${empty-b}", ""),
            ("${nope-b}", "b"),
            ("${a:+b}", "b"),
            ("${nope:+b}", ""),
            ("${empty:+b}", ""),
            ("${empty+b}", "b"),
            ("${nope:-$a}", "hello"),
            ("${nope:-${nope:-deep}}", "deep"),
            ("${path#*/}", "usr/local/bin/tool.tar.gz"),
            ("${path##*/}", "tool.tar.gz"),
            ("${path%.*}", "/usr/local/bin/tool.tar"),
            ("${path%%.*}", "/usr/local/bin/tool"),
            ("${path#nothing}", "/usr/local/bin/tool.tar.gz"),
            ("${a/l/L}", "heLlo"),
            ("${a//l/L}", "heLLo"),
            ("${a/e*l/-}", "h-o"),
            ("${a//l}", "heo"),
            ("${a/\\//x}", "hello"),
            ("${path//\\//-}", "-usr-local-bin-tool.tar.gz"),
            ("${a:?needed}", "hello"),
            ("\\$a", "$a"),
            ("'$a'", "$a"),
            ("\"$a\"", "hello"),
            ("\"\\$a\"", "$a"),
            ("\"a\\b\"", "a\\b"),
            ("a\\ b", "a b"),
            ("$", "$"),
            ("a$/b", "a$/b"),
            ("$1", ""),
        ] {
            assert_eq!(word(text).as_deref(), Ok(wanted), "{text}");
        }
    }

    #[test]
    fn what_is_not_closed_or_needed_is_told() {
        assert_eq!(word("\"a"), Err(ExpandError::OpenQuote('"')));
        assert_eq!(word("'a"), Err(ExpandError::OpenQuote('\'')));
        assert_eq!(word("${a"), Err(ExpandError::OpenBrace));
        assert_eq!(word("${a:-b"), Err(ExpandError::OpenBrace));
        assert!(matches!(word("${a:=b}"), Err(ExpandError::Form(_))));
        assert!(matches!(word("${}"), Err(ExpandError::Form(_))));
        assert!(
            word("${nope:?say which}")
                .unwrap_err()
                .to_string()
                .contains("say which")
        );
    }

    #[test]
    fn words_are_parted_at_spaces_that_are_not_quoted() {
        let expander = Expander {
            escape: '\\',
            lookup: &lookup,
        };
        assert_eq!(
            expander.words("1 $spaced \"$spaced\" '3 4'").unwrap(),
            ["1", "x", "y", "x y", "3 4"]
        );
    }

    #[test]
    fn raw_words_keep_their_quotes() {
        assert_eq!(
            raw_words("a=\"b c\" d='e f' g\\ h", '\\'),
            ["a=\"b c\"", "d='e f'", "g\\ h"]
        );
        assert_eq!(unquote("\"EOF\"", '\\').as_deref(), Some("EOF"));
        assert_eq!(unquote("$EOF", '\\').as_deref(), Some("$EOF"));
    }

    #[test]
    fn what_doubles_with_every_variable_is_stopped() {
        let long = "x".repeat(600_000);
        let lookup = |_: &str| Some(long.clone());
        let expander = Expander {
            escape: '\\',
            lookup: &lookup,
        };
        assert_eq!(expander.word("$a").map(|text| text.len()), Ok(600_000));
        for text in ["$a$a", "${a}${a}", "${a/x/$a$a}", "${a//x/$a}"] {
            assert_eq!(expander.word(text), Err(ExpandError::Long(MOST_BYTES)), "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_text_is_too_much(text in "[${}:#%/a\\\\'\"* -]{0,60}") {
            let _ = word(&text);
        }
    }
}
