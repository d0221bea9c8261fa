//! One recycled row: a line number, a time and styled text, written straight
//! into the document. Rows are rewritten only when they come to show another
//! line, so a selection survives new output.

use super::ansi::{self, Span};
use super::window::{Kind, Line};
use crate::format::{number, time};
use js_sys::RegExp;
use wasm_bindgen::JsCast;
use web_sys::{Document, Element, HtmlElement};

/// Longer lines show this much until they are opened.
const SHOWN_BYTES: usize = 4096;

/// When a line was written, as shown before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Times {
    Off,
    Local,
    Utc,
}

/// How rows are drawn now. A change makes every row be written again.
pub struct Look {
    pub times: Times,
    pub dark: bool,
    pub hit: Option<RegExp>,
    pub current_hit: Option<u64>,
    pub selected: Option<(u64, u64)>,
}

pub struct Row {
    root: HtmlElement,
    number: HtmlElement,
    time: HtmlElement,
    text: HtmlElement,
    mark: HtmlElement,
    /// The line it shows and the look it was drawn in.
    pub shown: Option<(u64, u64)>,
}

impl Row {
    /// Makes a row inside `parent`.
    pub fn new(document: &Document, parent: &Element) -> Option<Self> {
        let make = |tag: &str, class: &str| -> Option<HtmlElement> {
            let element: HtmlElement = document.create_element(tag).ok()?.dyn_into().ok()?;
            element.set_class_name(class);
            Some(element)
        };
        let row = Self {
            root: make("div", "log-view__row")?,
            number: make("span", "log-view__number")?,
            time: make("span", "log-view__time")?,
            text: make("span", "log-view__text")?,
            mark: make("div", "log-view__mark")?,
            shown: None,
        };
        for part in [&row.mark, &row.number, &row.time, &row.text] {
            row.root.append_child(part).ok()?;
        }
        parent.append_child(&row.root).ok()?;
        Some(row)
    }

    pub fn hide(&mut self) {
        self.shown = None;
        self.root.set_hidden(true);
    }

    pub fn place(&self, y: f64) {
        let _ = self
            .root
            .style()
            .set_property("transform", &format!("translateY({}px)", rounded(y)));
    }

    pub fn height(&self) -> f64 {
        f64::from(self.root.offset_height())
    }

    /// Shows line `seq`, or grey bars while it is on its way. `mark` is a
    /// sentence that belongs above it.
    pub fn write(
        &mut self,
        document: &Document,
        seq: u64,
        line: Option<&Line>,
        look: &Look,
        mark: Option<&str>,
        opened: bool,
    ) {
        self.mark.set_text_content(mark);
        self.mark.set_hidden(mark.is_none());
        self.root.set_hidden(false);
        let seq_text = seq.to_string();
        let _ = self.root.set_attribute("data-seq", &seq_text);
        self.number.set_text_content(Some(&number::count(seq)));
        let Some(line) = line else {
            self.root.set_class_name("log-view__row log-view__row--coming");
            self.time.set_text_content(None);
            self.text.set_text_content(None);
            return;
        };
        let mut class = String::from("log-view__row");
        if let Some(level) = Level::of(line) {
            class.push_str(level.class());
        }
        if line.kind == Kind::Marker {
            class.push_str(" log-view__row--marker");
        }
        if look.selected.is_some_and(|(from, to)| (from..=to).contains(&seq)) {
            class.push_str(" log-view__row--selected");
        }
        if look.current_hit == Some(seq) {
            class.push_str(" log-view__row--hit");
        }
        self.root.set_class_name(&class);
        let shown_time = match look.times {
            Times::Off => String::new(),
            Times::Local => time::clock_ms(line.at_ms),
            Times::Utc => time::utc(line.at_ms).replace('T', " "),
        };
        self.time.set_text_content(Some(&shown_time));
        self.write_text(document, line, look, opened);
    }

    fn write_text(&self, document: &Document, line: &Line, look: &Look, opened: bool) {
        let (text, rest) = if opened || line.text.len() <= SHOWN_BYTES {
            (line.text.as_str(), 0)
        } else {
            let mut end = SHOWN_BYTES;
            while !line.text.is_char_boundary(end) {
                end -= 1;
            }
            (&line.text[..end], line.text.len())
        };
        let spans = ansi::parse(text);
        let simple = spans.len() == 1 && spans[0].style == ansi::Style::default();
        if simple && look.hit.is_none() && rest == 0 && !text.contains("://") {
            self.text.set_text_content(Some(&spans[0].text));
            return;
        }
        self.text.set_text_content(None);
        let plain: String = spans.iter().map(|span| span.text.as_str()).collect();
        let hits = look.hit.as_ref().map(|hit| ranges(hit, &plain)).unwrap_or_default();
        let mut at = 0;
        for span in &spans {
            self.write_span(document, span, at, &hits, look.dark);
            at += span.text.encode_utf16().count();
        }
        if rest > 0
            && let Ok(button) = document.create_element("button")
        {
            button.set_class_name("log-view__open");
            let _ = button.set_attribute("type", "button");
            button.set_text_content(Some(&format!("show all {}", crate::format::size(rest as u64))));
            let _ = self.text.append_child(&button);
        }
    }

    /// Writes one styled piece, cut where hits begin and end. Offsets count
    /// UTF-16 units, as the browser's expressions do.
    fn write_span(&self, document: &Document, span: &Span, start: usize, hits: &[(usize, usize)], dark: bool) {
        let units: Vec<u16> = span.text.encode_utf16().collect();
        let style = span.style.css(dark);
        let mut at = 0;
        while at < units.len() {
            let here = start + at;
            let inside = hits.iter().find(|(from, to)| (*from..*to).contains(&here));
            let stop = match inside {
                Some((_, to)) => to - start,
                None => hits
                    .iter()
                    .map(|(from, _)| *from)
                    .find(|from| *from > here)
                    .map_or(units.len(), |from| from - start),
            }
            .min(units.len());
            let text = String::from_utf16_lossy(&units[at..stop]);
            self.write_piece(document, &text, &style, inside.is_some());
            at = stop;
        }
    }

    fn write_piece(&self, document: &Document, text: &str, style: &str, hit: bool) {
        if !hit && let Some((before, address, after)) = split_address(text) {
            self.write_piece(document, before, style, false);
            if let Ok(link) = document.create_element("a") {
                let _ = link.set_attribute("href", address);
                let _ = link.set_attribute("rel", "noopener noreferrer");
                let _ = link.set_attribute("target", "_blank");
                link.set_text_content(Some(address));
                let _ = self.text.append_child(&link);
            }
            self.write_piece(document, after, style, false);
            return;
        }
        if text.is_empty() {
            return;
        }
        if style.is_empty() && !hit {
            let _ = self.text.append_with_str_1(text);
            return;
        }
        if let Ok(piece) = document.create_element(if hit { "mark" } else { "span" }) {
            piece.set_text_content(Some(text));
            if !hit {
                let _ = piece.set_attribute("style", style);
            }
            let _ = self.text.append_child(&piece);
        }
    }
}

/// Half pixels are fine enough, and integers are short to write.
fn rounded(y: f64) -> f64 {
    (y * 2.0).round() / 2.0
}

/// The first web address in a text, with what stands before and after it.
fn split_address(text: &str) -> Option<(&str, &str, &str)> {
    let start = text.find("https://").or_else(|| text.find("http://"))?;
    let tail = &text[start..];
    let end = tail
        .find(|c: char| c.is_whitespace() || matches!(c, '"' | '\'' | '<' | '>' | ')' | ']' | '}' | '`'))
        .unwrap_or(tail.len());
    let address = tail[..end].trim_end_matches(['.', ',', ';', ':']);
    (address.len() > 8).then(|| (&text[..start], address, &text[start + address.len()..]))
}

/// Where an expression matches, in UTF-16 units.
fn ranges(expression: &RegExp, text: &str) -> Vec<(usize, usize)> {
    let mut found = Vec::new();
    expression.set_last_index(0);
    while let Some(hit) = expression.exec(text) {
        let whole = hit.get(0).as_string().unwrap_or_default();
        let length = whole.encode_utf16().count();
        if length == 0 || found.len() >= 200 {
            break;
        }
        let end = expression.last_index() as usize;
        found.push((end.saturating_sub(length), end));
    }
    found
}

/// How serious a line says it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    Error,
    Warning,
    Info,
    Debug,
}

impl Level {
    fn class(self) -> &'static str {
        match self {
            Self::Error => " log-view__row--error",
            Self::Warning => " log-view__row--warning",
            Self::Info => " log-view__row--info",
            Self::Debug => " log-view__row--debug",
        }
    }

    /// Judged by a word near the line's beginning. Standard error alone is no error.
    pub fn of(line: &Line) -> Option<Self> {
        if line.kind == Kind::Marker {
            return None;
        }
        let mut end = line.text.len().min(120);
        while !line.text.is_char_boundary(end) {
            end -= 1;
        }
        // Colours stand before the word in many programs.
        ansi::plain(&line.text[..end])
            .split(|c: char| !c.is_ascii_alphabetic())
            .find_map(|word| match word {
                "ERROR" | "Error" | "error" | "ERR" | "FATAL" | "fatal" | "CRITICAL" | "PANIC" | "panic" | "emerg"
                | "crit" => Some(Self::Error),
                "WARN" | "WARNING" | "Warning" | "warning" | "warn" => Some(Self::Warning),
                "INFO" | "info" | "NOTICE" | "notice" => Some(Self::Info),
                "DEBUG" | "debug" | "TRACE" | "trace" => Some(Self::Debug),
                _ => None,
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn level(text: &str) -> Option<Level> {
        Level::of(&Line {
            seq: 0,
            at_ms: 0.0,
            kind: Kind::Stderr,
            text: text.to_owned(),
        })
    }

    #[test]
    fn a_level_is_read_where_programs_write_it() {
        assert_eq!(level("2026-01-01 ERROR no disk"), Some(Level::Error));
        assert_eq!(level(r#"{"level":"warn","msg":"slow"}"#), Some(Level::Warning));
        assert_eq!(level("level=info msg=ready"), Some(Level::Info));
        assert_eq!(level("listening on 80"), None);
    }

    #[test]
    fn an_address_is_found_without_the_full_stop_after_it() {
        let (before, address, after) = split_address("see https://example.org/a.").expect("an address");
        assert_eq!((before, address, after), ("see ", "https://example.org/a", "."));
        assert_eq!(split_address("no address"), None);
    }
}
