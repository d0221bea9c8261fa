//! The mounts of the spec, and the paths that are hidden or made read-only.

use super::destination;
use super::options::Options;
use crate::Failure;
use crate::ids::IdMaps;
use crate::labels;
use crate::sources::{self, Sources};
use oci_spec::runtime::{Mount, Spec};
use std::fs::{self, File};
use std::io;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::path::Path;
use sys::{beneath, mount};

/// What mounts depend on besides themselves.
pub(super) struct Surroundings<'a> {
    pub(super) bundle: &'a Path,
    pub(super) has_cgroup_namespace: bool,
    /// The container's part of each hierarchy, attached nowhere, where it has no cgroup
    /// namespace and the host has v1 hierarchies.
    pub(super) own_groups: &'a [(String, OwnedFd)],
    /// Of the container's new user namespace.
    pub(super) ids: Option<&'a IdMaps>,
    /// Whether the command is the init of a whole system.
    pub(super) is_system: bool,
    /// Of new file systems.
    pub(super) label: Option<&'a str>,
}

pub(super) fn make_all(
    root: BorrowedFd<'_>,
    spec: &Spec,
    sources: &mut Sources,
    surroundings: &Surroundings<'_>,
) -> Result<(), Failure> {
    for (place, wanted) in spec.mounts().iter().flatten().enumerate() {
        make(root, wanted, sources.take(place), surroundings)?;
    }
    Ok(())
}

fn make(
    root: BorrowedFd<'_>,
    wanted: &Mount,
    opened: Option<OwnedFd>,
    surroundings: &Surroundings<'_>,
) -> Result<(), Failure> {
    let destination = wanted.destination().as_path();
    let failed = |what: &str| Failure::io("mount", format!("cannot {what} `{}`", destination.display()));
    let mut options = Options::parse(wanted.options().as_deref().unwrap_or_default());
    let kind = wanted.typ().as_deref().unwrap_or("none");
    if destination::is(wanted, "/dev") {
        // Devices are made there first.
        options.set &= !mount::READ_ONLY;
        if kind == "tmpfs" {
            options.set_recursive &= !mount::READ_ONLY;
        }
    }
    destination::check(wanted)?;
    if options.remount && sources::binds(wanted).is_none() {
        let target = beneath::find(root, destination).map_err(failed("find"))?;
        return apply(&target, &options).map_err(failed("set the options of"));
    }
    if let Some(recursive) = sources::binds(wanted) {
        let source = surroundings.bundle.join(wanted.source().clone().unwrap_or_default());
        let what = format!("bind `{}` to", source.display());
        let tree = match opened {
            Some(tree) => tree,
            None => mount::copy_path_detached(&source, recursive).map_err(failed(&what))?,
        };
        apply(&tree, &options).map_err(failed("set the options of"))?;
        let target = if beneath::is_dir(&tree).map_err(failed(&what))? {
            destination::make_dir(root, destination)
        } else {
            destination::make_file(root, destination)
        };
        let target = target.map_err(failed("make the mount point"))?;
        return mount::attach(&tree, &target).map_err(failed(&what));
    }
    let covers = kind == "tmpfs" && beneath::find(root, destination).is_ok();
    let target = destination::make_dir(root, destination).map_err(failed("make the mount point"))?;
    if kind == "cgroup" || kind == "cgroup2" {
        return cgroups(root, destination, &target, &options, surroundings);
    }
    let tree = new_file_system(wanted, kind, &options, covers.then_some(&target), surroundings)?;
    labels::label_queues(kind, surroundings.label, &tree).map_err(failed("label"))?;
    apply(&tree, &options).map_err(failed("set the options of"))?;
    if options.copy_up {
        let inside = beneath::open_dir(&tree, Path::new("/")).map_err(failed("open"))?;
        sys::copy_tree::copy_into(&target, &inside).map_err(failed("copy what is below"))?;
    }
    mount::attach(&tree, &target).map_err(failed("attach"))
}

/// Makes `/dev` read-only where the spec says so, after all is in it.
pub(super) fn finish_dev(root: BorrowedFd<'_>, spec: &Spec) -> Result<(), Failure> {
    let mut wanted = spec.mounts().iter().flatten();
    let Some(last) = wanted.rfind(|wanted| destination::is(wanted, "/dev")) else {
        return Ok(());
    };
    let options = Options::parse(last.options().as_deref().unwrap_or_default());
    if (options.set | options.set_recursive) & mount::READ_ONLY == 0 {
        return Ok(());
    }
    beneath::find_without_links(root, Path::new("/dev"))
        .and_then(|dev| mount::change(&dev, mount::READ_ONLY, 0, false))
        .map_err(Failure::io("mount", "cannot make `/dev` read-only"))
}

fn new_file_system(
    wanted: &Mount,
    kind: &str,
    options: &Options,
    covered: Option<&OwnedFd>,
    surroundings: &Surroundings<'_>,
) -> Result<OwnedFd, Failure> {
    let destination = wanted.destination().display();
    let failed = |what: &str| Failure::io("mount", format!("cannot {what} `{destination}`"));
    let source = wanted.source().clone().unwrap_or_default();
    let source = source.to_string_lossy();
    let mut data = options.data.clone();
    if let Some(covered) = covered
        && !data.iter().any(|option| option.starts_with("mode="))
    {
        // As the directory it covers; for everybody where it covers none.
        use std::os::unix::fs::PermissionsExt as _;
        let mode = File::from(covered.try_clone().map_err(failed("look at"))?)
            .metadata()
            .map_err(failed("look at"))?
            .permissions()
            .mode();
        data.push(format!("mode={:o}", mode & 0o7777));
    }
    if kind == "devpts" {
        // A group that the container's users do not have cannot own terminals.
        let has = |group: &str| {
            let group = group.parse().ok();
            let ids = surroundings.ids;
            ids.is_none_or(|ids| group.is_some_and(|group| ids.outside_group(group).is_some()))
        };
        data.retain(|option| option.strip_prefix("gid=").is_none_or(has));
    }
    data.extend(labels::mount_option(kind, surroundings.label, &data));
    match mount::new_detached(kind, &source, &data, options.set) {
        Err(error) if kind == "sysfs" && error.kind() == io::ErrorKind::PermissionDenied => {
            // Whose network the host's users own may not be shown anew; what is there
            // already may be.
            let tree = mount::copy_path_detached(Path::new("/sys"), true).map_err(failed("bind `/sys` to"))?;
            mount::change(&tree, options.set, 0, true).map_err(failed("set the options of"))?;
            Ok(tree)
        }
        outcome => outcome.map_err(failed(&format!("mount a file system of type `{kind}` at"))),
    }
}

fn apply(tree: &OwnedFd, options: &Options) -> io::Result<()> {
    if options.set != 0 || options.clear != 0 {
        mount::change(tree, options.set, options.clear, false)?;
    }
    if options.set_recursive != 0 || options.clear_recursive != 0 {
        mount::change(tree, options.set_recursive, options.clear_recursive, true)?;
    }
    if let Some((propagation, recursive)) = options.propagation {
        mount::set_propagation(tree, propagation, recursive)?;
    }
    Ok(())
}

/// `/sys/fs/cgroup`: the tree of v2, or a directory with one mount for each v1
/// hierarchy, as the host has it. They show the container's own part only; the whole tree
/// where v2 is alone and the container has no cgroup namespace.
fn cgroups(
    root: BorrowedFd<'_>,
    destination: &Path,
    target: &OwnedFd,
    options: &Options,
    surroundings: &Surroundings<'_>,
) -> Result<(), Failure> {
    let failed = |what: &str| Failure::io("mount", format!("cannot {what} `{}`", destination.display()));
    if !surroundings.has_cgroup_namespace && surroundings.own_groups.is_empty() {
        // The host's own view, as where nothing is separated.
        let tree = mount::copy_path_detached(Path::new("/sys/fs/cgroup"), true).map_err(failed("bind cgroups to"))?;
        mount::change(&tree, options.set, 0, true).map_err(failed("set the options of"))?;
        return mount::attach(&tree, target).map_err(failed("attach"));
    }
    let memberships = fs::read_to_string("/proc/self/cgroup").map_err(failed("find cgroups for"))?;
    let mut hierarchies: Vec<&str> = memberships.lines().filter_map(|line| line.split(':').nth(1)).collect();
    if !surroundings.has_cgroup_namespace {
        hierarchies.clear();
    }
    if hierarchies == [""] {
        let tree = mount::new_detached("cgroup2", "cgroup", &[], options.set).map_err(failed("mount cgroups at"))?;
        return mount::attach(&tree, target).map_err(failed("attach"));
    }
    let data = ["mode=755".to_owned(), "size=65536k".to_owned()];
    let tree = mount::new_detached("tmpfs", "tmpfs", &data, options.set & !mount::READ_ONLY)
        .map_err(failed("mount cgroups at"))?;
    mount::attach(&tree, target).map_err(failed("attach"))?;
    for hierarchy in hierarchies {
        let (name, kind, data) = match hierarchy.strip_prefix("name=") {
            _ if hierarchy.is_empty() => ("unified", "cgroup2", vec![]),
            Some(name) => (name, "cgroup", vec![format!("name={name}"), "none".to_owned()]),
            None => (hierarchy, "cgroup", hierarchy.split(',').map(str::to_owned).collect()),
        };
        // Limits of v1 stand in the container's own group: a system may divide only what
        // has none.
        let has_limits = kind == "cgroup" && !hierarchy.starts_with("name=");
        let kept_from_system = surroundings.is_system && has_limits;
        let set = options.set | if kept_from_system { mount::READ_ONLY } else { 0 };
        // A hierarchy the kernel will not show here is left out.
        let Ok(below) = mount::new_detached(kind, "cgroup", &data, set) else {
            continue;
        };
        show_hierarchy(root, destination, &tree, name, &below).map_err(failed("fill"))?;
    }
    for (name, own) in surroundings.own_groups {
        let kept_from_system = surroundings.is_system && !matches!(name.as_str(), "systemd" | "unified");
        let set = options.set | if kept_from_system { mount::READ_ONLY } else { 0 };
        mount::change(own, set, 0, false).map_err(failed("set the options of"))?;
        show_hierarchy(root, destination, &tree, name, own).map_err(failed("fill"))?;
    }
    if options.set & mount::READ_ONLY != 0 || surroundings.is_system {
        mount::change(&tree, mount::READ_ONLY, 0, false).map_err(failed("set the options of"))?;
    }
    Ok(())
}

/// Attaches a hierarchy in the directory `tree` at `destination`; one of several
/// controllers is found by the name of each, too.
fn show_hierarchy(
    root: BorrowedFd<'_>,
    destination: &Path,
    tree: &OwnedFd,
    name: &str,
    hierarchy: &OwnedFd,
) -> io::Result<()> {
    let place = beneath::make_dirs(root, &destination.join(name), 0o755)?;
    mount::attach(hierarchy, &place)?;
    for alone in name.split(',').filter(|alone| name.contains(',') && !alone.is_empty()) {
        sys::device::link(tree, alone, name)?;
    }
    Ok(())
}

/// Whether the container is to see cgroups.
pub(super) fn shows_cgroups(spec: &Spec) -> bool {
    let kinds = spec
        .mounts()
        .iter()
        .flatten()
        .filter_map(|wanted| wanted.typ().as_deref());
    kinds.into_iter().any(|kind| matches!(kind, "cgroup" | "cgroup2"))
}

/// Hides what must not be seen and protects what must not be written. Paths that
/// are not there are passed over.
pub(super) fn guard(root: BorrowedFd<'_>, spec: &Spec) -> Result<(), Failure> {
    let Some(linux) = spec.linux() else { return Ok(()) };
    for path in linux.readonly_paths().iter().flatten() {
        let failed = |error| Failure::io("mask", format!("cannot make `{path}` read-only"))(error);
        let Some(place) = find(root, path).map_err(failed)? else {
            continue;
        };
        let tree = mount::copy_detached(&place, Path::new(""), true).map_err(failed)?;
        mount::change(&tree, mount::READ_ONLY, 0, true).map_err(failed)?;
        mount::attach(&tree, &place).map_err(failed)?;
    }
    let mut empty: Option<OwnedFd> = None;
    for path in linux.masked_paths().iter().flatten() {
        let failed = |error| Failure::io("mask", format!("cannot hide `{path}`"))(error);
        let Some(place) = find(root, path).map_err(failed)? else {
            continue;
        };
        let is_dir = beneath::is_dir(&place).map_err(failed)?;
        let tree = if !is_dir {
            null().map_err(failed)?
        } else if let Some(first) = &empty {
            // One empty directory, shared: each file system more costs at the end.
            mount::copy_detached(first, Path::new(""), false).map_err(failed)?
        } else {
            let mut data = ["mode=755", "size=0", "nr_inodes=1"].map(str::to_owned).to_vec();
            data.extend(labels::mount_option("tmpfs", labels::of_mounts(spec), &data));
            mount::new_detached("tmpfs", "tmpfs", &data, mount::READ_ONLY).map_err(failed)?
        };
        mount::attach(&tree, &place).map_err(failed)?;
        if is_dir && empty.is_none() {
            empty = Some(tree);
        }
    }
    Ok(())
}

/// The host's `/dev/null`, which no image can have replaced.
fn null() -> io::Result<OwnedFd> {
    let tree = mount::copy_path_detached(Path::new("/dev/null"), false)?;
    if sys::device::number(&tree)? != Some((sys::device::Kind::Character, 1, 3)) {
        return Err(io::Error::other("the host's `/dev/null` is another device"));
    }
    Ok(tree)
}

fn find(root: BorrowedFd<'_>, path: &str) -> io::Result<Option<OwnedFd>> {
    match beneath::find(root.as_fd(), Path::new(path)) {
        Ok(place) => Ok(Some(place)),
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => Ok(None),
        Err(error) => Err(error),
    }
}
