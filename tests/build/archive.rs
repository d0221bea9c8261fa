//! Archives for `ADD`.

use std::io::Write as _;
use std::process::{Command, Stdio};

/// A tar of empty-handed files, packed as `plain`, `gz`, `bz2`, `xz` or `zst`. Each file
/// says its own name.
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
        } else {
            header.set_size(name.len() as u64);
            tar.append_data(&mut header, name, name.as_bytes())
                .expect("a tar in memory");
        }
    }
    let bytes = tar.into_inner().expect("a tar in memory");
    let program = match packing {
        "plain" => return bytes,
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
