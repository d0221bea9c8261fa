//! A manifest or an index, with and without the media type it came as.

const ANNOUNCED: [Option<&str>; 4] = [
    None,
    Some("application/vnd.oci.image.manifest.v1+json"),
    Some("application/vnd.oci.image.index.v1+json"),
    Some("application/vnd.docker.distribution.manifest.v2+json"),
];

pub(crate) fn run(bytes: &[u8]) {
    for announced in ANNOUNCED {
        let _ = image::fuzz::manifest(bytes, announced);
    }
}
