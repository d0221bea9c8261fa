//! The parameters of a control sequence, with the limits of xterm.js.

/// More parameters are ignored; the same for sub-parameters.
const MAX: usize = 32;

/// `1;2:3:4` is the values 1 and 2, the second with the sub-parameters 3 and 4. An omitted
/// value is 0, an omitted sub-parameter -1.
#[derive(Debug, Clone, Default)]
pub(super) struct Params {
    values: [i32; MAX],
    len: usize,
    /// Where in `subs` those of each value lie.
    ranges: [(usize, usize); MAX],
    subs: [i32; MAX],
    sub_len: usize,
    in_sub: bool,
    is_full: bool,
    is_sub_full: bool,
}

impl Params {
    pub(super) fn reset(&mut self) {
        self.len = 0;
        self.sub_len = 0;
        (self.in_sub, self.is_full, self.is_sub_full) = (false, false, false);
        self.next();
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    pub(super) fn value(&self, at: usize) -> i32 {
        if at < self.len { self.values[at] } else { 0 }
    }

    /// The first value as a count or a position from 1.
    pub(super) fn count(&self) -> usize {
        usize::try_from(self.value(0)).unwrap_or(0).max(1)
    }

    pub(super) fn sub(&self, at: usize) -> &[i32] {
        if at >= self.len {
            return &[];
        }
        let (from, to) = self.ranges[at];
        &self.subs[from..to]
    }

    /// Takes a digit or a separator.
    pub(super) fn push(&mut self, c: char) {
        match c {
            ';' => self.next(),
            ':' => self.next_sub(),
            _ => self.digit(c.to_digit(10).and_then(|digit| i32::try_from(digit).ok()).unwrap_or(0)),
        }
    }

    fn next(&mut self) {
        self.in_sub = false;
        if self.len == MAX {
            self.is_full = true;
            return;
        }
        self.ranges[self.len] = (self.sub_len, self.sub_len);
        self.values[self.len] = 0;
        self.len += 1;
    }

    fn next_sub(&mut self) {
        self.in_sub = true;
        if self.is_full || self.sub_len == MAX {
            self.is_sub_full = true;
            return;
        }
        self.subs[self.sub_len] = -1;
        self.sub_len += 1;
        self.ranges[self.len - 1].1 = self.sub_len;
    }

    fn digit(&mut self, digit: i32) {
        if self.is_full || (self.in_sub && self.is_sub_full) {
            return;
        }
        let slot = if self.in_sub {
            &mut self.subs[self.sub_len - 1]
        } else {
            &mut self.values[self.len - 1]
        };
        *slot = if *slot < 0 {
            digit
        } else {
            slot.saturating_mul(10).saturating_add(digit)
        };
    }
}
