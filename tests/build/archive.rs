//! Archives for `ADD`.

use std::io::Write as _;
use std::process::{Command, Stdio};

/// A tar of empty-handed files, packed as `plain`, `gz`, `bz2`, `xz` or `zst`, or not packed but
/// with lists of pieces before each file (`sparse`). Each file says its own name.
pub(crate) fn packed(packing: &str, names: &[&str]) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    for name in names {
        let mut header = tar::Header::new_gnu();
        header.set_mode(0o640);
        header.set_mtime(1_500_000_000);
        header.set_uid(7);
        header.set_gid(8);
        if let Some(dir) = name.strip_suffix('/') {
            header.set_entry_type(tar::EntryType::Directory);
            header.set_mode(0o750);
            header.set_size(0);
            tar.append_data(&mut header, dir, std::io::empty())
                .expect("a tar in memory");
        } else if packing == "sparse" {
            add_sparse(&mut tar, header, name);
        } else {
            header.set_size(name.len() as u64);
            tar.append_data(&mut header, name, name.as_bytes())
                .expect("a tar in memory");
        }
    }
    let bytes = tar.into_inner().expect("a tar in memory");
    let program = match packing {
        "plain" | "sparse" => return bytes,
        "gz" => "gzip",
        "bz2" => "bzip2",
        "xz" => "xz",
        "zst" => "zstd",
        other => panic!("there is no packing `{other}`"),
    };
    let mut child = Command::new(program)
        .arg("-c")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap_or_else(|error| panic!("{program}: {error}"));
    child.stdin.take().expect("piped").write_all(&bytes).expect("it reads");
    child.wait_with_output().expect("it ends").stdout
}

/// GNU tar manual, "Storing Sparse Files", version 1.0: the name in the extended header, a list
/// of the pieces before the data.
fn add_sparse(tar: &mut tar::Builder<Vec<u8>>, mut header: tar::Header, name: &str) {
    let size = name.len().to_string();
    let records = [
        ("GNU.sparse.major", "1"),
        ("GNU.sparse.minor", "0"),
        ("GNU.sparse.name", name),
        ("GNU.sparse.realsize", &size),
    ];
    tar.append_pax_extensions(records.map(|(key, value)| (key, value.as_bytes())))
        .expect("a tar in memory");
    let mut data = format!("1\n0\n{size}\n").into_bytes();
    data.resize(512, 0);
    data.extend(name.as_bytes());
    header.set_size(data.len() as u64);
    tar.append_data(&mut header, format!("GNUSparseFile.0/{name}"), &data[..])
        .expect("a tar in memory");
}
