//! What a terminal shows for one line of output: text in styles.
//!
//! A line is written to an empty terminal of one row without a right edge, and what stands
//! there at its end is what people see. Escape sequences (ECMA-48, and those of xterm) are
//! understood as xterm.js 6 does, the terminal of the panel's console, so that a log reads
//! like the console did. Movements to other rows are ignored. Nothing is carried from line
//! to line, since lines are read in any order.
//!
//! The server searches in this text and the panel draws it: one rule for both.

mod charset;
mod params;
mod parser;
mod screen;
mod style;
mod tabs;
mod width;

pub use style::{Colour, Style, Underline};

use parser::Parser;
use screen::Screen;
use std::borrow::Cow;

/// A piece of a line in one style.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Span {
    pub text: String,
    pub style: Style,
}

/// The styled pieces of a line.
pub fn spans(line: &str) -> Vec<Span> {
    if is_plain(line.as_bytes()) {
        return vec![Span {
            text: line.to_owned(),
            style: Style::default(),
        }];
    }
    written(line).spans()
}

/// The text of a line without styles.
pub fn text(line: &str) -> Cow<'_, str> {
    if is_plain(line.as_bytes()) {
        return Cow::Borrowed(line);
    }
    Cow::Owned(appended(line).unwrap_or_else(|| written(line).text()))
}

/// Whether a terminal shows these bytes as they are: UTF-8 without control characters but
/// the tab.
pub fn is_plain(line: &[u8]) -> bool {
    if line.iter().all(|byte| matches!(byte, b' '..=b'~' | b'\t')) {
        return true;
    }
    let Ok(text) = std::str::from_utf8(line) else {
        return false;
    };
    text.chars().all(|c| c == '\t' || !c.is_control())
}

fn written(line: &str) -> Screen {
    let (mut parser, mut screen) = (Parser::default(), Screen::default());
    for c in line.chars() {
        if screen.is_exhausted() {
            break;
        }
        parser.step(c, &mut screen);
    }
    screen
}

/// The text of a line whose control sequences only set colours, without the cost of cells;
/// `None` where one of them may do more.
fn appended(line: &str) -> Option<String> {
    let line = line.trim_end_matches('\r');
    let mut text = String::with_capacity(line.len());
    let mut rest = line;
    while let Some(at) = rest.find(|c: char| c != '\t' && c.is_control()) {
        text.push_str(&rest[..at]);
        let sequence = rest[at..].strip_prefix("\x1b[")?;
        let end = sequence.find(|c: char| !matches!(c, '0'..=';'))?;
        rest = sequence[end..].strip_prefix('m')?;
    }
    text.push_str(rest);
    // A zero-width character stands otherwise after a sequence, and a tab at the end is cut.
    (!text.ends_with('\t') && text.is_ascii()).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(line: &str) -> Vec<String> {
        spans(line).into_iter().map(|span| span.text).collect()
    }

    #[test]
    fn no_line_takes_long() {
        let marks = format!("a{}\x1b[4096b", "\u{301}".repeat(1 << 19));
        let tabs = format!("\x1b[3g{}", "\x1b[4096I".repeat(100_000));
        let erased = format!("{}{}", "x".repeat(1 << 20), "\x1b[1K\x1b[2@".repeat(50_000));
        let inserted = format!("\x1b[4h{}{}", "y".repeat(1 << 20), "\x1b[H\x1bc".repeat(50_000));
        for line in [marks, tabs, erased, inserted] {
            let begun = std::time::Instant::now();
            assert!(text(&line).len() <= line.len() * 300);
            assert!(begun.elapsed() < std::time::Duration::from_secs(60));
        }
    }

    #[test]
    fn a_plain_line_is_one_piece() {
        assert_eq!(texts("hello\tworld"), ["hello\tworld"]);
        assert_eq!(spans("x")[0].style, Style::default());
        assert!(matches!(text("größe 大"), Cow::Borrowed("größe 大")));
    }

    #[test]
    fn colours_split_a_line_and_are_reset() {
        let line = "a\x1b[31mred\x1b[0m b";
        assert_eq!(texts(line), ["a", "red", " b"]);
        assert_eq!(spans(line)[1].style.foreground, Some(Colour::Indexed(1)));
        assert_eq!(spans(line)[2].style, Style::default());
    }

    #[test]
    fn extended_colours_are_read_in_both_notations() {
        let foreground = |line: &str| spans(line)[0].style.foreground;
        for line in ["\x1b[38;5;196mx", "\x1b[38:5:196mx"] {
            assert_eq!(foreground(line), Some(Colour::Indexed(196)));
        }
        for line in ["\x1b[38;2;1;2;3mx", "\x1b[38:2::1:2:3mx", "\x1b[38:2:0:1:2:3mx"] {
            assert_eq!(foreground(line), Some(Colour::Rgb(1, 2, 3)));
        }
        assert_eq!(spans("\x1b[4:3mx")[0].style.underline, Some(Underline::Curly));
        assert_eq!(spans("\x1b[4:0mx")[0].style.underline, None);
    }

    #[test]
    fn sequences_leave_no_trace_in_the_text() {
        for (line, shown) in [
            ("\x1b]0;title\x07a\x1b]8;;http://x\x1b\\b\x1b]8;;\x1b\\", "ab"),
            ("\x1b(Bok\x1b)0", "ok"),
            ("\x1b(0lqqk\x1b(B", "┌──┐"),
            ("a\x1bP1$r0m\x1b\\b", "ab"),
            ("a\x1b_hidden\x1b\\b\x1b^x\x1b\\c\x1bXy\x1b\\d", "abcd"),
            ("a\x1b[?25lb\x1b[>4;2mc\x1b[ qd\x1b=e", "abcde"),
            ("done\r", "done"),
            ("cut\x1b[31", "cut"),
        ] {
            assert_eq!(text(line), shown, "{line:?}");
            assert_eq!(texts(line).concat(), shown, "{line:?}");
        }
    }

    #[test]
    fn a_line_that_overwrites_itself_shows_its_last_state() {
        for (line, shown) in [
            ("10 %\r50 %\r100 %\r", "100 %"),
            ("text\r\x1b[0m", "text"),
            ("loading\rdone", "doneing"),
            ("loading\r\x1b[Kdone", "done"),
            ("abc\x1b[1Gx\x1b[Cy", "xby"),
            ("ab\x1b[31mc\x1b[0m\x08\x08x", "axc"),
            ("a\x1b[2Kb\x1b[1;1Hc", "cb"),
            ("漢字\x08x", "漢 x"),
            ("a\x1b[3b!", "aaaa!"),
        ] {
            assert_eq!(text(line), shown, "{line:?}");
        }
        let long = "x".repeat(5000) + "\r" + &"y".repeat(3000) + "\x1b[K";
        assert_eq!(text(&long), "y".repeat(3000));
    }

    #[test]
    fn text_without_styles_is_the_same_by_the_short_way_and_the_long_one() {
        for line in [
            "\x1b[1;31merror\x1b[0m: disk full\r",
            "\x1b[38;5;4ma\tb\x1b[m",
            "a\x1b[0mb",
        ] {
            assert_eq!(appended(line).expect("only colours"), written(line).text());
        }
        for line in ["a\rb", "a\x1b[Kb", "a\x08b", "é\x1b[0m\u{301}", "\x1b[31"] {
            assert_eq!(appended(line), None, "{line:?}");
        }
    }

    #[test]
    fn a_sequence_cannot_make_a_line_endless() {
        let line = "a\x1b[2147483647Cb\x1b[999999999b\x1b[2147483647@\x1b[2147483647I";
        assert!(text(line).len() < 20_000);
    }
}
