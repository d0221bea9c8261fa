//! The part of a log the browser holds: blocks of 500 lines, the 60 used last.
//!
//! The server owns the lines; the window may lose any block and asks again.

use crate::table::{KeySet, Table};

pub const BLOCK: u64 = 500;
const KEPT: usize = 60;

/// One line as it is drawn.
#[derive(Debug, Clone, PartialEq)]
pub struct Line {
    pub seq: u64,
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
    /// All lines the server had for it were received.
    complete: bool,
    used: u64,
}

/// Lines by number, with the bounds of what exists.
#[derive(Default)]
pub struct Window {
    blocks: Table<u64, Block>,
    asked: KeySet<u64>,
    clock: u64,
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

    /// Whether a line will never come: its block is complete without it.
    pub fn is_missing(&self, seq: u64) -> bool {
        self.blocks
            .get(&(seq / BLOCK))
            .is_some_and(|block| block.complete && !block.lines.contains_key(&seq))
    }

    /// The blocks to ask for so that `from..to` can be drawn, marked as asked.
    pub fn want(&mut self, from: u64, to: u64) -> Vec<u64> {
        self.clock += 1;
        let (from, to) = (from.max(self.first), to.min(self.next));
        if from >= to {
            return Vec::new();
        }
        let mut wanted = Vec::new();
        for number in from / BLOCK..=(to - 1) / BLOCK {
            let block = self.blocks.or_insert_with(number, Block::default);
            block.used = self.clock;
            if !block.complete && self.asked.insert(number) {
                wanted.push(number);
            }
        }
        self.evict();
        wanted
    }

    /// An asked block that did not come may be asked for again.
    pub fn failed(&mut self, number: u64) {
        self.asked.remove(&number);
    }

    /// Takes the answer for one block. The newest block stays open: lines are
    /// still added to it as they are written.
    pub fn fill(&mut self, number: u64, lines: Vec<Line>) {
        self.asked.remove(&number);
        let full = (number + 1) * BLOCK <= self.next;
        let block = self.blocks.or_insert_with(number, Block::default);
        for line in lines {
            block.lines.insert(line.seq, line);
        }
        block.complete = full || block.lines.keys().next_back().is_some_and(|last| last + 1 >= self.next);
        block.used = self.clock;
    }

    /// Takes lines as they are written. Known lines are taken once.
    pub fn append(&mut self, lines: Vec<Line>) {
        for line in lines {
            self.next = self.next.max(line.seq + 1);
            let number = line.seq / BLOCK;
            let beginning = line.seq.is_multiple_of(BLOCK) || line.seq == self.first;
            let block = self.blocks.or_insert_with(number, Block::default);
            if beginning && block.lines.is_empty() {
                block.complete = true;
            }
            block.used = self.clock;
            block.lines.insert(line.seq, line);
        }
        self.evict();
    }

    /// Lines were left out of what was followed: the newest block has to be
    /// asked for once it is looked at.
    pub fn reopen_newest(&mut self) {
        let Some(number) = self.blocks.keys().next_back().copied() else {
            return;
        };
        if let Some(block) = self.blocks.get_mut(&number) {
            block.complete = false;
        }
        self.asked.remove(&number);
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

    fn lines(range: std::ops::Range<u64>) -> Vec<Line> {
        range
            .map(|seq| Line {
                seq,
                at_ms: 0.0,
                kind: Kind::Stdout,
                text: seq.to_string(),
            })
            .collect()
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
        assert_eq!(window.want(490, 510), [0, 1]);
        assert_eq!(window.want(490, 510), [0u64; 0]);
        window.failed(0);
        assert_eq!(window.want(490, 510), [0]);
    }

    #[test]
    fn a_million_lines_never_hold_more_than_sixty_blocks() {
        let mut window = million();
        for number in 0..200 {
            window.want(number * BLOCK, number * BLOCK + 10);
            window.fill(number, lines(number * BLOCK..(number + 1) * BLOCK));
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
    fn after_a_gap_the_newest_block_is_asked_for_again() {
        let mut window = Window::default();
        window.append(lines(0..10));
        assert_eq!(window.want(0, 10), [0u64; 0]);
        window.reopen_newest();
        window.append(lines(20..30));
        assert_eq!(window.want(0, 30), [0]);
    }

    #[test]
    fn a_hole_in_a_complete_block_is_known_to_stay_one() {
        let mut window = Window {
            next: 600,
            ..Window::default()
        };
        let mut some = lines(0..500);
        some.remove(3);
        window.fill(0, some);
        assert!(window.is_missing(3) && !window.is_missing(4) && !window.is_missing(550));
    }
}
