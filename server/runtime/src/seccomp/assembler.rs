//! Instructions of the classic packet filter, written from the last to the first.
//!
//! All jumps lead forward. Written backwards, every place a jump can lead to is already
//! there and its distance known; where that is beyond what a test can jump, a plain jump
//! is put in between.

use std::collections::HashMap;
use sys::seccomp::Instruction;

// linux/bpf_common.h
pub(super) const LOAD_WORD: u16 = 0x20;
pub(super) const AND: u16 = 0x54;
pub(super) const JUMP: u16 = 0x05;
pub(super) const RETURN: u16 = 0x06;

/// A comparison of the accumulator with a number, without sign.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Test {
    Equal,
    Greater,
    GreaterOrEqual,
}

impl Test {
    pub(super) fn code(self) -> u16 {
        match self {
            Self::Equal => 0x15,
            Self::Greater => 0x25,
            Self::GreaterOrEqual => 0x35,
        }
    }
}

/// A place in the program, counted from its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Label(usize);

#[derive(Debug, Default)]
pub(super) struct Assembler {
    /// Last instruction first.
    reversed: Vec<Instruction>,
    /// Where each answer was last given, so that near ones share it.
    answers: HashMap<u32, Label>,
}

impl Assembler {
    pub(super) fn answer(&mut self, answer: u32) -> Label {
        if let Some(label) = self.answers.get(&answer)
            && self.short(*label).is_some()
        {
            return *label;
        }
        let label = self.push(RETURN, 0, 0, answer);
        self.answers.insert(answer, label);
        label
    }

    /// Goes on with what was written last.
    pub(super) fn load(&mut self, offset: u32) -> Label {
        self.push(LOAD_WORD, 0, 0, offset)
    }

    /// Goes on with what was written last.
    pub(super) fn and(&mut self, mask: u32) -> Label {
        self.push(AND, 0, 0, mask)
    }

    pub(super) fn test(&mut self, test: Test, operand: u32, if_true: Label, if_false: Label) -> Label {
        let (mut if_true, mut if_false) = (if_true, if_false);
        // A bridge for one may push the other out of reach, once.
        for _ in 0..2 {
            if self.short(if_true).is_none() {
                if_true = self.bridge(if_true);
            }
            if self.short(if_false).is_none() {
                if_false = self.bridge(if_false);
            }
        }
        let short = |label| self.short(label).expect("both are bridged where they are far");
        let (yes, no) = (short(if_true), short(if_false));
        self.push(test.code(), yes, no, operand)
    }

    /// Makes the instruction written next go on with `label`, wherever that is.
    pub(super) fn fall_into(&mut self, label: Label) {
        if self.distance(label) != 0 {
            self.bridge(label);
        }
    }

    pub(super) fn finish(mut self) -> Vec<Instruction> {
        self.reversed.reverse();
        self.reversed
    }

    fn bridge(&mut self, label: Label) -> Label {
        let distance = u32::try_from(self.distance(label)).expect("no program comes near to that length");
        self.push(JUMP, 0, 0, distance)
    }

    /// From the instruction written next to `label`.
    fn distance(&self, label: Label) -> usize {
        self.reversed.len() - label.0 - 1
    }

    fn short(&self, label: Label) -> Option<u8> {
        u8::try_from(self.distance(label)).ok()
    }

    fn push(&mut self, code: u16, if_true: u8, if_false: u8, operand: u32) -> Label {
        self.reversed.push(Instruction {
            code,
            if_true,
            if_false,
            operand,
        });
        Label(self.reversed.len() - 1)
    }
}
