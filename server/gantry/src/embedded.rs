//! What the program carries: the panel, and the program of the shims.

use anyhow::bail;
use api::panel::File;
use engine::RuntimeProgram;
use rust_embed::RustEmbed;

include!(concat!(env!("OUT_DIR"), "/runtime.rs"));

#[derive(RustEmbed)]
#[folder = "../../web/dist"]
#[allow_missing = true]
struct Panel;

/// A file of the panel, by its path below the root.
pub(crate) fn panel_file(path: &str) -> Option<File> {
    let file = Panel::get(path)?;
    Some(File {
        media_type: file.metadata.mimetype().to_owned(),
        hash: file.metadata.sha256_hash(),
        bytes: file.data,
    })
}

/// The copy carried, else the one beside this program.
pub(crate) fn runtime() -> anyhow::Result<RuntimeProgram> {
    if let Some(bytes) = RUNTIME {
        return Ok(RuntimeProgram::Embedded(bytes));
    }
    let beside = std::env::current_exe()?.with_file_name("gantry-runtime");
    if !beside.is_file() {
        bail!(
            "this build carries no gantry-runtime and there is none at {}; build it with `cargo xtask build`",
            beside.display()
        );
    }
    Ok(RuntimeProgram::File(beside))
}
