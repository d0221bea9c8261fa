use regex::Regex;

/// Makes equal what differs between two runs by nature: ids, times, addresses.
pub(crate) struct Masks {
    words: Vec<(String, String)>,
    patterns: Vec<(Regex, &'static str)>,
}

impl Masks {
    pub(crate) fn new(words: &[(&str, &str)]) -> Self {
        let patterns = [
            (r"\b[0-9a-f]{64}\b", "<id>"),
            (r"\b[0-9a-f]{12}\b", "<id>"),
            (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", "<time>"),
            (
                r"(?i)(less than a second|about an? \w+|\d+ (seconds?|minutes?|hours?))( ago)?",
                "<ago>",
            ),
            (r"\b(10|172)\.\d+\.\d+\.\d+\b", "<address>"),
            (r"/dev/pts/\d+", "/dev/pts/N"),
            // A terminal's line ends, and what script(1) makes of the end of its input.
            (r"\r|\^@", ""),
        ];
        Self {
            words: words
                .iter()
                .map(|(word, name)| ((*word).to_owned(), format!("<{name}>")))
                .collect(),
            patterns: patterns
                .into_iter()
                .map(|(pattern, name)| (Regex::new(pattern).expect("a pattern"), name))
                .collect(),
        }
    }

    pub(crate) fn apply(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for (word, name) in &self.words {
            text = text.replace(word, name);
        }
        for (pattern, name) in &self.patterns {
            text = pattern.replace_all(&text, *name).into_owned();
        }
        text
    }
}
