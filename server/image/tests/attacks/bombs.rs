//! Little that becomes much: data, headers, names, attributes and holes.

use crate::target::{FILE, Target, digest, entry, gzip, is_alone, is_root, peak_memory_kib, tar};
use image::Limits;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use tar::{EntryType, Header};

/// What any of these may take of memory.
const MOST_KIB: u64 = 96 << 10;

fn zstd(bytes: &[u8]) -> Vec<u8> {
    zstd::encode_all(bytes, 3).unwrap()
}

/// A header that says how much follows it.
fn header(name: &str, kind: EntryType, size: u64) -> Header {
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(0o644);
    header.set_uid(0);
    header.set_gid(0);
    header.set_size(size);
    header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
    header.set_cksum();
    header
}

/// So many bytes after a header. One piece of zeros, so packed, many times over: what
/// comes out is never held.
fn bomb(kind: EntryType, gibibytes: u64, pack: fn(&[u8]) -> Vec<u8>) -> Vec<u8> {
    let mut packed = pack(header("zero", kind, gibibytes << 30).as_bytes());
    let piece = pack(&vec![0; 64 << 20]);
    for _ in 0..gibibytes * 16 {
        packed.extend(&piece);
    }
    packed.extend(pack(header("after", FILE, 0).as_bytes()));
    packed.extend(pack(&[0; 1024]));
    packed
}

/// Refused, with these words, and little memory.
async fn refused(target: &Target, archive: Vec<u8>, words: &str) {
    let before = peak_memory_kib();
    let error = target.import(archive).await.expect_err("it is refused").to_string();
    assert!(error.contains(words), "{error}");
    let grown = peak_memory_kib() - before;
    assert!(grown < MOST_KIB, "{grown} KiB more than before");
    target.check_nothing_left();
}

#[tokio::test]
async fn a_bomb_of_ten_gibibytes_is_refused_before_it_takes_room() {
    if !is_root() || !is_alone() {
        return;
    }
    for pack in [gzip, zstd] {
        let bomb = bomb(FILE, 10, pack);
        assert!(bomb.len() < 64 << 20);
        refused(&Target::new(), bomb, "no honest archive").await;
    }
}

#[tokio::test]
async fn a_bomb_around_an_archive_of_images_is_refused() {
    if !is_root() || !is_alone() {
        return;
    }
    let target = Target::new();
    for pack in [gzip, zstd] {
        let error = target
            .load(bomb(FILE, 10, pack))
            .await
            .expect_err("it is refused")
            .to_string();
        assert!(error.contains("no honest archive"), "{error}");
        target.check_nothing_left();
    }
}

#[tokio::test]
async fn headers_of_a_gibibyte_are_not_held() {
    if !is_root() || !is_alone() {
        return;
    }
    for kind in [EntryType::XHeader, EntryType::GNULongName, EntryType::GNULongLink] {
        let target = Target::new();
        refused(&target, bomb(kind, 1, gzip), "names and attributes of one entry").await;
        let before = peak_memory_kib();
        let error = target
            .load(bomb(kind, 1, gzip))
            .await
            .expect_err("it is refused")
            .to_string();
        assert!(error.contains("names and attributes"), "{error}");
        assert!(peak_memory_kib() - before < MOST_KIB);
        target.check_nothing_left();
    }
    // Of the whole archive, which nobody asks for: passed over, and counted as all is.
    refused(
        &Target::new(),
        bomb(EntryType::XGlobalHeader, 1, gzip),
        "no honest archive",
    )
    .await;
}

/// A record of an extended header: tar(5), "Pax Interchange Format".
fn record(key: &str, value: &[u8]) -> Vec<u8> {
    let rest = key.len() + value.len() + 3;
    let mut length = rest + rest.to_string().len();
    length = rest + length.to_string().len();
    [format!("{length} {key}=").as_bytes(), value, b"\n"].concat()
}

#[tokio::test]
async fn directories_with_endless_attributes_are_not_remembered() {
    if !is_root() || !is_alone() {
        return;
    }
    let mut piece = Vec::new();
    let value = vec![b'x'; 60_000];
    for number in 0..2_000 {
        entry(
            &mut piece,
            "pax",
            EntryType::XHeader,
            "",
            &record("SCHILY.xattr.user.a", &value),
        );
        entry(&mut piece, &format!("d{number}"), EntryType::Directory, "", b"");
    }
    piece.resize(piece.len() + 1024, 0);
    let packed = gzip(&piece);
    drop((piece, value));
    refused(&Target::new(), packed, "attributes of its directories").await;
}

/// An old file with one piece of data at its end: tar(5), "GNU tar archives".
fn old_sparse(name: &str, real_size: u64, data: &[u8]) -> Vec<u8> {
    let mut header = header(name, EntryType::GNUSparse, data.len() as u64);
    let octal = |field: &mut [u8], number: u64| {
        let fits = format!("{number:011o}");
        if fits.len() <= 11 {
            field[..11].copy_from_slice(fits.as_bytes());
        } else {
            field.copy_from_slice(&[&[0x80, 0, 0, 0][..], &number.to_be_bytes()].concat());
        }
    };
    let gnu = header.as_gnu_mut().unwrap();
    octal(&mut gnu.sparse[0].offset, real_size - data.len() as u64);
    octal(&mut gnu.sparse[0].numbytes, data.len() as u64);
    octal(&mut gnu.realsize, real_size);
    header.set_cksum();
    let mut out = header.as_bytes().to_vec();
    out.extend(data);
    out.resize(out.len().next_multiple_of(512), 0);
    out
}

fn pax_sparse(name: &str, records: &[(&str, String)], data: &[u8]) -> Vec<u8> {
    let records: Vec<u8> = records
        .iter()
        .flat_map(|(key, value)| record(key, value.as_bytes()))
        .collect();
    let mut out = Vec::new();
    entry(&mut out, "pax", EntryType::XHeader, "", &records);
    entry(&mut out, name, FILE, "", data);
    out
}

/// The same file in each form that GNU tar has had.
fn sparse(real_size: u64) -> [(&'static str, Vec<u8>); 4] {
    let at = real_size - 3;
    let size = ("GNU.sparse.size", real_size.to_string());
    let mut mapped = format!("1\n{at}\n3\n").into_bytes();
    mapped.resize(512, 0);
    mapped.extend(b"end");
    [
        ("old", old_sparse("f", real_size, b"end")),
        (
            "0.0",
            pax_sparse(
                "f",
                &[
                    size.clone(),
                    ("GNU.sparse.numblocks", "1".to_owned()),
                    ("GNU.sparse.offset", at.to_string()),
                    ("GNU.sparse.numbytes", "3".to_owned()),
                ],
                b"end",
            ),
        ),
        (
            "0.1",
            pax_sparse(
                "stand-in",
                &[
                    size,
                    ("GNU.sparse.map", format!("{at},3")),
                    ("GNU.sparse.name", "f".to_owned()),
                ],
                b"end",
            ),
        ),
        (
            "1.0",
            pax_sparse(
                "stand-in",
                &[
                    ("GNU.sparse.major", "1".to_owned()),
                    ("GNU.sparse.minor", "0".to_owned()),
                    ("GNU.sparse.name", "f".to_owned()),
                    ("GNU.sparse.realsize", real_size.to_string()),
                ],
                &mapped,
            ),
        ),
    ]
}

#[tokio::test]
async fn every_form_of_a_file_with_holes_has_its_length_and_its_holes() {
    if !is_root() {
        return;
    }
    let long = 40 << 20;
    for (form, mut archive) in sparse(long) {
        archive.resize(archive.len() + 1024, 0);
        let target = Target::new();
        let image = target
            .import(archive)
            .await
            .unwrap_or_else(|error| panic!("{form}: {error}"));
        let path = target.root(&image).join("f");
        let metadata = fs::metadata(&path).unwrap();
        assert_eq!(metadata.len(), long, "{form}");
        assert!(
            metadata.blocks() * 512 < 1 << 20,
            "{form}: {} blocks",
            metadata.blocks()
        );
        let bytes = fs::read(&path).unwrap();
        assert!(bytes[..bytes.len() - 3].iter().all(|byte| *byte == 0), "{form}");
        assert_eq!(&bytes[bytes.len() - 3..], b"end", "{form}");
        assert_eq!(image.layers[0].unpacked_bytes, long, "{form}: the length counts");
    }
}

#[tokio::test]
async fn files_with_holes_count_as_long_as_they_are() {
    if !is_root() {
        return;
    }
    let small = Limits {
        bytes: 1 << 30,
        ..Limits::default()
    };
    // One beyond the limit, several beyond it together, and one beyond what there is.
    for (real_size, count) in [(2 << 30, 1), (400 << 20, 3), (1 << 60, 1)] {
        for (form, archive) in sparse(real_size) {
            let mut archive = archive.repeat(count);
            archive.resize(archive.len() + 1024, 0);
            let target = Target::with(small);
            let begun = std::time::Instant::now();
            let error = target.import(archive).await.expect_err(form).to_string();
            assert!(error.contains("no honest archive"), "{form}: {error}");
            // The largest would take years if holes were walked through.
            assert!(begun.elapsed().as_secs() < 100, "{form}");
            target.check_nothing_left();
        }
    }
}

#[tokio::test]
async fn an_archive_in_an_archive_is_not_opened_again() {
    if !is_root() {
        return;
    }
    let target = Target::new();
    let inner = tar(&[("a", FILE, "", b"x")]);
    // Also one that holds itself could do no harm: what comes out is a tar or refused.
    let error = target
        .import(gzip(&gzip(&inner)))
        .await
        .expect_err("it is refused")
        .to_string();
    assert!(error.contains("cannot be unpacked"), "{error}");
    target.check_nothing_left();
    let image = target
        .import(tar(&[("inner.tar.gz", FILE, "", &gzip(&inner))]))
        .await
        .unwrap();
    let kept = fs::read(target.root(&image).join("inner.tar.gz")).unwrap();
    assert_eq!(digest(&kept), digest(&gzip(&inner)));
}
