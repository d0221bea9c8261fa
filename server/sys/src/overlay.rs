//! Overlays that are attached nowhere: reached through their descriptor alone, gone
//! with it, and never in anybody's mount table. fsopen(2), fsmount(2); kernel,
//! filesystems/overlayfs.rst

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, MountFlags, fsconfig_create, fsconfig_set_flag, fsconfig_set_string,
    fsmount, fsopen,
};
use rustix::thread::UnshareFlags;
use std::ffi::CString;
use std::io;
use std::os::fd::{AsFd as _, AsRawFd as _, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::thread;
use std::time::Duration;

/// What an overlay is made of.
#[derive(Debug, Clone, Copy)]
pub struct Layers<'a> {
    /// Topmost first; at least one.
    pub lower: &'a [PathBuf],
    /// The writable layer and its work directory; without them the overlay is
    /// read-only, and then of at least two lower layers.
    pub upper: Option<(&'a Path, &'a Path)>,
    /// Further options, `name` or `name=value`.
    pub options: &'a [String],
}

/// Makes an overlay and answers with its root.
///
/// # Errors
/// `EPERM` without `CAP_SYS_ADMIN`, `EBUSY` when the writable layer is in use.
pub fn mount_detached(layers: Layers<'_>) -> io::Result<OwnedFd> {
    if takes_layers_one_by_one()? {
        let context = fsopen("overlay", FsOpenFlags::FSOPEN_CLOEXEC)?;
        for layer in layers.lower {
            fsconfig_set_string(&context, "lowerdir+", layer.as_path())?;
        }
        if let Some((upper, work)) = layers.upper {
            fsconfig_set_string(&context, "upperdir", upper)?;
            fsconfig_set_string(&context, "workdir", work)?;
        }
        return finish(context.as_fd(), layers.options);
    }
    let opened = Opened::of(layers)?;
    let lower = opened.lower();
    if lower.len() > LONGEST_VALUE {
        drop(opened);
        return apart(|| mount_by_options(layers));
    }
    let context = fsopen("overlay", FsOpenFlags::FSOPEN_CLOEXEC)?;
    fsconfig_set_string(&context, "lowerdir", lower.as_str())?;
    if let Some((upper, work)) = &opened.upper {
        fsconfig_set_string(&context, "upperdir", name_of(upper))?;
        fsconfig_set_string(&context, "workdir", name_of(work))?;
    }
    finish(context.as_fd(), layers.options)
}

fn finish(context: BorrowedFd<'_>, options: &[String]) -> io::Result<OwnedFd> {
    if !crate::user_namespace::is_initial() {
        fsconfig_set_flag(context, "userxattr")?;
    }
    for option in options {
        match option.split_once('=') {
            Some((name, value)) => fsconfig_set_string(context, name, value)?,
            None => fsconfig_set_flag(context, option.as_str())?,
        }
    }
    fsconfig_create(context)?;
    Ok(fsmount(
        context,
        FsMountFlags::FSMOUNT_CLOEXEC,
        MountAttrFlags::empty(),
    )?)
}

/// What they begin with where those of the host's root cannot be had.
pub const USER_PREFIX: &str = "user.overlay.";

/// What the names of overlayfs's own attributes begin with: only the host's root may write
/// those that are trusted. kernel, filesystems/overlayfs.rst, "User xattr"
pub fn attribute_prefix() -> &'static str {
    static PREFIX: OnceLock<&str> = OnceLock::new();
    PREFIX.get_or_init(|| {
        if crate::user_namespace::is_initial() {
            "trusted.overlay."
        } else {
            USER_PREFIX
        }
    })
}

/// Since Linux 6.8: then nothing limits the number of layers. Before 6.5 a context takes
/// every name, and judges all of them at the end; asked once.
fn takes_layers_one_by_one() -> io::Result<bool> {
    static KNOWN: OnceLock<bool> = OnceLock::new();
    if let Some(known) = KNOWN.get() {
        return Ok(*known);
    }
    let context = fsopen("overlay", FsOpenFlags::FSOPEN_CLOEXEC)?;
    let takes_anything = fsconfig_set_flag(&context, "no-such-option").is_ok();
    let takes_one = fsconfig_set_string(&context, "lowerdir+", "/").is_ok();
    Ok(*KNOWN.get_or_init(|| takes_one && !takes_anything))
}

/// Bytes of one value, beside the zero that ends it. fsconfig(2)
const LONGEST_VALUE: usize = 255;

/// The layers as descriptors. Their names below `/proc` are short whatever the layers are
/// called, and have no character that means something in options.
struct Opened {
    lower: Vec<OwnedFd>,
    upper: Option<(OwnedFd, OwnedFd)>,
}

impl Opened {
    fn of(layers: Layers<'_>) -> io::Result<Self> {
        let open =
            |path: &Path| rustix::fs::open(path, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty());
        Ok(Self {
            lower: layers.lower.iter().map(|layer| open(layer)).collect::<Result<_, _>>()?,
            upper: match layers.upper {
                Some((upper, work)) => Some((open(upper)?, open(work)?)),
                None => None,
            },
        })
    }

    fn lower(&self) -> String {
        self.lower.iter().map(name_of).collect::<Vec<_>>().join(":")
    }
}

fn name_of(layer: &OwnedFd) -> String {
    format!("/proc/self/fd/{}", layer.as_raw_fd())
}

/// Where a value is too short for the layers: mount(2) takes a page of options, but only
/// mounts at a place. Every mount namespace but this one is spared the sight.
fn mount_by_options(layers: Layers<'_>) -> io::Result<OwnedFd> {
    // Not opened before: a descriptor is of the namespace in which it was opened.
    let opened = Opened::of(layers)?;
    let mut data = format!("lowerdir={}", opened.lower());
    if let Some((upper, work)) = &opened.upper {
        data.push_str(&format!(",upperdir={},workdir={}", name_of(upper), name_of(work)));
    }
    for option in layers.options {
        data.push(',');
        data.push_str(option);
    }
    let data = CString::new(data)?;
    // Any directory that is there.
    let place = layers.lower.first().ok_or(Errno::INVAL)?;
    rustix::mount::mount("overlay", place, "overlay", MountFlags::empty(), data.as_c_str())?;
    crate::mount::copy_path_detached(place, false)
}

/// Runs `work` in a mount namespace of its own: on a thread that ends with it, or in the
/// caller where that is a clone, which may start none, and which stays in there.
fn apart(work: impl FnOnce() -> io::Result<OwnedFd> + Send) -> io::Result<OwnedFd> {
    let enter = || -> io::Result<()> {
        // SAFETY: the mount namespace, and with it root and working directory, become this
        // thread's own: no memory and no descriptor is taken from another.
        unsafe { rustix::thread::unshare_unsafe(UnshareFlags::NEWNS) }?;
        crate::mount::isolate_root()
    };
    if crate::clone::is_clone() {
        enter()?;
        return work();
    }
    let threads = count_threads()?;
    let made = thread::scope(|scope| {
        let worker = thread::Builder::new()
            .name("overlay".to_owned())
            .stack_size(128 << 10)
            .spawn_scoped(scope, || {
                enter()?;
                work()
            })?;
        match worker.join() {
            Ok(made) => made,
            Err(panic) => std::panic::resume_unwind(panic),
        }
    });
    // It was joined a moment before it is gone for the kernel, and a caller that has one
    // thread may be about to clone itself.
    for _ in 0..1000 {
        if threads > 1 || count_threads()? == 1 {
            break;
        }
        thread::sleep(Duration::from_micros(100));
    }
    made
}

fn count_threads() -> io::Result<usize> {
    Ok(std::fs::read_dir("/proc/self/task")?.count())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use tempfile::TempDir;

    /// `count` layers that have a file each, and one that all have; none where it needs root.
    fn layers(count: usize) -> Option<(TempDir, Vec<PathBuf>)> {
        if !crate::user::is_root() {
            println!("skipped: needs root");
            return None;
        }
        let dir = tempfile::tempdir().unwrap();
        for name in ["upper", "work"] {
            fs::create_dir(dir.path().join(name)).unwrap();
        }
        let lower = (0..count).map(|number| {
            // As long as a snapshot's name, and with what means something in options.
            let layer = dir.path().join(format!("{number:0>64},:\\"));
            fs::create_dir(&layer).unwrap();
            fs::write(layer.join(number.to_string()), "own").unwrap();
            fs::write(layer.join("all"), number.to_string()).unwrap();
            layer
        });
        let lower = lower.collect();
        Some((dir, lower))
    }

    fn assert_shows_all(root: &OwnedFd, dir: &TempDir, count: usize) {
        let inside = PathBuf::from(format!("/proc/self/fd/{}", root.as_raw_fd()));
        assert_eq!(
            fs::read_to_string(inside.join("all")).unwrap(),
            "0",
            "the first is on top"
        );
        for number in 0..count {
            assert!(inside.join(number.to_string()).exists(), "layer {number}");
        }
        fs::write(inside.join("new"), "new").unwrap();
        assert_eq!(fs::read_to_string(dir.path().join("upper/new")).unwrap(), "new");
    }

    fn assert_is_attached_nowhere(dir: &TempDir) {
        let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
        assert!(!mounts.contains(dir.path().to_str().unwrap()), "{mounts}");
    }

    #[test]
    fn a_detached_overlay_shows_its_layers_and_takes_writes() {
        for count in [1, 3, 127] {
            let Some((dir, lower)) = layers(count) else { return };
            let root = mount_detached(Layers {
                lower: &lower,
                upper: Some((&dir.path().join("upper"), &dir.path().join("work"))),
                options: &[],
            })
            .unwrap();
            assert_shows_all(&root, &dir, count);
            assert_is_attached_nowhere(&dir);
        }
    }

    /// What older kernels need works on all.
    #[test]
    fn as_many_layers_as_images_have_fit_into_the_options_of_a_mount() {
        let Some((dir, lower)) = layers(127) else { return };
        let root = apart(|| {
            mount_by_options(Layers {
                lower: &lower,
                upper: Some((&dir.path().join("upper"), &dir.path().join("work"))),
                options: &[],
            })
        })
        .unwrap();
        assert_shows_all(&root, &dir, 127);
        assert_is_attached_nowhere(&dir);
    }
}
