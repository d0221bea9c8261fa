//! Files with holes in the extended headers of GNU tar: its manual, "Storing Sparse
//! Files", versions 0.0, 0.1 and 1.0.

use std::fs::File;
use std::io::{self, Read, Seek as _, SeekFrom};

const MOST_PIECES: usize = 100_000;
const BLOCK: usize = 512;

/// What the extended header says of a file with holes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Sparse {
    /// The header's own name is a stand-in.
    pub(super) name: Option<Vec<u8>>,
    size_bytes: u64,
    /// Offset and length of its pieces; `None` when the data begins with them.
    pieces: Option<Vec<(u64, u64)>>,
}

/// Gathers the records of one extended header.
#[derive(Debug, Default)]
pub(super) struct Records {
    version: (Option<u64>, Option<u64>),
    name: Option<Vec<u8>>,
    size_bytes: Option<u64>,
    map: Option<Vec<u64>>,
}

impl Records {
    pub(super) fn take(&mut self, key: &str, value: &[u8]) {
        let text = std::str::from_utf8(value).unwrap_or_default();
        match key {
            "GNU.sparse.major" => self.version.0 = text.parse().ok(),
            "GNU.sparse.minor" => self.version.1 = text.parse().ok(),
            "GNU.sparse.name" => self.name = Some(value.to_owned()),
            "GNU.sparse.size" | "GNU.sparse.realsize" => self.size_bytes = text.parse().ok(),
            // Each piece by two records of their own, as version 0.0 has it.
            "GNU.sparse.offset" | "GNU.sparse.numbytes" => self.take_number(key == "GNU.sparse.offset", text),
            "GNU.sparse.map" => self.map = text.split(',').map(|number| number.parse().ok()).collect(),
            _ => {}
        }
    }

    fn take_number(&mut self, is_offset: bool, text: &str) {
        let map = self.map.get_or_insert_default();
        match text.parse() {
            Ok(number) if is_offset == map.len().is_multiple_of(2) => map.push(number),
            // Then what is gathered is no list of pairs any more, and is refused.
            _ => map.push(u64::MAX),
        }
    }

    /// `None` when the entry is a file as others.
    pub(super) fn finish(self) -> io::Result<Option<Sparse>> {
        let pieces = match (self.version, self.map) {
            ((None, _), None) => return Ok(None),
            ((Some(1), Some(0)), _) => None,
            ((None | Some(0), _), Some(map)) => {
                let (pairs, []) = map.as_chunks::<2>() else {
                    return Err(wrong("its list of pieces is cut off"));
                };
                Some(pairs.iter().map(|[offset, length]| (*offset, *length)).collect())
            }
            _ => return Err(wrong("its form is not known")),
        };
        let size_bytes = self.size_bytes.ok_or_else(|| wrong("it does not say how long it is"))?;
        Ok(Some(Sparse {
            name: self.name,
            size_bytes,
            pieces,
        }))
    }
}

impl Sparse {
    /// Of the file, holes included.
    pub(super) fn size_bytes(&self) -> u64 {
        self.size_bytes
    }

    /// Puts the pieces in their places.
    pub(super) fn write(&self, mut from: impl Read, file: &mut File) -> io::Result<()> {
        let listed;
        let pieces = if let Some(pieces) = &self.pieces {
            pieces
        } else {
            listed = read_map(&mut from)?;
            &listed
        };
        let mut end = 0;
        for &(offset, length) in pieces {
            let fits = offset.checked_add(length).filter(|after| *after <= self.size_bytes);
            let (true, Some(after)) = (offset >= end, fits) else {
                return Err(wrong("its pieces lie over each other or outside"));
            };
            end = after;
            file.seek(SeekFrom::Start(offset))?;
            if io::copy(&mut (&mut from).take(length), file)? < length {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        file.set_len(self.size_bytes)
    }
}

/// Numbers, each a line, padded to whole blocks: how many pieces, then theirs.
fn read_map(from: &mut impl Read) -> io::Result<Vec<(u64, u64)>> {
    let mut numbers = Vec::new();
    let mut wanted = 1;
    let mut number: Option<u64> = None;
    while numbers.len() < wanted {
        let mut block = [0; BLOCK];
        from.read_exact(&mut block)?;
        for byte in block {
            match byte {
                b'0'..=b'9' => {
                    let more = number.unwrap_or(0).checked_mul(10);
                    let more = more.and_then(|number| number.checked_add(u64::from(byte - b'0')));
                    number = Some(more.ok_or_else(|| wrong("a number of its pieces is too large"))?);
                }
                b'\n' => {
                    numbers.push(
                        number
                            .take()
                            .ok_or_else(|| wrong("its list of pieces has an empty line"))?,
                    );
                    if numbers.len() == 1 {
                        let count = usize::try_from(numbers[0]).unwrap_or(usize::MAX);
                        if count > MOST_PIECES {
                            return Err(wrong("it has too many pieces"));
                        }
                        wanted = 1 + 2 * count;
                    }
                }
                _ => return Err(wrong("its list of pieces is no list")),
            }
            if numbers.len() == wanted {
                break;
            }
        }
    }
    Ok(numbers[1..]
        .as_chunks::<2>()
        .0
        .iter()
        .map(|[offset, length]| (*offset, *length))
        .collect())
}

fn wrong(why: &str) -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidData,
        format!("the file with holes cannot be read: {why}"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(records: &[(&str, &str)], data: &[u8]) -> io::Result<Vec<u8>> {
        let mut gathered = Records::default();
        for (key, value) in records {
            gathered.take(key, value.as_bytes());
        }
        let sparse = gathered.finish()?.expect("it has holes");
        let mut file = tempfile::tempfile()?;
        sparse.write(data, &mut file)?;
        file.seek(SeekFrom::Start(0))?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    fn with_map(map: &str, data: &str) -> Vec<u8> {
        let mut bytes = map.as_bytes().to_vec();
        bytes.resize(bytes.len().next_multiple_of(BLOCK), 0);
        bytes.extend(data.as_bytes());
        bytes
    }

    const NEW: [(&str, &str); 3] = [
        ("GNU.sparse.major", "1"),
        ("GNU.sparse.minor", "0"),
        ("GNU.sparse.realsize", "8"),
    ];

    #[test]
    fn pieces_come_to_their_places() {
        assert_eq!(
            written(&NEW, &with_map("2\n1\n2\n5\n1\n", "abc")).unwrap(),
            b"\0ab\0\0c\0\0"
        );
        let old = [("GNU.sparse.map", "1,2,5,1"), ("GNU.sparse.size", "8")];
        assert_eq!(written(&old, b"abc").unwrap(), b"\0ab\0\0c\0\0");
    }

    #[test]
    fn lists_that_lie_are_refused() {
        for map in [
            "2\n5\n1\n1\n2\n",
            "1\n7\n2\n",
            "1\n18446744073709551615\n1\n",
            "99999999999\n",
            "x\n",
            "\n",
        ] {
            assert!(written(&NEW, &with_map(map, "abc")).is_err(), "{map:?}");
        }
        assert!(written(&NEW, b"1\n").is_err(), "it ends in its list");
        assert!(written(&[("GNU.sparse.map", "1,2,5"), ("GNU.sparse.size", "8")], b"abc").is_err());
    }
}
