//! Embeds `migrations/*.sql` in name order: no file is read when the server runs.

use std::fmt::Write as _;
use std::path::Path;
use std::{env, fs};

fn main() {
    let folder = Path::new(&env::var("CARGO_MANIFEST_DIR").expect("cargo sets it")).join("../../migrations");
    println!("cargo::rerun-if-changed={}", folder.display());
    let mut files: Vec<_> = fs::read_dir(&folder)
        .expect("the migrations folder is there")
        .map(|entry| entry.expect("readable").path())
        .filter(|path| path.extension().is_some_and(|e| e == "sql"))
        .collect();
    files.sort();
    let mut code = String::from("pub(crate) const MIGRATIONS: &[(i64, &str, &str)] = &[\n");
    let mut before = 0;
    for file in files {
        println!("cargo::rerun-if-changed={}", file.display());
        let stem = file.file_stem().and_then(|s| s.to_str()).expect("a name in UTF-8");
        let (number, title) = stem.split_once('_').expect("a name like 0001_title.sql");
        let number: i64 = number.parse().expect("a name that begins with a number");
        assert!(
            number > before,
            "two migrations have the number {number}; give {stem} the next free one"
        );
        before = number;
        let path = fs::canonicalize(&file).expect("just listed");
        writeln!(
            code,
            "    ({number}, {title:?}, include_str!({:?})),",
            path.display().to_string()
        )
        .expect("writing to a string");
    }
    code.push_str("];\n");
    let out = Path::new(&env::var("OUT_DIR").expect("cargo sets it")).join("migrations.rs");
    fs::write(out, code).expect("OUT_DIR can be written");
}
