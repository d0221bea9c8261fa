//! The one row that a line is written to.

use super::Span;
use super::charset::Charsets;
use super::params::Params;
use super::style::Style;
use super::tabs::{self, TAB, TabStops};
use super::width;

/// How far a sequence moves the cursor or repeats a character; text may be longer.
const MAX_COLUMNS: usize = 4096;
/// More styles and combined characters than these are not told apart.
const MAX_STYLES: usize = u16::MAX as usize;
const MAX_MARKS: usize = u16::MAX as usize;
/// Combining characters of one letter, in bytes.
const MAX_MARK_BYTES: usize = 128;
/// Columns that the sequences of a line may visit in total; the rest of the line is left out.
/// Without a bound one line could occupy the server for minutes.
const MAX_WORK: usize = 16 << 20;

/// One column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Cell {
    content: Content,
    /// Which of the screen's styles.
    style: u16,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Content {
    /// Never written, or erased.
    Empty,
    /// The rest of a wide character.
    Rest,
    /// Passed over by a tab at the row's end: empty, but copied as a tab.
    Tab,
    /// Passed over by the same tab.
    TabRest,
    Text(Letter),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Letter {
    c: char,
    width: u8,
    /// Which of the screen's combinations it begins, from 1; 0 for none.
    marks: u16,
}

impl Cell {
    fn empty(style: u16) -> Self {
        Self {
            content: Content::Empty,
            style,
        }
    }

    fn width(self) -> usize {
        match self.content {
            Content::Rest => 0,
            Content::Text(letter) => usize::from(letter.width),
            Content::Empty | Content::Tab | Content::TabRest => 1,
        }
    }

    fn is_wide(self) -> bool {
        matches!(self.content, Content::Text(Letter { width: 2, .. }))
    }
}

#[derive(Debug, Clone, Copy, Default)]
struct SavedCursor {
    x: usize,
    style: Style,
    charset: Option<char>,
}

#[derive(Debug)]
pub(super) struct Screen {
    cells: Vec<Cell>,
    has_tabs: bool,
    x: usize,
    style: Style,
    /// The styles in use; the first is the plain one.
    styles: Vec<Style>,
    current: u16,
    /// Combining characters after a letter.
    marks: Vec<String>,
    pub(super) charsets: Charsets,
    saved: SavedCursor,
    inserting: bool,
    tabs: TabStops,
    /// The width of the character just printed; `None` after anything else.
    preceding: Option<usize>,
    /// The other screen, while the alternate one is shown.
    main: Option<(Vec<Cell>, SavedCursor)>,
    /// Columns visited so far.
    work: usize,
}

impl Default for Screen {
    fn default() -> Self {
        Self {
            cells: Vec::new(),
            has_tabs: false,
            x: 0,
            style: Style::default(),
            styles: vec![Style::default()],
            current: 0,
            marks: Vec::new(),
            charsets: Charsets::default(),
            saved: SavedCursor::default(),
            inserting: false,
            tabs: TabStops::default(),
            preceding: None,
            main: None,
            work: 0,
        }
    }
}

impl Screen {
    /// Whether the line used up its work.
    pub(super) fn is_exhausted(&self) -> bool {
        self.work > MAX_WORK
    }

    fn spend(&mut self, columns: usize) {
        self.work = self.work.saturating_add(columns);
    }

    /// The state after a full reset (RIS); the work that was done still counts.
    pub(super) fn reset(&mut self) {
        *self = Self {
            work: self.work,
            ..Self::default()
        };
    }

    pub(super) fn print(&mut self, c: char) {
        let c = self.charsets.map(c);
        let own = width::of(c);
        self.clear_wide_before(self.x, self.current);
        // A combining character joins the one before it.
        if own == 0 && self.x > 0 && self.preceding.is_some_and(|before| before > 0) {
            self.combine(c);
            self.clear_rest_at(self.x, self.current);
            return;
        }
        self.preceding = Some(own);
        if self.inserting {
            self.insert(self.x, own, self.current);
        }
        let letter = Letter {
            c,
            width: u8::try_from(own).unwrap_or(1),
            marks: 0,
        };
        self.put(Content::Text(letter));
        if own == 2 {
            self.put(Content::Rest);
        }
        self.clear_rest_at(self.x, self.current);
    }

    /// Something else than a character came: nothing can be joined to the last one.
    pub(super) fn forget_preceding(&mut self) {
        self.preceding = None;
    }

    /// A control character of C0.
    pub(super) fn execute(&mut self, c: char) {
        match c {
            '\r' => self.x = 0,
            '\x08' => self.x = self.x.saturating_sub(1),
            '\t' => self.tab(),
            '\x0e' => self.charsets.shift(1),
            '\x0f' => self.charsets.shift(0),
            _ => {}
        }
        self.forget_preceding();
    }

    /// A control sequence, by its prefix and intermediate characters and its last one.
    pub(super) fn control(&mut self, collected: &[u8], last: char, params: &Params) {
        let count = params.count();
        self.spend(match last {
            'm' | 'C' | 'a' | 'D' | 'G' | '`' | 'H' | 'f' | 'h' | 'l' | 's' | 'u' => 1,
            'b' => count.min(MAX_COLUMNS),
            _ => self.cells.len().max(self.x),
        });
        let erased = self.style.erased();
        match (collected, last) {
            (b"", 'C' | 'a') => self.go_to(self.x.saturating_add(count)),
            (b"", 'D') => self.x = self.x.saturating_sub(count),
            (b"", 'E' | 'F') => self.x = 0,
            (b"", 'G' | '`') => self.go_to(count - 1),
            (b"", 'H' | 'f') => self.go_to(usize::try_from(params.value(1)).unwrap_or(0).saturating_sub(1)),
            (b"", 'I') => self.tabs_forward(count),
            (b"", 'Z') => self.tabs_back(count),
            (b"" | b"?", 'J' | 'K') => self.erase(params.value(0)),
            (b"", 'X') => {
                let fill = self.number_of(erased);
                self.replace(self.x, self.x.saturating_add(count), fill);
            }
            (b"", '@') | (b"'", '}') => {
                let fill = self.number_of(erased);
                self.insert(self.x, count, fill);
            }
            (b" ", 'A') => {
                let fill = self.number_of(erased);
                self.insert(0, count, fill);
            }
            (b"", 'P') | (b"'", '~') => self.delete(self.x, count),
            (b" ", '@') => self.delete(0, count),
            (b"", 'b') => self.repeat(count),
            (b"", 'g') => self.tabs.clear(params.value(0), self.x),
            (b"", 'h' | 'l') if (0..params.len()).any(|at| params.value(at) == 4) => self.inserting = last == 'h',
            (b"?", 'h' | 'l') => (0..params.len()).for_each(|at| self.set_mode(params.value(at), last == 'h')),
            (b"", 'm') => {
                let mut style = self.style;
                style.apply(params);
                self.set_style(style);
            }
            (b"", 's') => self.save_cursor(),
            (b"", 'u') => self.restore_cursor(),
            (b"!", 'p') => {
                self.set_style(Style::default());
                self.charsets = Charsets::default();
                self.inserting = false;
                self.saved = SavedCursor::default();
            }
            _ => {}
        }
    }

    pub(super) fn save_cursor(&mut self) {
        self.saved = SavedCursor {
            x: self.x,
            style: self.style,
            charset: self.charsets.current(),
        };
    }

    pub(super) fn restore_cursor(&mut self) {
        let saved = self.saved;
        self.x = saved.x;
        self.set_style(saved.style);
        self.charsets.restore(saved.charset);
    }

    pub(super) fn set_tab(&mut self) {
        self.tabs.set(self.x);
    }

    fn set_mode(&mut self, mode: i32, on: bool) {
        match (mode, on) {
            (2, true) => (0..4).for_each(|slot| self.charsets.designate(slot, None)),
            (6, _) => self.x = 0,
            (1048, true) => self.save_cursor(),
            (1048, false) => self.restore_cursor(),
            (47 | 1047 | 1049, true) => {
                if mode == 1049 {
                    self.save_cursor();
                }
                if self.main.is_none() {
                    let saved = std::mem::take(&mut self.saved);
                    self.main = Some((std::mem::take(&mut self.cells), saved));
                }
            }
            (47 | 1047 | 1049, false) => {
                if let Some((cells, saved)) = self.main.take() {
                    (self.cells, self.saved) = (cells, saved);
                }
                if mode == 1049 {
                    self.restore_cursor();
                }
            }
            _ => {}
        }
    }

    fn set_style(&mut self, style: Style) {
        self.style = style;
        self.current = self.number_of(style);
    }

    fn number_of(&mut self, style: Style) -> u16 {
        // Those used last come back most.
        let known = self.styles.iter().rev().take(64).position(|known| *known == style);
        let at = match known {
            Some(back) => self.styles.len() - 1 - back,
            None if self.styles.len() < MAX_STYLES => {
                self.styles.push(style);
                self.styles.len() - 1
            }
            None => 0,
        };
        u16::try_from(at).unwrap_or(0)
    }

    fn go_to(&mut self, x: usize) {
        self.x = x.min(MAX_COLUMNS.max(self.cells.len()));
    }

    /// Writes to the cursor's column and moves on.
    fn put(&mut self, content: Content) {
        let cell = Cell {
            content,
            style: self.current,
        };
        if self.x < self.cells.len() {
            self.flatten_tabs();
            self.cells[self.x] = cell;
        } else {
            self.cells.resize(self.x, Cell::empty(0));
            self.cells.push(cell);
        }
        self.x += 1;
    }

    fn combine(&mut self, c: char) {
        let back = if self.cells.get(self.x - 1).is_some_and(|cell| cell.width() == 0) {
            2
        } else {
            1
        };
        let Some(at) = self.x.checked_sub(back) else { return };
        let Some(cell) = self.cells.get_mut(at) else { return };
        match &mut cell.content {
            Content::Text(letter) => {
                if letter.marks == 0 && self.marks.len() < MAX_MARKS {
                    self.marks.push(String::new());
                    letter.marks = u16::try_from(self.marks.len()).unwrap_or(0);
                }
                if let Some(marks) = usize::from(letter.marks).checked_sub(1)
                    && self.marks[marks].len() < MAX_MARK_BYTES
                {
                    self.marks[marks].push(c);
                }
            }
            content => {
                *content = Content::Text(Letter { c, width: 1, marks: 0 });
            }
        }
    }

    fn repeat(&mut self, count: usize) {
        let Some(width) = self.preceding.filter(|width| *width > 0) else {
            return;
        };
        let cell = self.x.checked_sub(width).and_then(|at| self.cells.get(at));
        let Some(Content::Text(letter)) = cell.map(|cell| cell.content) else {
            return;
        };
        let mut text = String::from(letter.c);
        if let Some(marks) = usize::from(letter.marks).checked_sub(1) {
            text.push_str(&self.marks[marks]);
        }
        let room = (MAX_COLUMNS.saturating_sub(self.x) / width).max(1);
        for _ in 0..count.min(room) {
            text.chars().for_each(|c| self.print(c));
        }
    }

    /// A wide character that begins in the column before loses its second half.
    fn clear_wide_before(&mut self, at: usize, style: u16) {
        if let Some(cell) = at.checked_sub(1).and_then(|at| self.cells.get_mut(at))
            && cell.is_wide()
        {
            *cell = Cell::empty(style);
        }
    }

    /// The second half of a wide character that is gone.
    fn clear_rest_at(&mut self, at: usize, style: u16) {
        if let Some(cell) = self.cells.get_mut(at)
            && cell.content == Content::Rest
        {
            *cell = Cell::empty(style);
        }
    }

    fn erase(&mut self, what: i32) {
        let erased = self.style.erased();
        let fill = self.number_of(erased);
        match what {
            0 => {
                self.replace(self.x, usize::MAX, fill);
                if fill == 0 {
                    self.cells.truncate(self.x);
                }
            }
            1 => self.replace(0, self.x + 1, fill),
            2 => self.replace(0, usize::MAX, fill),
            _ => {}
        }
    }

    fn replace(&mut self, from: usize, to: usize, fill: u16) {
        self.flatten_tabs();
        self.clear_wide_before(from, fill);
        if let Some(last) = to.checked_sub(1).and_then(|last| self.cells.get(last))
            && last.is_wide()
            && let Some(rest) = self.cells.get_mut(to)
        {
            *rest = Cell::empty(fill);
        }
        if fill != 0 && to < from.saturating_add(MAX_COLUMNS) && to > self.cells.len() {
            self.cells.resize(to, Cell::empty(0));
        }
        let to = to.min(self.cells.len());
        if from < to {
            self.cells[from..to].fill(Cell::empty(fill));
        }
    }

    fn insert(&mut self, at: usize, count: usize, fill: u16) {
        self.spend(self.cells.len());
        self.flatten_tabs();
        self.clear_wide_before(at, fill);
        let count = count.min(MAX_COLUMNS);
        if at >= self.cells.len() {
            if fill == 0 {
                return;
            }
            self.cells.resize(at, Cell::empty(0));
        }
        if self.cells.len() <= 4 * MAX_COLUMNS || count < 3 {
            self.cells.splice(at..at, std::iter::repeat_n(Cell::empty(fill), count));
        }
    }

    fn delete(&mut self, at: usize, count: usize) {
        self.flatten_tabs();
        let erased = self.style.erased();
        let fill = self.number_of(erased);
        if at < self.cells.len() {
            let to = at.saturating_add(count).min(self.cells.len());
            self.cells.drain(at..to);
        }
        self.clear_wide_before(at, fill);
        self.clear_rest_at(at, fill);
    }

    fn tab(&mut self) {
        self.spend(self.tabs.search_cost());
        let stop = self.tabs.next(self.x).min(MAX_COLUMNS.max(self.cells.len() + TAB));
        if self.x >= self.cells.len() && stop > self.x && stop - self.x <= TAB && stop.is_multiple_of(TAB) {
            self.cells.resize(self.x, Cell::empty(0));
            for at in self.x..stop {
                let content = if at == self.x { Content::Tab } else { Content::TabRest };
                self.cells.push(Cell { content, style: 0 });
            }
            self.has_tabs = true;
        }
        self.x = stop.max(self.x);
    }

    /// Once columns are written to in another order, a tab is just the columns it passed.
    fn flatten_tabs(&mut self) {
        if std::mem::take(&mut self.has_tabs) {
            self.spend(self.cells.len());
            for cell in &mut self.cells {
                if matches!(cell.content, Content::Tab | Content::TabRest) {
                    cell.content = Content::Empty;
                }
            }
        }
    }

    fn tabs_forward(&mut self, count: usize) {
        for _ in 0..count.min(MAX_COLUMNS) {
            let before = self.x;
            self.spend(tabs::MAX_SEARCH);
            self.go_to(self.tabs.next(self.x));
            if self.x == before {
                break;
            }
        }
    }

    fn tabs_back(&mut self, count: usize) {
        for _ in 0..count.min(MAX_COLUMNS) {
            let before = self.x;
            self.spend(before);
            self.x = self.tabs.previous(self.x);
            if self.x == 0 {
                break;
            }
        }
    }

    /// What comes is a hyperlink, or no longer one. (OSC 8)
    pub(super) fn set_link(&mut self, link: bool) {
        let style = Style { link, ..self.style };
        self.set_style(style);
    }

    /// The row as text, to its last character.
    pub(super) fn text(&self) -> String {
        let mut text = String::with_capacity(self.cells.len());
        self.each_until(self.end(|_| false), |part, _| match part {
            Part::Space => text.push(' '),
            Part::Tab => text.push('\t'),
            Part::Letter(c, marks) => {
                text.push(c);
                text.push_str(marks);
            }
        });
        text
    }

    /// The row in pieces of one style each, to the last column that shows anything.
    pub(super) fn spans(&self) -> Vec<Span> {
        let mut spans: Vec<Span> = Vec::new();
        let mut last = None;
        self.each_until(self.end(Style::shows_spaces), |part, style| {
            if last != Some(style) {
                spans.push(Span {
                    text: String::new(),
                    style: self.styles[usize::from(style)],
                });
                last = Some(style);
            }
            let Some(span) = spans.last_mut() else { return };
            match part {
                Part::Space => span.text.push(' '),
                Part::Tab => span.text.push('\t'),
                Part::Letter(c, marks) => {
                    span.text.push(c);
                    span.text.push_str(marks);
                }
            }
        });
        if spans.is_empty() {
            spans.push(Span::default());
        }
        spans
    }

    /// Behind the last column with a character, or with a style that is seen without one.
    fn end(&self, is_seen: impl Fn(Style) -> bool) -> usize {
        let last = self.cells.iter().rposition(|cell| {
            matches!(cell.content, Content::Text(letter) if letter.width > 0)
                || (cell.style != 0 && is_seen(self.styles[usize::from(cell.style)]))
        });
        last.map_or(0, |last| last + 1)
    }

    fn each_until(&self, end: usize, mut take: impl FnMut(Part<'_>, u16)) {
        let mut at = 0;
        while at < end {
            let cell = self.cells[at];
            match cell.content {
                Content::Text(letter) => {
                    let marks = usize::from(letter.marks).checked_sub(1);
                    take(
                        Part::Letter(letter.c, marks.map_or("", |marks| &self.marks[marks])),
                        cell.style,
                    );
                }
                Content::Tab => take(Part::Tab, cell.style),
                Content::TabRest => {}
                Content::Empty | Content::Rest => take(Part::Space, cell.style),
            }
            at += cell.width().max(1);
        }
    }
}

enum Part<'a> {
    Space,
    Tab,
    Letter(char, &'a str),
}
