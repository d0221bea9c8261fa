//! Archives that a stranger made to do harm: each is refused with a clear error or
//! stays inside, takes bounded room, and leaves nothing behind.

mod bombs;
mod sizes;
mod target;

use image::Limits;
use std::fs;
use std::path::Path;
use tar::{EntryType, Header};
use target::{Entry, FILE, HARD, LINK, Target, digest, entry, gzip, is_root, tar};

#[tokio::test]
async fn names_that_lead_outside_are_refused_or_stay_inside() {
    if !is_root() {
        return;
    }
    let up = "../../../../../../../../outside";
    let refused: [&[Entry<'_>]; 7] = [
        &[(up, FILE, "", b"x")],
        &[("a/../../outside", FILE, "", b"x")],
        &[(up, EntryType::Directory, "", b"")],
        &[("in", HARD, up, b"")],
        &[("in", HARD, "/none/outside", b"")],
        &[("a/.wh...", FILE, "", b"")],
        &[(up, LINK, "/", b"")],
    ];
    for entries in refused {
        let target = Target::new();
        let error = target
            .import(tar(entries))
            .await
            .expect_err("it is refused")
            .to_string();
        assert!(error.contains("cannot be unpacked"), "{entries:?}: {error}");
        target.check_nothing_left();
    }
    let target = Target::new();
    let outside = target.dir.path().join("outside");
    let absolute = outside.to_str().unwrap();
    let kept = [
        tar(&[(absolute, FILE, "", b"x")]),
        tar(&[
            ("door", LINK, target.dir.path().to_str().unwrap(), b""),
            ("door/outside", FILE, "", b"x"),
        ]),
        tar(&[("door", LINK, "../../../../..", b""), ("door/outside", FILE, "", b"x")]),
        tar(&[("outside", LINK, absolute, b""), ("outside", FILE, "", b"x")]),
        tar(&[
            ("door", LINK, "/", b""),
            ("again", LINK, "door", b""),
            ("again/outside", FILE, "", b"x"),
        ]),
        // A directory in the way of a link, and a link in the way of a directory.
        tar(&[
            ("door", LINK, "/tmp", b""),
            ("door", EntryType::Directory, "", b""),
            ("door/x", FILE, "", b"x"),
        ]),
    ];
    for (number, archive) in kept.into_iter().enumerate() {
        // A door to what is not there inside is refused, too.
        let _ = target.import(archive).await;
        assert_eq!(
            fs::read_to_string(&outside).unwrap(),
            "untouched",
            "archive {number} wrote outside"
        );
    }
}

#[tokio::test]
async fn a_hard_link_to_a_link_does_not_reach_what_that_points_at() {
    if !is_root() {
        return;
    }
    let target = Target::new();
    let outside = target.dir.path().join("outside");
    let archive = tar(&[
        ("pointer", LINK, outside.to_str().unwrap(), b""),
        ("hard", HARD, "pointer", b""),
        ("hard", FILE, "", b"inside"),
    ]);
    let image = target.import(archive).await.unwrap();
    assert_eq!(fs::read_to_string(target.root(&image).join("hard")).unwrap(), "inside");
    assert_eq!(fs::read_to_string(&outside).unwrap(), "untouched");
}

#[tokio::test]
async fn a_later_entry_of_the_same_name_wins() {
    if !is_root() {
        return;
    }
    let target = Target::new();
    let archive = tar(&[
        ("a", FILE, "", b"first"),
        ("a", FILE, "", b"second"),
        ("d", EntryType::Directory, "", b""),
        ("d", FILE, "", b"now a file"),
    ]);
    let image = target.import(archive).await.unwrap();
    let read = |name: &str| fs::read_to_string(target.root(&image).join(name)).unwrap();
    assert_eq!((read("a").as_str(), read("d").as_str()), ("second", "now a file"));
}

#[tokio::test]
async fn marks_on_the_root_hide_everything_below_and_no_more() {
    if !is_root() {
        return;
    }
    let target = Target::new();
    let archive = tar(&[
        (".wh..wh..opq", FILE, "", b""),
        ("only", FILE, "", b"x"),
        (".wh..wh.plnk", FILE, "", b""),
    ]);
    let image = target.import(archive).await.unwrap();
    let names: Vec<_> = fs::read_dir(target.root(&image))
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert_eq!(names, ["only"]);
    target.store.collect(&[]).unwrap();
    target.check_nothing_left();
}

#[tokio::test]
async fn limits_hold_for_bytes_and_entries() {
    if !is_root() {
        return;
    }
    let small = Limits {
        bytes: 1 << 20,
        entries: 1000,
        ..Limits::default()
    };
    let large = vec![b'x'; 2 << 20];
    let mut many = Vec::new();
    for number in 0..1001 {
        entry(&mut many, &format!("f{number}"), FILE, "", b"");
    }
    many.resize(many.len() + 1024, 0);
    for archive in [tar(&[("large", FILE, "", &large)]), many] {
        let target = Target::with(small);
        for packed in [
            archive.clone(),
            gzip(&archive),
            zstd::encode_all(&archive[..], 1).unwrap(),
        ] {
            let error = target.import(packed).await.expect_err("it is refused").to_string();
            assert!(
                error.contains("no honest archive") || error.contains("too many entries"),
                "{error}"
            );
            target.check_nothing_left();
        }
    }
}

/// Ten million entries, as one piece packed many times: five gibibytes of headers.
#[tokio::test]
async fn ten_million_entries_are_refused() {
    if !is_root() {
        return;
    }
    let target = Target::with(Limits {
        entries: 2_000,
        ..Limits::default()
    });
    let mut piece = Vec::new();
    for number in 0..10_000 {
        entry(&mut piece, &format!("f{number}"), FILE, "", b"");
    }
    let piece = gzip(&piece);
    let archive = piece.repeat(1_000);
    let error = target.import(archive).await.expect_err("it is refused").to_string();
    assert!(
        error.contains("entries") || error.contains("no honest archive"),
        "{error}"
    );
    target.check_nothing_left();
}

#[tokio::test]
async fn what_is_cut_off_or_not_a_tar_is_refused() {
    if !is_root() {
        return;
    }
    let whole = tar(&[("a", FILE, "", &[1; 4096]), ("b", FILE, "", &[2; 4096])]);
    let packed = gzip(&whole);
    let mut negative = tar(&[("a", FILE, "", b"")]);
    // A size of −1 in base 256: tar(5), "GNU tar archives".
    negative[124..136].fill(0xff);
    let mut sum = Header::new_gnu();
    sum.as_mut_bytes().copy_from_slice(&negative[..512]);
    sum.set_cksum();
    negative[..512].copy_from_slice(sum.as_bytes());
    let mut wrong_sum = whole.clone();
    wrong_sum[150] ^= 1;
    let archives = [
        ("in a file", whole[..1024].to_vec()),
        ("in a header", whole[..700].to_vec()),
        ("in the packing", packed[..packed.len() / 2].to_vec()),
        ("garbage", b"not an archive at all, but some text".repeat(40)),
        ("a negative size", negative),
        ("a wrong sum", wrong_sum),
    ];
    for (name, archive) in archives {
        let target = Target::new();
        let outcome = target.import(archive).await;
        assert!(outcome.is_err(), "{name} was taken");
        target.check_nothing_left();
    }
}

/// An archive as `docker save` writes it, with a configuration that may lie.
fn saved(layer: &[u8], diff_id: &str) -> Vec<u8> {
    let config = serde_json::json!({
        "architecture": image::Platform::own().architecture, "os": "linux",
        "rootfs": { "type": "layers", "diff_ids": [diff_id] },
    });
    let config = config.to_string();
    let manifest = r#"[{"Config":"c.json","RepoTags":["x:1"],"Layers":["l.tar"]}]"#;
    tar(&[
        ("l.tar", FILE, "", layer),
        ("c.json", FILE, "", config.as_bytes()),
        ("manifest.json", FILE, "", manifest.as_bytes()),
    ])
}

#[tokio::test]
async fn a_layer_that_is_not_what_its_image_promises_is_refused() {
    if !is_root() {
        return;
    }
    let layer = tar(&[("a", FILE, "", b"x")]);
    let target = Target::new();
    let error = target
        .load(saved(&layer, digest(b"other").as_str()))
        .await
        .expect_err("refused")
        .to_string();
    assert!(error.contains("not what was promised"), "{error}");
    target.check_nothing_left();
    target
        .load(saved(&layer, digest(&layer).as_str()))
        .await
        .expect("an honest one is taken");
    // A layout whose blob is not its name.
    let liar = format!(
        r#"{{"schemaVersion":2,"manifests":[{{"digest":"{}","size":2}}]}}"#,
        digest(b"{}")
    );
    let name = format!("blobs/sha256/{}", digest(b"{}").hex());
    let archive = tar(&[(&name, FILE, "", b"[]"), ("index.json", FILE, "", liar.as_bytes())]);
    let error = target.load(archive).await.expect_err("refused").to_string();
    assert!(error.contains("digest"), "{error}");
}

#[tokio::test]
async fn what_is_more_than_plain_files_comes_as_it_was() {
    if !is_root() {
        return;
    }
    use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
    let target = Target::new();
    // Made by GNU tar: long names, holes, devices, links, attributes.
    let dir = target.dir.path().join("made");
    let script = "mkdir made; cd made; \
        l=$(printf 'long-%.0s' $(seq 45)); mkdir -p $l/$l; echo deep > $l/$l/file; \
        truncate -s 20M holes; printf end >> holes; echo one > first; ln first second; \
        mkfifo pipe; mknod null c 1 3; echo program > capable; setfattr -n user.colour -v blue first; \
        setcap cap_net_raw+ep capable 2>/dev/null || true; \
        for form in gnu pax; do tar --format=$form --sparse --xattrs --xattrs-include='*' -cf ../$form.tar .; done";
    let made = std::process::Command::new("sh")
        .args(["-ec", script])
        .current_dir(target.dir.path())
        .output()
        .unwrap();
    if !made.status.success() {
        println!(
            "skipped: needs tar, mknod and setfattr: {}",
            String::from_utf8_lossy(&made.stderr)
        );
        return;
    }
    let long = "long-".repeat(45);
    for form in ["gnu", "pax"] {
        let image = target
            .import(fs::read(target.dir.path().join(format!("{form}.tar"))).unwrap())
            .await
            .unwrap();
        let root = target.root(&image);
        assert_eq!(
            fs::read_to_string(root.join(&long).join(&long).join("file")).unwrap(),
            "deep\n",
            "{form}"
        );
        let holes = fs::metadata(root.join("holes")).unwrap();
        assert_eq!(holes.len(), (20 << 20) + 3, "{form}");
        assert!(holes.blocks() * 512 < 1 << 20, "{form}: holes stay holes");
        assert_eq!(
            fs::metadata(root.join("first")).unwrap().ino(),
            fs::metadata(root.join("second")).unwrap().ino()
        );
        assert!(fs::metadata(root.join("pipe")).unwrap().file_type().is_fifo());
        assert_eq!(fs::metadata(root.join("null")).unwrap().rdev(), 259);
        if form == "pax" {
            same_attributes(&dir, &root);
        }
    }
}

fn same_attributes(one: &Path, other: &Path) {
    for name in ["first", "capable"] {
        let of = |dir: &Path| sys::tree::xattrs(fs::File::open(dir.join(name)).unwrap()).unwrap();
        assert_eq!(of(one), of(other), "{name}");
    }
}
