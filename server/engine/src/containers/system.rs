//! Containers that run a whole system: by which signal their init halts.

use crate::blocking::blocking;
use crate::engine::Inner;
use crate::error::EngineError;
use model::Signal;
use model::container::{Spec, system};
use std::fs;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::path::Path;

/// The signal of the init that the image has, which its name may be a link to.
pub(super) async fn halt_signal(engine: &Inner, spec: &Spec) -> Result<Signal, EngineError> {
    let program = spec.process.arguments().into_iter().next().unwrap_or_default();
    let chain = engine.image_chain(&spec.image.id).await?;
    let images = engine.images.clone();
    blocking("look for an image's init", move || {
        let root = images.open_root(&chain).ok();
        let found = root.and_then(|root| find(&root, Path::new(&program)));
        Ok(system::halt_signal(found.as_deref().unwrap_or(&program)))
    })
    .await
}

/// The path of a program in the image, links followed; `None` when it cannot be found so.
fn find(root: &OwnedFd, program: &Path) -> Option<String> {
    let found = sys::beneath::find(root, program).ok()?;
    let path = fs::read_link(format!("/proc/self/fd/{}", found.as_raw_fd())).ok()?;
    path.to_str().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_init_of_an_image_is_found_behind_its_links() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir_all(dir.path().join("usr/lib/systemd")).unwrap();
        fs::create_dir_all(dir.path().join("usr/sbin")).unwrap();
        fs::write(dir.path().join("usr/lib/systemd/systemd"), "").unwrap();
        std::os::unix::fs::symlink("usr/sbin", dir.path().join("sbin")).unwrap();
        // Absolute, as distributions have it: it means the image's own root.
        std::os::unix::fs::symlink("/usr/lib/systemd/systemd", dir.path().join("usr/sbin/init")).unwrap();
        let root = OwnedFd::from(fs::File::open(dir.path()).unwrap());
        let found = find(&root, Path::new("/sbin/init")).unwrap();
        assert!(found.ends_with("/usr/lib/systemd/systemd"), "{found}");
        assert_eq!(find(&root, Path::new("/nowhere")), None);
    }
}
