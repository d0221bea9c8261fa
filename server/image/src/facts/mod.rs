//! What is in images, for people and scanners: files layer by layer, what is carried
//! though nobody sees it, packages.

pub(crate) mod files;
pub(crate) mod sbom;
