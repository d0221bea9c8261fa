//! What a terminal would make of one line: text in coloured pieces.
//!
//! Knows SGR (ECMA-48, 8.3.117) with the 16, 256 and 24-bit colours; every
//! other escape sequence is dropped, and a line that overwrites itself with
//! carriage returns is shown as it was last. State is not carried from line to
//! line, since lines are read in any order.

/// A piece of a line in one style.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Span {
    pub text: String,
    pub style: Style,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Style {
    pub foreground: Option<Colour>,
    pub background: Option<Colour>,
    pub bold: bool,
    pub faint: bool,
    pub italic: bool,
    pub underline: bool,
    pub struck: bool,
    pub inverse: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Colour {
    /// One of the sixteen the theme defines.
    Theme(u8),
    Rgb(u8, u8, u8),
}

/// Splits a line into its styled pieces.
pub fn parse(line: &str) -> Vec<Span> {
    if !line.contains(['\u{1b}', '\r', '\u{8}']) {
        return vec![Span {
            text: tame(line),
            style: Style::default(),
        }];
    }
    let mut spans: Vec<Span> = Vec::new();
    let mut style = Style::default();
    let mut text = String::new();
    let mut rest = line.trim_end_matches('\r').chars().peekable();
    while let Some(c) = rest.next() {
        match c {
            '\u{1b}' => match rest.next() {
                Some('[') => {
                    let (parameters, last) = control_sequence(&mut rest);
                    if last == Some('m') {
                        flush(&mut spans, &mut text, style);
                        style = style.after(&parameters);
                    }
                }
                Some(']') => skip_string(&mut rest),
                _ => {}
            },
            '\r' => {
                spans.clear();
                text.clear();
            }
            '\u{8}' => {
                text.pop();
            }
            '\t' => text.push('\t'),
            c if c.is_control() => {}
            c => text.push(c),
        }
    }
    flush(&mut spans, &mut text, style);
    if spans.is_empty() {
        spans.push(Span::default());
    }
    spans
}

/// The text alone, as it is searched and copied.
pub fn plain(line: &str) -> String {
    parse(line).into_iter().map(|span| span.text).collect()
}

fn tame(line: &str) -> String {
    line.chars().filter(|c| *c == '\t' || !c.is_control()).collect()
}

fn flush(spans: &mut Vec<Span>, text: &mut String, style: Style) {
    if !text.is_empty() {
        spans.push(Span {
            text: std::mem::take(text),
            style,
        });
    }
}

type Rest<'a> = std::iter::Peekable<std::str::Chars<'a>>;

/// The parameters and the final byte of a control sequence.
fn control_sequence(rest: &mut Rest<'_>) -> (String, Option<char>) {
    let mut parameters = String::new();
    for c in rest.by_ref() {
        if ('\u{40}'..='\u{7e}').contains(&c) {
            return (parameters, Some(c));
        }
        if parameters.len() < 64 {
            parameters.push(c);
        }
    }
    (parameters, None)
}

/// Skips an operating-system command up to BEL or ST.
fn skip_string(rest: &mut Rest<'_>) {
    while let Some(c) = rest.next() {
        if c == '\u{7}' || (c == '\u{1b}' && rest.next_if_eq(&'\\').is_some()) {
            return;
        }
    }
}

impl Style {
    fn after(mut self, parameters: &str) -> Self {
        let codes: Vec<u16> = parameters
            .split([';', ':'])
            .map(|part| part.parse().unwrap_or(0))
            .collect();
        let mut at = 0;
        while at < codes.len() {
            match codes[at] {
                0 => self = Self::default(),
                1 => self.bold = true,
                2 => self.faint = true,
                3 => self.italic = true,
                4 => self.underline = true,
                7 => self.inverse = true,
                9 => self.struck = true,
                22 => (self.bold, self.faint) = (false, false),
                23 => self.italic = false,
                24 => self.underline = false,
                27 => self.inverse = false,
                29 => self.struck = false,
                code @ 30..=37 => self.foreground = theme(code - 30),
                code @ 90..=97 => self.foreground = theme(code - 82),
                code @ 40..=47 => self.background = theme(code - 40),
                code @ 100..=107 => self.background = theme(code - 92),
                39 => self.foreground = None,
                49 => self.background = None,
                which @ (38 | 48) => {
                    let (colour, used) = extended(&codes[at + 1..]);
                    at += used;
                    if which == 38 {
                        self.foreground = colour;
                    } else {
                        self.background = colour;
                    }
                }
                _ => {}
            }
            at += 1;
        }
        self
    }

    /// The inline style, empty for plain text. `dark`: the theme it is drawn on.
    pub fn css(&self, dark: bool) -> String {
        let mut css = String::new();
        let (foreground, background) = if self.inverse {
            (
                self.background.map_or_else(|| "var(--log)".to_owned(), Colour::css),
                Some(self.foreground.map_or_else(|| "var(--text-1)".to_owned(), Colour::css)),
            )
        } else {
            match (self.foreground, self.background) {
                (None, None) => (String::new(), None),
                // A foreign pair nobody can read is drawn in the theme's own colours.
                (foreground, Some(background)) if !readable(foreground, background) => {
                    ("var(--text-1)".to_owned(), Some("var(--inset)".to_owned()))
                }
                (Some(foreground), None) if !readable_on_log(foreground, dark) => (String::new(), None),
                (foreground, background) => (
                    foreground.map(Colour::css).unwrap_or_default(),
                    background.map(Colour::css),
                ),
            }
        };
        if !foreground.is_empty() {
            css.push_str("color:");
            css.push_str(&foreground);
            css.push(';');
        }
        if let Some(background) = background {
            css.push_str("background:");
            css.push_str(&background);
            css.push(';');
        }
        for (on, rule) in [
            (self.bold, "font-weight:600;"),
            (self.faint, "opacity:.75;"),
            (self.italic, "font-style:italic;"),
            (self.underline && !self.struck, "text-decoration:underline;"),
            (self.struck, "text-decoration:line-through;"),
        ] {
            if on {
                css.push_str(rule);
            }
        }
        css
    }
}

fn theme(number: u16) -> Option<Colour> {
    u8::try_from(number).ok().map(Colour::Theme)
}

/// The colour after 38 or 48, and how many codes it took.
fn extended(codes: &[u16]) -> (Option<Colour>, usize) {
    let byte = |n: u16| u8::try_from(n).unwrap_or(u8::MAX);
    match codes {
        [5, number, ..] => (Some(indexed(byte(*number))), 2),
        [2, r, g, b, ..] => (Some(Colour::Rgb(byte(*r), byte(*g), byte(*b))), 4),
        _ => (None, codes.len()),
    }
}

/// One of the 256: the theme's sixteen, a 6x6x6 cube, 24 greys.
fn indexed(number: u8) -> Colour {
    let step = |n: u8| if n == 0 { 0 } else { 55 + 40 * n };
    match number {
        0..=15 => Colour::Theme(number),
        16..=231 => {
            let n = number - 16;
            Colour::Rgb(step(n / 36), step(n / 6 % 6), step(n % 6))
        }
        232..=255 => {
            let grey = 8 + 10 * (number - 232);
            Colour::Rgb(grey, grey, grey)
        }
    }
}

impl Colour {
    fn css(self) -> String {
        match self {
            Self::Theme(number) => format!("var(--ansi-{number})"),
            Self::Rgb(r, g, b) => format!("rgb({r} {g} {b})"),
        }
    }

    /// Relative luminance, about (WCAG 2, without the exact curve).
    fn luminance(self) -> Option<f32> {
        match self {
            Self::Theme(_) => None,
            Self::Rgb(r, g, b) => {
                let part = |c: u8| {
                    let c = f32::from(c) / 255.0;
                    c * c
                };
                Some(0.2126 * part(r) + 0.7152 * part(g) + 0.0722 * part(b))
            }
        }
    }
}

fn ratio(a: f32, b: f32) -> f32 {
    (a.max(b) + 0.05) / (a.min(b) + 0.05)
}

fn readable_on_log(foreground: Colour, dark: bool) -> bool {
    let log = if dark { 0.005 } else { 0.97 };
    foreground.luminance().is_none_or(|l| ratio(l, log) >= 3.0)
}

fn readable(foreground: Option<Colour>, background: Colour) -> bool {
    match (foreground.map(Colour::luminance), background.luminance()) {
        (Some(Some(f)), Some(b)) => ratio(f, b) >= 3.0,
        // The theme's colours are made for the log's own ground, not for a coloured one.
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(line: &str) -> Vec<String> {
        parse(line).into_iter().map(|span| span.text).collect()
    }

    #[test]
    fn a_plain_line_is_one_piece() {
        assert_eq!(texts("hello\tworld"), ["hello\tworld"]);
        assert_eq!(parse("x")[0].style, Style::default());
    }

    #[test]
    fn colours_split_a_line_and_are_reset() {
        let spans = parse("a\u{1b}[31mred\u{1b}[0m b");
        assert_eq!(texts("a\u{1b}[31mred\u{1b}[0m b"), ["a", "red", " b"]);
        assert_eq!(spans[1].style.foreground, Some(Colour::Theme(1)));
        assert_eq!(spans[2].style, Style::default());
    }

    #[test]
    fn extended_colours_are_read() {
        let style = |line: &str| parse(line)[0].style.foreground;
        assert_eq!(style("\u{1b}[38;5;196mx"), Some(Colour::Rgb(255, 0, 0)));
        assert_eq!(style("\u{1b}[38;2;1;2;3mx"), Some(Colour::Rgb(1, 2, 3)));
        assert_eq!(style("\u{1b}[38;5mx"), None);
        assert_eq!(style("\u{1b}[95mx"), Some(Colour::Theme(13)));
    }

    #[test]
    fn other_escapes_leave_no_trace() {
        assert_eq!(plain("\u{1b}]0;title\u{7}a\u{1b}[2Kb\u{1b}[1;1Hc\u{1b}"), "abc");
    }

    #[test]
    fn a_progress_line_shows_its_last_state() {
        assert_eq!(plain("10 %\r50 %\r100 %\r"), "100 %");
    }

    #[test]
    fn an_unreadable_pair_is_drawn_in_the_themes_colours() {
        let style = parse("\u{1b}[38;2;10;10;10;48;2;20;20;20mx")[0].style;
        assert_eq!(style.css(true), "color:var(--text-1);background:var(--inset);");
    }
}
