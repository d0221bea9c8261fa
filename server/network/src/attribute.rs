//! Netlink attributes: length, kind, bytes, padded to four; some hold others.

const NESTED: u16 = 0x8000;
const KIND_MASK: u16 = 0x3fff;

/// Appends an attribute.
pub(crate) fn write(bytes: &mut Vec<u8>, kind: u16, value: &[u8]) {
    nest(bytes, kind, |bytes| bytes.extend_from_slice(value));
}

/// Appends an attribute of text, ended by a zero byte.
pub(crate) fn write_text(bytes: &mut Vec<u8>, kind: u16, text: &str) {
    nest(bytes, kind, |bytes| {
        bytes.extend_from_slice(text.as_bytes());
        bytes.push(0);
    });
}

/// Appends an attribute that holds those `inside` writes.
pub(crate) fn write_nested(bytes: &mut Vec<u8>, kind: u16, inside: impl FnOnce(&mut Vec<u8>)) {
    nest(bytes, kind | NESTED, inside);
}

fn nest(bytes: &mut Vec<u8>, kind: u16, inside: impl FnOnce(&mut Vec<u8>)) {
    let start = bytes.len();
    bytes.extend_from_slice(&[0, 0]);
    bytes.extend_from_slice(&kind.to_ne_bytes());
    inside(bytes);
    let length = u16::try_from(bytes.len() - start).expect("callers keep an attribute below 64 KiB");
    bytes[start..start + 2].copy_from_slice(&length.to_ne_bytes());
    bytes.resize(bytes.len().next_multiple_of(4), 0);
}

/// The attributes in `bytes`, by kind; ends where they stop making sense.
pub(crate) fn read(mut bytes: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    std::iter::from_fn(move || {
        let header = bytes.get(..4)?;
        let length = usize::from(u16::from_ne_bytes([header[0], header[1]]));
        let kind = u16::from_ne_bytes([header[2], header[3]]) & KIND_MASK;
        let value = bytes.get(4..length)?;
        bytes = bytes.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some((kind, value))
    })
}

/// The value of the first attribute of this kind.
pub(crate) fn find(bytes: &[u8], kind: u16) -> Option<&[u8]> {
    read(bytes).find(|(k, _)| *k == kind).map(|(_, value)| value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_are_read_as_they_were_written() {
        let mut bytes = Vec::new();
        write_text(&mut bytes, 1, "abc");
        write_nested(&mut bytes, 2, |bytes| write(bytes, 3, &[9, 8, 7]));
        assert_eq!(bytes.len(), 8 + 12);
        assert_eq!(find(&bytes, 1), Some(&b"abc\0"[..]));
        let inside = find(&bytes, 2).expect("nested");
        assert_eq!(find(inside, 3), Some(&[9, 8, 7][..]));
        assert_eq!(find(&bytes, 4), None);
    }

    #[test]
    fn nonsense_ends_the_list() {
        for bytes in [&[1][..], &[3, 0, 1, 0], &[9, 0, 1, 0, 5], &[0; 8]] {
            assert_eq!(read(bytes).count(), 0, "{bytes:?}");
        }
    }
}
