//! Finds what the program carries: the panel, and gantry-runtime where the build tool gives it.

use std::path::PathBuf;
use std::{env, fs};

fn main() {
    println!("cargo::rerun-if-changed=../../web/dist");
    println!("cargo::rerun-if-env-changed=GANTRY_RUNTIME_EMBED");
    println!("cargo::rerun-if-env-changed=GANTRY_COMMIT");
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets OUT_DIR"));
    let code = match env::var_os("GANTRY_RUNTIME_EMBED") {
        Some(program) => {
            let program = PathBuf::from(program);
            println!("cargo::rerun-if-changed={}", program.display());
            let copy = out.join("gantry-runtime");
            fs::copy(&program, &copy).unwrap_or_else(|error| panic!("cannot read {}: {error}", program.display()));
            format!(
                "pub(crate) static RUNTIME: Option<&[u8]> = Some(include_bytes!({:?}));",
                copy.display().to_string()
            )
        }
        None => "pub(crate) static RUNTIME: Option<&[u8]> = None;".to_owned(),
    };
    fs::write(out.join("runtime.rs"), code).expect("OUT_DIR can be written");
}
