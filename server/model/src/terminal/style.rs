//! Select Graphic Rendition (ECMA-48, 8.3.117), with the colours of xterm.

use super::params::Params;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Style {
    pub foreground: Option<Colour>,
    pub background: Option<Colour>,
    pub underline: Option<Underline>,
    pub bold: bool,
    pub faint: bool,
    pub italic: bool,
    pub blink: bool,
    pub inverse: bool,
    pub hidden: bool,
    pub struck: bool,
    pub overline: bool,
    /// A hyperlink, which is underlined.
    pub link: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Colour {
    /// Of the 256: sixteen of the theme, a cube of 6x6x6, 24 greys.
    Indexed(u8),
    Rgb(u8, u8, u8),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Underline {
    Single,
    Double,
    Curly,
    Dotted,
    Dashed,
}

impl Style {
    /// What erased cells look like: the background stays.
    pub(super) fn erased(self) -> Self {
        Self {
            background: self.background,
            ..Self::default()
        }
    }

    /// Whether a column without a character shows it.
    pub(super) fn shows_spaces(self) -> bool {
        self.background.is_some()
            || self.inverse
            || self.underline.is_some()
            || self.struck
            || self.overline
            || self.link
    }

    pub(super) fn apply(&mut self, params: &Params) {
        let mut at = 0;
        while at < params.len() {
            match params.value(at) {
                0 => {
                    *self = Self {
                        link: self.link,
                        ..Self::default()
                    }
                }
                1 => self.bold = true,
                2 => self.faint = true,
                3 => self.italic = true,
                4 => self.underline = underline(params.sub(at).first().copied().unwrap_or(1)),
                5 => self.blink = true,
                7 => self.inverse = true,
                8 => self.hidden = true,
                9 => self.struck = true,
                21 => self.underline = Some(Underline::Double),
                22 => (self.bold, self.faint) = (false, false),
                23 => self.italic = false,
                24 => self.underline = None,
                25 => self.blink = false,
                27 => self.inverse = false,
                28 => self.hidden = false,
                29 => self.struck = false,
                code @ 30..=37 => self.foreground = indexed(code - 30),
                code @ 90..=97 => self.foreground = indexed(code - 82),
                code @ 40..=47 => self.background = indexed(code - 40),
                code @ 100..=107 => self.background = indexed(code - 92),
                39 => self.foreground = None,
                49 => self.background = None,
                which @ (38 | 48 | 58) => {
                    let (colour, used) = extended(params, at);
                    match (which, colour) {
                        (38, Some(colour)) => self.foreground = Some(colour),
                        (48, Some(colour)) => self.background = Some(colour),
                        _ => {}
                    }
                    at += used;
                }
                53 => self.overline = true,
                55 => self.overline = false,
                _ => {}
            }
            at += 1;
        }
    }
}

fn indexed(number: i32) -> Option<Colour> {
    u8::try_from(number).ok().map(Colour::Indexed)
}

fn underline(style: i32) -> Option<Underline> {
    match style {
        0 => None,
        2 => Some(Underline::Double),
        3 => Some(Underline::Curly),
        4 => Some(Underline::Dotted),
        5 => Some(Underline::Dashed),
        _ => Some(Underline::Single),
    }
}

/// The colour that the parameter at `at` begins, and how many parameters after it belong to
/// it. Separated by semicolons a colour has no colour space: `38;2;r;g;b`; by colons it has
/// one, which may be empty: `38:2::r:g:b`. Both can be mixed.
fn extended(params: &Params, at: usize) -> (Option<Colour>, usize) {
    // Target, kind, colour space, and up to three values.
    let mut slots = [0, 0, -1, 0, 0, 0];
    let (mut used, mut shift) = (0, 0);
    loop {
        slots[used + shift] = params.value(at + used);
        let sub = params.sub(at + used);
        if !sub.is_empty() {
            for (place, value) in sub.iter().enumerate() {
                if slots[1] == 5 {
                    shift = 1;
                }
                let Some(slot) = slots.get_mut(used + place + 1 + shift) else {
                    break;
                };
                *slot = *value;
            }
            break;
        }
        if (slots[1] == 5 && used + shift >= 2) || (slots[1] == 2 && used + shift >= 5) {
            break;
        }
        if slots[1] != 0 {
            shift = 1;
        }
        used += 1;
        if at + used >= params.len() || used + shift >= slots.len() {
            break;
        }
    }
    let byte = |slot: usize| u8::try_from(slots[slot].max(0) & 0xFF).unwrap_or_default();
    let colour = match slots[1] {
        2 => Some(Colour::Rgb(byte(3), byte(4), byte(5))),
        5 => Some(Colour::Indexed(byte(3))),
        _ => None,
    };
    (colour, used)
}
