//! Cuts a stream of bytes into records.

/// A longer line is stored in pieces of at most this size, cut between characters.
pub const MAX_TEXT_BYTES: usize = 16 << 10;

/// One stream's unfinished line.
#[derive(Debug, Default)]
pub struct Lines {
    unfinished: Vec<u8>,
}

impl Lines {
    /// Gives each record of `bytes` to `take`, as text and whether the line goes
    /// on. What has no newline yet is kept for later.
    pub fn push(&mut self, mut bytes: &[u8], mut take: impl FnMut(&[u8], bool)) {
        while !bytes.is_empty() {
            let newline = memchr::memchr(b'\n', bytes);
            let rest_of_line = newline.unwrap_or(bytes.len());
            let room = MAX_TEXT_BYTES - self.unfinished.len();
            if rest_of_line > room {
                // More of the line is there than fits: only then is it cut, so that
                // a line of exactly the limit stays whole.
                self.unfinished.extend_from_slice(&bytes[..room]);
                bytes = &bytes[room..];
                let cut = self.unfinished.len() - split_character(&self.unfinished, bytes[0]);
                let rest = self.unfinished.split_off(cut);
                take(&self.unfinished, true);
                self.unfinished = rest;
            } else if newline.is_some() {
                self.give(&bytes[..rest_of_line], false, &mut take);
                bytes = &bytes[rest_of_line + 1..];
            } else {
                self.unfinished.extend_from_slice(bytes);
                return;
            }
        }
    }

    /// The beginning of a line whose end has not come yet.
    pub fn unfinished(&self) -> &[u8] {
        &self.unfinished
    }

    /// The stream has ended: gives what is left, since no newline came.
    pub fn finish(&mut self, mut take: impl FnMut(&[u8], bool)) {
        if !self.unfinished.is_empty() {
            self.give(&[], true, &mut take);
        }
    }

    fn give(&mut self, end: &[u8], partial: bool, take: &mut impl FnMut(&[u8], bool)) {
        if self.unfinished.is_empty() {
            take(end, partial);
            return;
        }
        self.unfinished.extend_from_slice(end);
        take(&self.unfinished, partial);
        self.unfinished.clear();
        // An idle stream keeps no buffer.
        self.unfinished.shrink_to(1024);
    }
}

/// How many bytes at the end of `text` begin a UTF-8 character that `next` continues.
/// 0 where that is no character at all.
fn split_character(text: &[u8], next: u8) -> usize {
    let is_continuation = |byte: u8| byte & 0b1100_0000 == 0b1000_0000;
    if !is_continuation(next) {
        return 0;
    }
    let continuations = text.iter().rev().take_while(|byte| is_continuation(**byte)).count();
    let length = match text.iter().rev().nth(continuations) {
        Some(0xC2..=0xDF) => 2,
        Some(0xE0..=0xEF) => 3,
        Some(0xF0..=0xF4) => 4,
        _ => 0,
    };
    if continuations + 1 < length {
        continuations + 1
    } else {
        0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn records(pieces: &[&[u8]]) -> Vec<(Vec<u8>, bool)> {
        let mut lines = Lines::default();
        let mut seen = Vec::new();
        for piece in pieces {
            lines.push(piece, |text, partial| seen.push((text.to_vec(), partial)));
        }
        lines.finish(|text, partial| seen.push((text.to_vec(), partial)));
        seen
    }

    #[test]
    fn a_line_of_the_limit_is_whole_and_one_more_byte_cuts_it() {
        let line = vec![b'x'; MAX_TEXT_BYTES];
        assert_eq!(records(&[&line, b"\n"]), [(line.clone(), false)]);
        assert_eq!(
            records(&[&line, b"y\n"]),
            [(line.clone(), true), (b"y".to_vec(), false)]
        );
    }

    #[test]
    fn a_character_is_never_cut() {
        for character in ["é", "€", "😀"] {
            for shift in 0..4 {
                let line = "x".repeat(shift) + &character.repeat(MAX_TEXT_BYTES);
                for piece in [1, 1000, line.len()] {
                    let pieces: Vec<&[u8]> = line.as_bytes().chunks(piece).collect();
                    let records = records(&pieces);
                    assert!(records.len() > 1);
                    let mut back = String::new();
                    for (text, _) in records {
                        assert!(
                            text.len() <= MAX_TEXT_BYTES && text.len() > MAX_TEXT_BYTES - 4
                                || back.len() + text.len() == line.len()
                        );
                        back.push_str(std::str::from_utf8(&text).expect("whole characters"));
                    }
                    assert_eq!(back, line);
                }
            }
        }
    }

    #[test]
    fn bytes_that_are_no_characters_are_cut_at_the_limit() {
        let noise = vec![0x80; 2 * MAX_TEXT_BYTES];
        let lengths: Vec<usize> = records(&[&noise]).iter().map(|(text, _)| text.len()).collect();
        assert_eq!(lengths, [MAX_TEXT_BYTES, MAX_TEXT_BYTES]);
    }

    #[test]
    fn the_last_line_without_newline_is_a_piece() {
        assert_eq!(
            records(&[b"a\n\nb"]),
            [(b"a".to_vec(), false), (Vec::new(), false), (b"b".to_vec(), true)]
        );
    }

    proptest! {
        #[test]
        fn every_byte_comes_back_however_it_arrives(
            text in proptest::collection::vec(prop_oneof![Just(b'\n'), any::<u8>()], 0..2000),
            piece in 1usize..300,
            repeat in 1usize..30,
        ) {
            let text = text.repeat(repeat);
            let pieces: Vec<&[u8]> = text.chunks(piece).collect();
            let mut back = Vec::new();
            for (record, partial) in records(&pieces) {
                prop_assert!(record.len() <= MAX_TEXT_BYTES && !record.contains(&b'\n'));
                back.extend(record);
                if !partial { back.push(b'\n'); }
            }
            prop_assert_eq!(back, text);
        }
    }
}
