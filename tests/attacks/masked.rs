//! What `attacker look` saw, without what differs between hosts, kernels and runs, so
//! that it can be compared with what is expected.

use std::collections::BTreeSet;
use std::fmt::Write as _;

/// Hidden or read-only where the kernel has them at all: judged apart.
const JUDGED: [&str; 12] = [
    "/proc/acpi",
    "/proc/asound",
    "/proc/interrupts",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/sys/devices/virtual/powercap",
    "/sys/firmware",
];
const READ_ONLY: [&str; 6] = [
    "/proc/bus",
    "/proc/dynamic_debug",
    "/proc/fs",
    "/proc/irq",
    "/proc/sys",
    "/proc/sysrq-trigger",
];

/// One line each, in order.
pub(crate) fn masked(seen: &str) -> String {
    let lines: BTreeSet<String> = seen.lines().filter_map(line).collect();
    let mut text = String::new();
    for line in lines {
        let _ = writeln!(text, "{line}");
    }
    text
}

fn line(line: &str) -> Option<String> {
    let (what, rest) = line.split_once(' ')?;
    Some(match what {
        "ns" => return None,
        "cgroup" => format!("cgroup {}", rest.rsplit(':').next()?),
        "mountinfo" => return mount(rest),
        "uid_map" => large_numbers(&format!("uid_map {}", words(rest))),
        // Anybody may ask to be told of pressure; nothing is changed by it.
        "writable" if rest.starts_with("/proc/pressure/") => return None,
        _ => numbers(&format!("{what} {}", words(rest))),
    })
}

fn words(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Masks ids of users of a container's own: which range is free is chance.
fn large_numbers(text: &str) -> String {
    let mut out = String::new();
    let mut digits = String::new();
    for letter in text.chars().chain(['\n']) {
        if letter.is_ascii_digit() {
            digits.push(letter);
            continue;
        }
        out += if digits.len() > 5 { "N" } else { &digits };
        digits.clear();
        out.push(letter);
    }
    out.pop();
    out
}

/// Masks `[123]` and what is an id.
fn numbers(text: &str) -> String {
    let mut out = String::new();
    for word in text.split_inclusive([' ', ':', '=', '/']) {
        let plain = word.trim_end_matches([' ', ':', '=', '/']);
        let end = &word[plain.len()..];
        let is_id = plain.len() >= 12 && plain.len() != 16 && plain.bytes().all(|byte| byte.is_ascii_hexdigit());
        let masked = match plain.strip_prefix('[').and_then(|text| text.strip_suffix(']')) {
            Some(_) => "[N]",
            None if is_id => "ID",
            None => plain,
        };
        out += masked;
        out += end;
    }
    out
}

/// proc_pid_mountinfo(5)
fn mount(line: &str) -> Option<String> {
    let (own, of_file_system) = line.split_once(" - ")?;
    let mut own = own.split(' ').skip(3);
    let (root, place, options) = (own.next()?, own.next()?, own.next()?);
    let mut of_file_system = of_file_system.split(' ');
    let (kind, _source, details) = (of_file_system.next()?, of_file_system.next()?, of_file_system.next()?);
    if JUDGED.contains(&place) || READ_ONLY.contains(&place) || place.starts_with("/sys/devices") {
        return None;
    }
    // Something else than a number would mean that mounts travel.
    let travels = own
        .map(|field| field.split(':').next().unwrap_or_default())
        .collect::<Vec<_>>()
        .join(",");
    if let Some(below) = place.strip_prefix("/sys/fs/cgroup") {
        let place = if below.is_empty() {
            "/sys/fs/cgroup"
        } else {
            "/sys/fs/cgroup/*"
        };
        return Some(format!("mount {place} {options} {travels}").trim_end().to_owned());
    }
    // Which file system holds images, and the host's devices, is the host's choice.
    let kind = match place {
        "/" => "any",
        _ if kind == "devtmpfs" || root.starts_with("/dev/") => "device",
        _ => kind,
    };
    let details = match kind {
        "tmpfs" | "devpts" => details.replace(",inode64", ""),
        _ => String::new(),
    };
    let root = match root.rsplit_once("/containers/") {
        Some((_, own)) => numbers(&format!(".../containers/{own}")),
        None if root == "/" || place == "/" || kind == "device" => String::new(),
        None => root.to_owned(),
    };
    // So is that of the files that the server keeps.
    let kind = if root.starts_with("...") { "any" } else { kind };
    Some(large_numbers(&words(&format!(
        "mount {place} {options} {travels} {kind} {details} {root}"
    ))))
}

/// That every namespace is another than the host's, but for those named.
pub(crate) fn assert_own_namespaces(seen: &str, shared: &[&str]) {
    for line in seen.lines().filter_map(|line| line.strip_prefix("ns ")) {
        let (kind, inside) = line.split_once(' ').unwrap();
        let host = std::fs::read_link(format!("/proc/self/ns/{kind}")).unwrap();
        let is_host = host.to_str() == Some(inside);
        assert_eq!(is_host, shared.contains(&kind), "{kind}: {inside}");
    }
}

/// That each path that is to be hidden or read-only and is mounted over is so.
pub(crate) fn assert_guarded(seen: &str) {
    let mounts = || seen.lines().filter_map(|line| line.strip_prefix("mountinfo "));
    let at = |place: &str| mounts().rfind(|line| line.split(' ').nth(4) == Some(place));
    for place in READ_ONLY {
        if std::path::Path::new(place).exists() {
            let line = at(place).unwrap_or_else(|| panic!("{place} is not protected"));
            let options = line.split(' ').nth(5).unwrap();
            assert!(options.split(',').any(|option| option == "ro"), "{place}: {line}");
        }
    }
    let processors = std::fs::read_dir("/sys/devices/system/cpu")
        .into_iter()
        .flatten()
        .flatten();
    let heat = processors.map(|entry| entry.path().join("thermal_throttle"));
    let heat: Vec<String> = heat
        .filter(|path| path.is_dir())
        .map(|path| path.display().to_string())
        .collect();
    for place in JUDGED.into_iter().chain(heat.iter().map(String::as_str)) {
        // The host of a test may itself be shown less than there is.
        if let Ok(found) = std::fs::symlink_metadata(place) {
            let line = at(place).unwrap_or_else(|| panic!("{place} is not hidden"));
            let kind = line.split(" - ").nth(1).and_then(|rest| rest.split(' ').next());
            if found.is_dir() {
                assert!(
                    kind == Some("tmpfs") && line.split(' ').nth(5).unwrap().starts_with("ro"),
                    "{place}: {line}"
                );
            } else {
                // The host's null device, wherever that lies.
                assert!(line.split(' ').nth(3).unwrap().ends_with("/null"), "{place}: {line}");
            }
        }
    }
}

/// Compares with what is checked in, which was seen on a host with hierarchies of v1 beside v2;
/// `GANTRY_TEST_WRITE=1` writes it down anew there.
pub(crate) fn compare(seen: &str, file: &std::path::Path) {
    if std::env::var_os("GANTRY_TEST_WRITE").is_some() {
        std::fs::write(file, seen).unwrap();
    }
    let expected = std::fs::read_to_string(file).unwrap_or_default();
    let lines = |text: &str| text.lines().map(str::to_owned).collect::<BTreeSet<_>>();
    let (seen, mut expected) = (lines(seen), lines(&expected));
    // A host with v2 alone has no hierarchies below the one.
    if std::path::Path::new("/sys/fs/cgroup/cgroup.controllers").exists() {
        expected.retain(|line| !line.starts_with("mount /sys/fs/cgroup/* "));
    }
    let more: Vec<_> = seen.difference(&expected).collect();
    let less: Vec<_> = expected.difference(&seen).collect();
    assert!(
        more.is_empty() && less.is_empty(),
        "{}:\nmore: {more:#?}\nless: {less:#?}",
        file.display()
    );
}
