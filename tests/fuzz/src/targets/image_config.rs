//! The image configuration a registry sends.

pub(crate) fn run(bytes: &[u8]) {
    let _ = image::fuzz::config(bytes);
}
