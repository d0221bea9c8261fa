//! Numbers and names that lie, and what stands behind the end.

use crate::target::{FILE, Target, digest, entry, gzip, is_root, tar};
use std::fmt::Write as _;
use std::fs;
use tar::{EntryType, Header};

fn pax(records: &[(&str, &str)], name: &str, text: &[u8]) -> Vec<u8> {
    let mut body = String::new();
    for (key, value) in records {
        let rest = key.len() + value.len() + 3;
        let length = rest + (rest + rest.to_string().len()).to_string().len();
        let _ = writeln!(body, "{length} {key}={value}");
    }
    let mut out = Vec::new();
    entry(&mut out, "pax", EntryType::XHeader, "", body.as_bytes());
    entry(&mut out, name, FILE, "", text);
    entry(&mut out, "after", FILE, "", b"next");
    out.resize(out.len() + 1024, 0);
    out
}

#[tokio::test]
async fn names_and_sizes_of_extended_headers_are_judged_as_others() {
    if !is_root() {
        return;
    }
    for records in [
        &[("path", "../../../../../outside")][..],
        &[
            ("GNU.sparse.map", "0,1"),
            ("GNU.sparse.size", "1"),
            ("GNU.sparse.name", "../../../../outside"),
        ],
        &[("size", "9999999999")],
        &[("size", "18446744073709551615")],
        &[("uid", "4294967296")],
    ] {
        let target = Target::new();
        let outcome = target.import(pax(records, "a", b"x")).await;
        assert!(outcome.is_err(), "{records:?} was taken");
        target.check_nothing_left();
    }
    // A number that is none says nothing: the plain header holds.
    let target = Target::new();
    let image = target
        .import(pax(&[("size", "-1"), ("mtime", "-5")], "a", b"x"))
        .await
        .unwrap();
    let root = target.root(&image);
    assert_eq!(fs::read(root.join("a")).unwrap(), b"x");
    assert_eq!(fs::read(root.join("after")).unwrap(), b"next");
    // A size of one's own holds for the next entry, and for that alone.
    let target = Target::new();
    let image = target.import(pax(&[("size", "1")], "a", b"x")).await.unwrap();
    assert_eq!(fs::read(target.root(&image).join("after")).unwrap(), b"next");
}

#[tokio::test]
async fn numbers_in_base_256_are_read_or_refused() {
    if !is_root() {
        return;
    }
    let with_size = |bytes: [u8; 12]| {
        let mut archive = tar(&[("a", FILE, "", b"x")]);
        archive[124..136].copy_from_slice(&bytes);
        let mut header = Header::new_gnu();
        header.as_mut_bytes().copy_from_slice(&archive[..512]);
        header.set_cksum();
        archive[..512].copy_from_slice(header.as_bytes());
        archive
    };
    let one = [0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];
    let target = Target::new();
    let image = target.import(with_size(one)).await.unwrap();
    assert_eq!(fs::read(target.root(&image).join("a")).unwrap(), b"x");
    let huge = [0x80, 0, 0, 0, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff];
    let beyond = [0x80, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff];
    for bytes in [huge, beyond, [0xff; 12]] {
        let target = Target::new();
        assert!(target.import(with_size(bytes)).await.is_err(), "{bytes:x?}");
        target.check_nothing_left();
    }
}

#[tokio::test]
async fn names_longer_than_the_kernel_takes_are_refused() {
    if !is_root() {
        return;
    }
    let long = "n".repeat(100_000);
    let deep = "d/".repeat(100_000);
    for (name, kind) in [(&long, FILE), (&deep, EntryType::Directory)] {
        let mut archive = Vec::new();
        entry(
            &mut archive,
            "long",
            EntryType::GNULongName,
            "",
            format!("{name}\0").as_bytes(),
        );
        entry(&mut archive, "x", kind, "", b"");
        archive.resize(archive.len() + 1024, 0);
        let target = Target::new();
        let outcome = target.import(archive.clone()).await;
        if name == &long {
            let error = outcome.expect_err("it is refused").to_string();
            assert!(error.contains("cannot be unpacked"), "{}", &error[error.len() - 200..]);
            target.check_nothing_left();
        }
        // As an archive of images: none is in it, and nobody remembers such names.
        let error = Target::new()
            .load(archive)
            .await
            .expect_err("it is refused")
            .to_string();
        assert!(error.contains("too long"), "{error}");
    }
}

#[tokio::test]
async fn what_stands_behind_the_end_belongs_to_the_layer_and_does_nothing() {
    if !is_root() {
        return;
    }
    let mut archive = tar(&[("a", FILE, "", b"x")]);
    archive.extend(tar(&[("b", FILE, "", b"y")]));
    archive.extend(b"and some text");
    let target = Target::new();
    let image = target.import(archive.clone()).await.unwrap();
    assert_eq!(image.layers[0].diff_id, digest(&archive));
    assert!(target.root(&image).join("a").exists() && !target.root(&image).join("b").exists());
    // Behind a packed one it is no packing any more.
    let target = Target::new();
    let garbled = [gzip(&archive), b"and some text".to_vec()].concat();
    assert!(target.import(garbled).await.is_err());
    target.check_nothing_left();
}
