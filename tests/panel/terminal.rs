//! A log line is shown as the terminal of the console shows it: xterm.js is given the same
//! bytes, in a browser, and asked what stands in its row.

use crate::browser::Browser;
use crate::host;
use model::terminal::{self, Colour, Style};
use serde_json::{Value, json};

const CASES: usize = 1500;
/// Wide enough that no generated line reaches the edge.
const COLUMNS: usize = 1000;

/// What stands in one column: its text, and how it looks.
type Column = Option<(String, Value)>;

const READ_ROWS: &str = "
const done = arguments[arguments.length - 1];
const [lines, columns] = arguments;
(async () => {
  const assets = document.querySelector('meta[name=assets]').content;
  const { Terminal } = await import(assets + '/vendor/xterm.mjs');
  const colour = (rgb, indexed, value) =>
    rgb ? [value >> 16, value >> 8 & 255, value & 255] : indexed ? [value] : null;
  const rows = [];
  for (const line of lines) {
    const terminal = new Terminal({ cols: columns, rows: 1, scrollback: 0, logLevel: 'off' });
    await new Promise((written) => terminal.write(line, written));
    const buffer = terminal.buffer.active;
    const row = buffer.getLine(buffer.baseY);
    const cells = [];
    let alone = false;
    for (let x = 0; x < columns; x++) {
      const cell = row.getCell(x);
      const text = cell.getChars();
      alone ||= text !== '' && cell.getWidth() === 0;
      cells.push(text === '' || text === ' ' ? null : [text, [
        colour(cell.isFgRGB(), cell.isFgPalette(), cell.getFgColor()),
        colour(cell.isBgRGB(), cell.isBgPalette(), cell.getBgColor()),
        ...[cell.isBold(), cell.isDim(), cell.isItalic(), cell.isUnderline(), cell.isBlink(),
          cell.isInverse(), cell.isInvisible(), cell.isStrikethrough(), cell.isOverline()].map(Boolean),
      ]]);
    }
    while (cells.length > 0 && cells[cells.length - 1] === null) cells.pop();
    rows.push(alone ? null : cells);
    terminal.dispose();
  }
  done(rows);
})().catch((error) => done(String(error)));
";

#[tokio::test]
async fn a_log_line_looks_as_it_does_in_the_console() {
    let Some(host) = host().await else { return };
    let browser = Browser::open(&host.url(), 1024, 700).await;
    browser.go("/").await;
    let mut random = Random(20_261_130);
    let mut lines: Vec<String> = FIXED.iter().map(|line| (*line).to_owned()).collect();
    lines.extend((0..CASES).map(|_| random.line()));
    let mut compared = 0;
    for lines in lines.chunks(250) {
        let rows = browser
            .script_until_done(READ_ROWS, vec![json!(lines), json!(COLUMNS)])
            .await;
        let rows = rows
            .as_array()
            .unwrap_or_else(|| panic!("xterm.js does not run: {rows}"));
        assert_eq!(rows.len(), lines.len());
        for (line, row) in lines.iter().zip(rows) {
            // A combining character without a letter is not to be seen.
            if row.is_null() {
                continue;
            }
            compared += 1;
            let expected: Vec<Column> = serde_json::from_value(row.clone()).expect("columns");
            assert_eq!(columns(line), expected, "{line:?}");
            let text: String = terminal::spans(line).into_iter().map(|span| span.text).collect();
            assert_eq!(text.trim_end(), terminal::text(line).trim_end(), "{line:?}");
        }
    }
    assert!(compared > CASES / 2, "{compared}");
    browser.close().await;
}

/// What the viewer draws, column by column. Wide characters take a second, empty one.
fn columns(line: &str) -> Vec<Column> {
    let mut columns: Vec<Column> = Vec::new();
    for span in terminal::spans(line) {
        let look = look(span.style);
        for c in span.text.chars() {
            match c {
                '\t' => columns.resize((columns.len() / 8 + 1) * 8, None),
                ' ' => columns.push(None),
                '\u{301}' => match columns.iter_mut().rev().flatten().next() {
                    Some((text, _)) => text.push(c),
                    None => columns.push(Some((c.to_string(), look.clone()))),
                },
                _ => {
                    columns.push(Some((c.to_string(), look.clone())));
                    if matches!(c, '漢' | '字') {
                        columns.push(None);
                    }
                }
            }
        }
    }
    while columns.last() == Some(&None) {
        columns.pop();
    }
    columns
}

fn look(style: Style) -> Value {
    let colour = |colour: Option<Colour>| match colour {
        None => Value::Null,
        Some(Colour::Indexed(number)) => json!([number]),
        Some(Colour::Rgb(r, g, b)) => json!([r, g, b]),
    };
    json!([
        colour(style.foreground),
        colour(style.background),
        style.bold,
        style.faint,
        style.italic,
        style.underline.is_some() || style.link,
        style.blink,
        style.inverse,
        style.hidden,
        style.struck,
        style.overline,
    ])
}

const FIXED: &[&str] = &[
    "plain",
    "\x1b(Bdone\x1b(0lqqk\x1b(B",
    "a\x1bP1$r0m\x1b\\b\x1b_x\x1b\\c\x1b^y\x1b\\d\x1bXz\x1b\\e",
    "text\r\x1b[0m",
    "10 %\r50 %\r100 %\r",
    "ab\x1b[31mcd\x1b[0m\x08\x08xy",
    "\x1b[38:2::10:20:30mtrue\x1b[38;2;1;2;3mcolour\x1b[48:5:9mindexed\x1b[4:3mcurly",
    "漢字漢\x08x\ty\x1b[3Dz",
];

/// The same lines in every run: a linear congruential generator. (Numerical Recipes)
struct Random(u32);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (self.0 >> 8) as usize % end
    }

    fn of<'a>(&mut self, all: &[&'a str]) -> &'a str {
        all[self.below(all.len())]
    }

    fn line(&mut self) -> String {
        let words = [
            "error",
            "ok",
            "99%",
            "größe",
            "漢字",
            "e\u{301}",
            "😀",
            "─",
            "a",
            "b  c",
            " ",
            "xxxxxxxxxxxxxxx",
        ];
        let mut line = String::new();
        for _ in 0..=self.below(12) {
            if self.below(2) == 0 {
                line.push_str(self.of(&words));
            } else {
                self.push_sequence(&mut line);
            }
        }
        line
    }

    fn push_sequence(&mut self, line: &mut String) {
        let whole = [
            "\r",
            "\x08",
            "\x08\x08",
            "\t",
            "\x1b7",
            "\x1b8",
            "\x1b[s",
            "\x1b[u",
            "\x1b[4h",
            "\x1b[4l",
            "\x0e",
            "\x0f",
            "\x1b(0",
            "\x1b(A",
            "\x1b(B",
            "\x1b(K",
            "\x1b)0",
            "\x1b(U",
            "\x1bn",
            "\x1b~",
            "\x1b%G",
            "\x1b]0;title\x07",
            "\x1b]8;;http://x/é\x1b\\",
            "\x1b]8;;\x07",
            "\x1bP$qm\x1b\\",
            "\x1bPq#0;2é\x07x\x1b\\",
            "\x1b_Gf=1;A\x1b\\",
            "\x1b^pm\x1b\\",
            "\x1bXsos\x1b\\",
            "\x1b_é",
            "\x1b[?25l",
            "\x1b[?1049h",
            "\x1b[?1049l",
            "\x1b[>4;2m",
            "\x1b[ q",
            "\x1b[!p",
            "\x1b=",
            "\x1bc",
            "\x07",
            "\x7f",
            "\0",
            "\u{9b}31m",
            "\u{9d}0;x\u{9c}",
            "\u{90}q\u{9c}",
            "\x1b[31",
            "\x1b",
            "\x1b[3\x18",
            "\x1b[é",
            "\x1b[<1h",
            "\x1b[1?m",
            "\x1b[2 @",
            "\x1b[1 A",
            "\x1b[2'}",
            "\x1b[2'~",
            "\x1bH",
            "\x1b[g",
        ];
        let styles = [
            "",
            "0",
            "1",
            "2",
            "3",
            "4",
            "5",
            "7",
            "8",
            "9",
            "21",
            "22",
            "23",
            "24",
            "27",
            "28",
            "29",
            "31",
            "44",
            "97",
            "103",
            "39",
            "49",
            "53",
            "55",
            "38;5;9",
            "38;5;123",
            "48;5;200",
            "38;2;1;2;3",
            "48;2;9;8;7",
            "38:2::4:5:6",
            "38:2:4:5:6",
            "38:5:77",
            "48:2:1:7:8:9",
            "4:3",
            "4:0",
            "58:5:1",
            "38;5",
            "38;2;1",
            "48",
            "38:2",
            "1;31;4",
            "38;5;1;1",
            "38:5;1",
            "99",
        ];
        match self.below(4) {
            0 => line.push_str(self.of(&whole)),
            1 | 2 => {
                line.push_str("\x1b[");
                line.push_str(self.of(&styles));
                if self.below(3) == 0 {
                    line.push(';');
                    line.push_str(self.of(&styles));
                }
                line.push('m');
            }
            _ => {
                line.push_str("\x1b[");
                line.push_str(self.of(&["", "0", "1", "2", "3", "5", "8", "40", "1;7"]));
                line.push_str(self.of(&[
                    "K", "?K", "J", "C", "D", "G", "H", "f", "X", "P", "@", "b", "I", "Z", "a", "`",
                ]));
            }
        }
    }
}
