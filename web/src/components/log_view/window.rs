//! The part of a log the browser holds: blocks of 500 lines, the 60 used last.
//!
//! The server owns the lines; the window may lose any block and asks again. Which numbers
//! it knows is kept as ranges, since not every number has a line: a long line is stored in
//! several records and has the number of the last one.

use crate::table::{KeySet, Table};

pub const BLOCK: u64 = 500;
const KEPT: usize = 60;

/// One line as it is drawn.
#[derive(Debug, Clone, PartialEq)]
pub struct Line {
    pub seq: u64,
    /// The number of its first record, where it was stored in several.
    pub first_seq: u64,
    /// Its end was not written yet, or never will be.
    pub partial: bool,
    /// Milliseconds since 1970.
    pub at_ms: f64,
    pub kind: Kind,
    pub text: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Stdout,
    Stderr,
    /// A sentence about the log itself, drawn across the whole width.
    Marker,
}

#[derive(Default)]
struct Block {
    lines: Table<u64, Line>,
    /// Numbers of which all lines are held: from, and the one behind. Ascending, apart.
    known: Vec<(u64, u64)>,
    used: u64,
}

impl Block {
    fn know(&mut self, from: u64, to: u64) {
        // Nearly always the last range grows.
        if let Some(last) = self.known.last_mut()
            && last.0 <= from
            && from <= last.1
        {
            last.1 = last.1.max(to);
            return;
        }
        self.known.push((from, to));
        self.known.sort_unstable();
        let mut joined: Vec<(u64, u64)> = Vec::with_capacity(self.known.len());
        for (from, to) in self.known.drain(..) {
            match joined.last_mut() {
                Some(last) if from <= last.1 => last.1 = last.1.max(to),
                _ => joined.push((from, to)),
            }
        }
        self.known = joined;
    }

    fn knows(&self, seq: u64) -> bool {
        self.known.iter().any(|(from, to)| (*from..*to).contains(&seq))
    }

    /// The first unknown number in `from..to`.
    fn unknown(&self, from: u64, to: u64) -> Option<u64> {
        let mut at = from;
        for (begin, end) in &self.known {
            if *begin <= at && at < *end {
                at = *end;
            }
        }
        (at < to).then_some(at)
    }
}

/// Lines by number, with the bounds of what exists.
#[derive(Default)]
pub struct Window {
    blocks: Table<u64, Block>,
    asked: KeySet<u64>,
    clock: u64,
    /// Where the followed lines go on without a gap.
    tail: Option<u64>,
    /// The oldest line kept by the server.
    pub first: u64,
    /// The number the next line will get.
    pub next: u64,
}

impl Window {
    /// Forgets everything; the bounds too.
    pub fn clear(&mut self) {
        *self = Self::default();
    }

    /// The line, if it is held.
    pub fn line(&self, seq: u64) -> Option<&Line> {
        self.blocks.get(&(seq / BLOCK))?.lines.get(&seq)
    }

    /// Whether a number has no line: what is around it is known.
    pub fn is_missing(&self, seq: u64) -> bool {
        self.blocks
            .get(&(seq / BLOCK))
            .is_some_and(|block| block.knows(seq) && !block.lines.contains_key(&seq))
    }

    /// What to ask for so that `from..to` can be drawn, as the first number and the one
    /// behind the last, never beyond a block. It is marked as asked.
    pub fn want(&mut self, from: u64, to: u64) -> Vec<(u64, u64)> {
        self.clock += 1;
        let (from, to) = (from.max(self.first), to.min(self.next));
        if from >= to {
            return Vec::new();
        }
        let mut wanted = Vec::new();
        for number in from / BLOCK..=(to - 1) / BLOCK {
            let (begin, end) = (number * BLOCK, (number + 1) * BLOCK);
            let block = self.blocks.or_insert_with(number, Block::default);
            block.used = self.clock;
            if block.unknown(from.max(begin), to.min(end)).is_some()
                && let Some(unknown) = block.unknown(begin.max(self.first), end)
                && self.asked.insert(number)
            {
                wanted.push((unknown, end));
            }
        }
        self.evict();
        wanted
    }

    /// What was asked for did not come, and may be asked for again.
    pub fn failed(&mut self, from: u64) {
        self.asked.remove(&(from / BLOCK));
    }

    /// Takes the answer to what was asked for from `from` on: all lines to the one before
    /// `to`.
    pub fn fill(&mut self, from: u64, to: u64, lines: Vec<Line>) {
        self.failed(from);
        self.know(from, to.min(self.next));
        self.insert(lines);
    }

    /// Takes the last lines of a log as it is now; what is followed comes after them.
    pub fn fill_end(&mut self, lines: Vec<Line>, first: u64, next: u64) {
        (self.first, self.next) = (first, next);
        let from = lines.first().map_or(next, |line| line.first_seq);
        self.tail = Some(next);
        self.know(from, next);
        self.insert(lines);
    }

    /// Takes lines as they are written.
    pub fn append(&mut self, lines: Vec<Line>) {
        let (Some(first), Some(last)) = (lines.first(), lines.last()) else {
            return;
        };
        let from = self.tail.unwrap_or(first.first_seq);
        let next = last.seq + 1;
        self.next = self.next.max(next);
        self.tail = Some(next);
        self.know(from, next);
        self.insert(lines);
        self.evict();
    }

    /// Lines were left out of what was followed. They are asked for once they are looked at.
    pub fn gap(&mut self) {
        self.tail = None;
    }

    fn know(&mut self, from: u64, to: u64) {
        if from >= to {
            return;
        }
        for number in from / BLOCK..=(to - 1) / BLOCK {
            let block = self.blocks.or_insert_with(number, Block::default);
            block.know(from.max(number * BLOCK), to.min((number + 1) * BLOCK));
            block.used = self.clock;
        }
    }

    fn insert(&mut self, lines: Vec<Line>) {
        for line in lines {
            if line.first_seq < line.seq {
                self.remove_beginnings(&line);
            }
            let block = self.blocks.or_insert_with(line.seq / BLOCK, Block::default);
            block.lines.insert(line.seq, line);
        }
    }

    /// Removes what was shown of a line before its end was written.
    fn remove_beginnings(&mut self, line: &Line) {
        for number in line.first_seq / BLOCK..=line.seq / BLOCK {
            if let Some(block) = self.blocks.get_mut(&number) {
                block.lines.retain(|seq, other| {
                    !(other.partial && other.kind == line.kind && (line.first_seq..line.seq).contains(seq))
                });
            }
        }
    }

    fn evict(&mut self) {
        while self.blocks.len() > KEPT {
            let Some(oldest) = self.blocks.iter().min_by_key(|(_, block)| block.used).map(|(n, _)| *n) else {
                return;
            };
            self.blocks.remove(&oldest);
            self.asked.remove(&oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(seq: u64) -> Line {
        Line {
            seq,
            first_seq: seq,
            partial: false,
            at_ms: 0.0,
            kind: Kind::Stdout,
            text: seq.to_string(),
        }
    }

    fn lines(range: std::ops::Range<u64>) -> Vec<Line> {
        range.map(line).collect()
    }

    fn million() -> Window {
        Window {
            next: 1_000_000,
            ..Window::default()
        }
    }

    #[test]
    fn a_block_is_asked_for_once() {
        let mut window = million();
        assert_eq!(window.want(490, 510), [(0, 500), (500, 1000)]);
        assert!(window.want(490, 510).is_empty());
        window.failed(0);
        assert_eq!(window.want(490, 510), [(0, 500)]);
    }

    #[test]
    fn the_rest_of_a_block_is_asked_for_when_long_lines_came_in_part() {
        let mut window = million();
        assert_eq!(window.want(0, 500), [(0, 500)]);
        window.fill(0, 200, lines(0..200));
        assert_eq!(window.want(0, 500), [(200, 500)]);
        window.fill(200, 500, lines(200..500));
        assert!(window.want(0, 500).is_empty());
    }

    #[test]
    fn a_million_lines_never_hold_more_than_sixty_blocks() {
        let mut window = million();
        for number in 0..200 {
            let (from, to) = (number * BLOCK, (number + 1) * BLOCK);
            window.want(from, from + 10);
            window.fill(from, to, lines(from..to));
        }
        assert_eq!(window.blocks.len(), KEPT);
        assert!(window.line(5).is_none() && window.line(199 * BLOCK).is_some());
    }

    #[test]
    fn a_line_that_comes_twice_is_held_once() {
        let mut window = Window::default();
        window.append(lines(0..10));
        window.append(lines(5..12));
        assert_eq!(window.next, 12);
        assert_eq!(window.blocks.get(&0).map(|block| block.lines.len()), Some(12));
    }

    #[test]
    fn only_what_a_gap_left_out_is_asked_for() {
        let mut window = Window::default();
        window.append(lines(0..10));
        window.gap();
        window.append(lines(420..440));
        // What is followed is there; nothing is asked for until the gap is looked at.
        assert!(window.want(425, 440).is_empty());
        assert_eq!(window.want(0, 440), [(10, 500)]);
    }

    #[test]
    fn a_number_without_a_line_is_known_to_have_none() {
        let mut window = Window {
            next: 600,
            ..Window::default()
        };
        let mut some = lines(0..500);
        some.remove(3);
        window.fill(0, 500, some);
        assert!(window.is_missing(3) && !window.is_missing(4) && !window.is_missing(550));
    }

    #[test]
    fn a_line_takes_the_place_of_its_beginning() {
        let mut window = Window::default();
        let beginning = Line {
            first_seq: 3,
            partial: true,
            ..line(5)
        };
        window.fill_end(vec![line(2), beginning], 0, 6);
        window.append(vec![Line {
            first_seq: 3,
            ..line(8)
        }]);
        assert!(window.line(5).is_none() && window.line(8).is_some() && window.line(2).is_some());
        assert!(window.is_missing(5) && window.is_missing(7));
    }
}
