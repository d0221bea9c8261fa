//! Cuts a stream of bytes into records.

/// A longer line is stored in pieces of this size.
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
                self.give(&bytes[..room], true, &mut take);
                bytes = &bytes[room..];
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

    /// The stream has ended: gives what is left, as a piece, since no newline came.
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
