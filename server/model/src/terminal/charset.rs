//! Character sets of 94 characters (ISO 2022) that take the place of ASCII.

/// Sets by the last characters of the sequences that designate them: which characters they
/// replace, and by what. Line drawing first, then the national ones (DEC STD 070).
const SETS: [(&str, &str, &str); 12] = [
    (
        "0",
        "`abcdefghijklmnopqrstuvwxyz{|}~",
        "◆▒␉␌␍␊°±␤␋┘┐┌└┼⎺⎻─⎼⎽├┤┴┬│≤≥π≠£·",
    ),
    ("A", "#", "£"),
    ("4", "#@[\\]{|}~", "£¾i½|¨f¼´"),
    ("C5", "[\\]^`{|}~", "ÄÖÅÜéäöåü"),
    ("R", "#@[\\]{|}~", "£à°ç§éùè¨"),
    ("Q", "@[\\]^`{|}~", "àâçêîôéùèû"),
    ("K", "@[\\]{|}~", "§ÄÖÜäöüß"),
    ("Y", "#@[\\]`{|}~", "£§°çéùàòèì"),
    ("E6", "@[\\]^`{|}~", "ÄÆØÅÜäæøåü"),
    ("Z", "#@[\\]{|}", "£§¡Ñ¿°ñç"),
    ("H7", "@[\\]^`{|}~", "ÉÄÖÅÜéäöåü"),
    ("=", "#@[\\]^_`{|}~", "ùàéçêîèôäöüû"),
];

pub(super) fn is_known(set: char) -> bool {
    SETS.iter().any(|(names, ..)| names.contains(set))
}

/// Four designated sets, and the one in use. `None` is ASCII.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Charsets {
    designated: [Option<char>; 4],
    shifted: usize,
    current: Option<char>,
}

impl Charsets {
    pub(super) fn shift(&mut self, slot: usize) {
        self.shifted = slot;
        self.current = self.designated[slot];
    }

    pub(super) fn designate(&mut self, slot: usize, set: Option<char>) {
        self.designated[slot] = set;
        if self.shifted == slot {
            self.current = set;
        }
    }

    pub(super) fn current(&self) -> Option<char> {
        self.current
    }

    /// The saved cursor brings its set back, but no designation.
    pub(super) fn restore(&mut self, set: Option<char>) {
        self.current = set;
    }

    pub(super) fn map(&self, c: char) -> char {
        let Some(set) = self.current.filter(|_| c.is_ascii()) else {
            return c;
        };
        let known = SETS.iter().find(|(names, ..)| names.contains(set));
        known
            .and_then(|(_, from, to)| to.chars().nth(from.find(c)?))
            .unwrap_or(c)
    }
}
