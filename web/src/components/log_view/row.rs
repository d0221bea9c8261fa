//! One recycled row: a line number, a time and styled text, written straight
//! into the document. Rows are rewritten only when they come to show another
//! line, so a selection survives new output.

use super::level::Level;
use super::source::Mark;
use super::style;
use super::window::{Kind, Line};
use crate::format::{number, time};
use js_sys::RegExp;
use model::terminal::{self, Span};
use wasm_bindgen::JsCast;
use web_sys::{Document, Element, HtmlElement};

/// Longer lines show this much until they are opened.
const SHOWN_BYTES: usize = 4096;
const ROW_CLASS: &str = "log-view__row";

/// When a line was written, as shown before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Times {
    Off,
    Local,
    Utc,
}

impl Times {
    /// A moment to the second; local where the lines have no times.
    pub fn moment(self, at_ms: f64) -> String {
        match self {
            Self::Off | Self::Local => time::local(at_ms),
            Self::Utc => {
                let utc = time::utc(at_ms);
                [&utc[..utc.len().min(19)].replace('T', " "), " UTC"].concat()
            }
        }
    }
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
    /// Which row of the log it shows, and the look it was drawn in.
    pub shown: Option<(u64, u64)>,
    /// What the document has, so that nothing is written twice.
    class: String,
    y: f64,
    is_hidden: bool,
    is_marked: bool,
}

/// What a row is to show.
pub struct Content<'a> {
    /// The line's number, where it is known.
    pub seq: Option<u64>,
    /// The line, once it is there; grey bars until then.
    pub line: Option<&'a Line>,
    /// A sentence that belongs above it.
    pub mark: Option<&'a Mark>,
    /// Long lines are shown whole.
    pub opened: bool,
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
            root: make("div", ROW_CLASS)?,
            number: make("span", "log-view__number")?,
            time: make("span", "log-view__time")?,
            text: make("span", "log-view__text")?,
            mark: make("div", "log-view__mark")?,
            shown: None,
            class: ROW_CLASS.to_owned(),
            y: 0.0,
            is_hidden: false,
            is_marked: false,
        };
        row.mark.set_hidden(true);
        for part in [&row.mark, &row.number, &row.time, &row.text] {
            row.root.append_child(part).ok()?;
        }
        parent.append_child(&row.root).ok()?;
        Some(row)
    }

    /// Moves the row before another one in the document, or behind all of them, so that
    /// it is read and copied in the order it is seen.
    pub fn move_before(&self, parent: &Element, next: Option<&Self>) {
        let next: Option<&web_sys::Node> = next.map(|row| row.root.as_ref());
        let _ = parent.insert_before(&self.root, next);
    }

    pub fn hide(&mut self) {
        self.shown = None;
        self.set_hidden(true);
    }

    fn set_hidden(&mut self, hidden: bool) {
        if self.is_hidden != hidden {
            self.is_hidden = hidden;
            self.root.set_hidden(hidden);
        }
    }

    pub fn place(&mut self, y: f64) {
        // Half pixels are fine enough, and integers are short to write.
        let y = (y * 2.0).round() / 2.0;
        if self.y.to_bits() != y.to_bits() {
            self.y = y;
            let shift = ["translateY(", &y.to_string(), "px)"].concat();
            let _ = self.root.style().set_property("transform", &shift);
        }
    }

    pub fn height(&self) -> f64 {
        f64::from(self.root.offset_height())
    }

    /// Shows a line, or grey bars while it is on its way.
    pub fn write(&mut self, document: &Document, content: &Content<'_>, look: &Look) {
        if content.mark.is_some() || self.is_marked {
            let words = content.mark.map(|mark| mark_words(mark, look.times));
            self.mark.set_text_content(words.as_deref());
            self.mark.set_hidden(content.mark.is_none());
            self.is_marked = content.mark.is_some();
        }
        self.set_hidden(false);
        let number = content.seq.map(number::count);
        self.number.set_text_content(number.as_deref());
        let _ = match content.seq {
            Some(seq) => self.root.set_attribute("data-seq", &seq.to_string()),
            None => self.root.remove_attribute("data-seq"),
        };
        let Some(line) = content.line else {
            self.set_class([ROW_CLASS, " log-view__row--coming"].concat());
            self.time.set_text_content(None);
            self.text.set_text_content(None);
            return;
        };
        let shown_time = match look.times {
            Times::Off => String::new(),
            Times::Local => time::clock_ms(line.at_ms),
            Times::Utc => time::utc(line.at_ms).split('T').nth(1).unwrap_or_default().to_owned(),
        };
        self.time.set_text_content(Some(&shown_time));
        let level = self.write_text(document, line, look, content.opened);
        let mut class = String::from(ROW_CLASS);
        if let Some(level) = level {
            class.push_str(level.class());
        }
        if line.kind == Kind::Marker {
            class.push_str(" log-view__row--marker");
        }
        if look.selected.is_some_and(|(from, to)| (from..=to).contains(&line.seq)) {
            class.push_str(" log-view__row--selected");
        }
        if look.current_hit == Some(line.seq) {
            class.push_str(" log-view__row--hit");
        }
        self.set_class(class);
    }

    fn set_class(&mut self, class: String) {
        if self.class != class {
            self.root.set_class_name(&class);
            self.class = class;
        }
    }

    /// Writes what a terminal would show, and tells how serious it says it is.
    fn write_text(&self, document: &Document, line: &Line, look: &Look, opened: bool) -> Option<Level> {
        let is_plain = terminal::is_plain(line.text.as_bytes());
        let level = |text: &str| (line.kind != Kind::Marker).then(|| Level::of(text)).flatten();
        if is_plain && look.hit.is_none() && line.text.len() <= SHOWN_BYTES && !line.text.contains("://") {
            self.text.set_text_content(Some(&line.text));
            return level(&line.text);
        }
        // Overwriting comes before cutting: a progress line is long, and shows little.
        let mut spans = terminal::spans(&line.text);
        let length: usize = spans.iter().map(|span| span.text.len()).sum();
        let cut = !opened && length > SHOWN_BYTES;
        let level = level(&spans.iter().map(|span| span.text.as_str()).collect::<String>());
        if cut {
            cut_at(&mut spans, SHOWN_BYTES);
        }
        self.text.set_text_content(None);
        let plain: String = spans.iter().map(|span| span.text.as_str()).collect();
        let hits = look.hit.as_ref().map(|hit| ranges(hit, &plain)).unwrap_or_default();
        let mut at = 0;
        for span in &spans {
            self.write_span(document, span, at, &hits, look.dark);
            at += span.text.encode_utf16().count();
        }
        if cut && let Ok(button) = document.create_element("button") {
            button.set_class_name("log-view__open");
            let _ = button.set_attribute("type", "button");
            button.set_text_content(Some(&["show all ", &crate::format::size(length as u64)].concat()));
            let _ = self.text.append_child(&button);
        }
        level
    }

    /// Writes one styled piece, cut where hits begin and end. Offsets count
    /// UTF-16 units, as the browser's expressions do.
    fn write_span(&self, document: &Document, span: &Span, start: usize, hits: &[(usize, usize)], dark: bool) {
        let units: Vec<u16> = span.text.encode_utf16().collect();
        let style = style::css(span.style, dark);
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

/// A mark in the chosen time zone; in local time where the lines have no times.
fn mark_words(mark: &Mark, times: Times) -> String {
    let at = mark.at_ms.map(|at| [", ", &times.moment(at)].concat());
    [mark.begin.as_str(), &at.unwrap_or_default(), &mark.end].concat()
}

/// Keeps the first so many bytes, and whole characters.
fn cut_at(spans: &mut Vec<Span>, bytes: usize) {
    let mut left = bytes;
    for (at, span) in spans.iter_mut().enumerate() {
        if span.text.len() > left {
            while !span.text.is_char_boundary(left) {
                left -= 1;
            }
            span.text.truncate(left);
            spans.truncate(at + 1);
            return;
        }
        left -= span.text.len();
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_line_is_cut_between_characters() {
        let mut spans = terminal::spans("ab\u{1b}[31mcé\u{1b}[0mf");
        cut_at(&mut spans, 4);
        let texts: Vec<&str> = spans.iter().map(|span| span.text.as_str()).collect();
        assert_eq!(texts, ["ab", "c"]);
    }

    #[test]
    fn an_address_is_found_without_the_full_stop_after_it() {
        let (before, address, after) = split_address("see https://example.org/a.").expect("an address");
        assert_eq!((before, address, after), ("see ", "https://example.org/a", "."));
        assert_eq!(split_address("no address"), None);
    }
}
