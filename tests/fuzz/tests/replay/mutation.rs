//! New inputs out of kept ones.

/// Small changes, heaped up; the same ones in every run.
pub(crate) struct Mutation<'a> {
    seeds: &'a [Vec<u8>],
    state: u64,
}

/// Values at which numbers break, and marks of the forms that are read.
const WORDS: [&[u8]; 22] = [
    b"-1",
    b"0",
    b"4294967295",
    b"18446744073709551615",
    b"9223372036854775808",
    b"1e999",
    b"null",
    b"[]",
    b"{}",
    b"\"\"",
    b"true",
    b"\0",
    b"\n",
    b"../",
    b"/",
    b":",
    b"@",
    b".wh.",
    b"\xff\xff\xff\xff",
    b"\xf0\x9f\x98\x80",
    b"\\u0000",
    b"[[[[[[[[[[[[[[[[",
];
const LONGEST: usize = 64 << 10;

impl<'a> Mutation<'a> {
    pub(crate) fn of(seeds: &'a [Vec<u8>]) -> Self {
        Self { seeds, state: 1 }
    }

    /// splitmix64, Steele and others 2014.
    fn random(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, limit: usize) -> usize {
        (self.random() % limit.max(1) as u64) as usize
    }

    pub(crate) fn next(&mut self) -> Vec<u8> {
        let seed = self.below(self.seeds.len());
        let mut bytes = self.seeds[seed].clone();
        for _ in 0..=self.below(6) {
            self.change(&mut bytes);
        }
        bytes.truncate(LONGEST);
        bytes
    }

    fn change(&mut self, bytes: &mut Vec<u8>) {
        let at = self.below(bytes.len() + 1);
        let end = at + self.below((bytes.len() - at).min(40) + 1);
        match self.below(7) {
            0 if at < bytes.len() => bytes[at] ^= 1 << self.below(8),
            1 if at < bytes.len() => bytes[at] = self.random().to_le_bytes()[0],
            2 => bytes.truncate(at),
            3 => drop(bytes.drain(at..end)),
            4 => {
                let piece = bytes[at..end].to_vec();
                let to = self.below(bytes.len() + 1);
                bytes.splice(to..to, piece);
            }
            5 => {
                // From another seed.
                let other = self.below(self.seeds.len());
                let from = self.below(self.seeds[other].len() + 1);
                let to = from + self.below(self.seeds[other].len() - from + 1);
                let piece = self.seeds[other][from..to].to_vec();
                bytes.splice(at..end, piece);
            }
            _ => {
                let word = WORDS[self.below(WORDS.len())];
                bytes.splice(at..end, word.iter().copied());
            }
        }
    }
}
