//! Words that people and programs send, each read by its parser of `model`. What was
//! understood is written so that it is understood as the same again.

use model::Timestamp;
use model::container::{ContainerId, ContainerName};
use model::image::{Digest, Reference};
use model::mount::Mount;
use model::network::{PortMapping, Subnet};
use model::signal::Signal;

pub(crate) fn run(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    if let Ok(reference) = Reference::parse(text) {
        assert_eq!(Reference::parse(&reference.to_string()).as_ref(), Ok(&reference));
        assert_eq!(
            Reference::parse(&reference.short()).as_ref(),
            Ok(&reference),
            "{}",
            reference.short()
        );
    }
    if let Ok(digest) = Digest::parse(text) {
        assert_eq!(Digest::parse(&digest.to_string()).as_ref(), Ok(&digest));
    }
    if let Ok(name) = ContainerName::parse(text) {
        // Names become parts of paths and of host names.
        let name = name.to_string();
        assert!(
            !name.contains('/') && !name.starts_with('.') && !name.contains('\0'),
            "{name}"
        );
    }
    if let Ok(id) = ContainerId::parse(text) {
        assert_eq!(id.as_str().len(), 64);
    }
    if let Ok(subnet) = Subnet::parse(text) {
        assert_eq!(Subnet::parse(&subnet.to_string()).as_ref(), Ok(&subnet));
    }
    let _ = (Mount::parse(text), PortMapping::parse(text), Signal::parse(text));
    let _ = (model::size::parse(text), Timestamp::parse_rfc3339(text));
}
