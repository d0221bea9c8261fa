//! The processes of a container, from its cgroup and /proc.

use crate::clock;
use crate::containers::view::ProcessInfo;
use model::Timestamp;
use model::container::HostIds;
use std::fs;
use std::path::PathBuf;

/// What /proc says of each pid. One that ended meanwhile is left out. Names of
/// users are the container's own, read through `init`'s root.
///
/// Users are those of the inside, where the container has ids of its own.
pub(crate) fn processes(pids: &[i32], init: i32, ids: Option<HostIds>) -> Vec<ProcessInfo> {
    let users = fs::read_to_string(format!("/proc/{init}/root/etc/passwd")).unwrap_or_default();
    let boot = boot_time();
    let mut found: Vec<ProcessInfo> = pids.iter().filter_map(|pid| process(*pid, &users, ids, boot)).collect();
    found.sort_by_key(|process| (process.container_pid, process.pid));
    found
}

/// Every process in the PID namespace of `init`.
pub(crate) fn beside(init: i32) -> Vec<i32> {
    let namespace = |pid: i32| fs::read_link(format!("/proc/{pid}/ns/pid")).ok();
    let Some(wanted) = namespace(init) else {
        return Vec::new();
    };
    let all = fs::read_dir("/proc").into_iter().flatten().flatten();
    all.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter(|pid| namespace(*pid).as_ref() == Some(&wanted))
        .collect()
}

fn process(pid: i32, users: &str, ids: Option<HostIds>, boot: Timestamp) -> Option<ProcessInfo> {
    let dir = PathBuf::from(format!("/proc/{pid}"));
    let stat = fs::read_to_string(dir.join("stat")).ok()?;
    let status = fs::read_to_string(dir.join("status")).ok()?;
    let stat = Stat::parse(&stat)?;
    let of_status = |word: &str| {
        status
            .lines()
            .find_map(|line| line.strip_prefix(word)?.strip_prefix(':'))
            .map(str::trim)
    };
    let outside: u32 = of_status("Uid")?.split_whitespace().next()?.parse().ok()?;
    let uid = ids.and_then(|ids| ids.inside(outside)).unwrap_or(outside);
    let container_pid = of_status("NSpid")
        .and_then(|pids| pids.split_whitespace().next_back())
        .and_then(|pid| pid.parse().ok())
        .unwrap_or(pid);
    let arguments = fs::read(dir.join("cmdline")).unwrap_or_default();
    let ticks = sys::host::clock_ticks().max(1);
    let nanos = |ticks_counted: u64| {
        u64::try_from(u128::from(ticks_counted) * 1_000_000_000 / u128::from(ticks)).unwrap_or(u64::MAX)
    };
    Some(ProcessInfo {
        pid,
        container_pid,
        parent_pid: stat.parent,
        uid,
        user: user_name(users, uid).unwrap_or_else(|| uid.to_string()),
        state: stat.state,
        started: Timestamp::from_unix_nanos(boot.as_unix_nanos().saturating_add_unsigned(nanos(stat.start_ticks))),
        cpu_ns: nanos(stat.cpu_ticks),
        threads: stat.threads,
        memory_bytes: stat.resident_pages * sys::host::page_bytes(),
        terminal: terminal(stat.terminal),
        command: command(&arguments, &stat.name),
    })
}

/// The session that a process belongs to: field 6 of /proc/PID/stat, proc(5).
pub(crate) fn session(pid: i32) -> Option<i32> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    Stat::parse(&stat).map(|stat| stat.session)
}

#[derive(Debug, PartialEq, Eq)]
struct Stat {
    name: String,
    state: char,
    parent: i32,
    session: i32,
    terminal: i32,
    cpu_ticks: u64,
    threads: u32,
    start_ticks: u64,
    resident_pages: u64,
}

impl Stat {
    /// Fields by their numbers in proc(5), counted from the end of the name, which
    /// may hold anything.
    fn parse(text: &str) -> Option<Self> {
        let (front, rest) = text.rsplit_once(')')?;
        let (_, name) = front.split_once('(')?;
        let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
        let number = |place: usize| fields.get(place - 3)?.parse::<u64>().ok();
        Some(Self {
            name: name.to_owned(),
            state: fields.first()?.chars().next()?,
            parent: fields.get(1)?.parse().ok()?,
            session: fields.get(3)?.parse().ok()?,
            terminal: fields.get(4)?.parse().ok()?,
            cpu_ticks: number(14)? + number(15)?,
            threads: u32::try_from(number(20)?).ok()?,
            start_ticks: number(22)?,
            resident_pages: number(24)?,
        })
    }
}

fn user_name(passwd: &str, uid: u32) -> Option<String> {
    passwd.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        let found: u32 = fields.nth(1)?.parse().ok()?;
        (found == uid && !name.is_empty()).then(|| name.to_owned())
    })
}

/// Field 7 of /proc/PID/stat as a name: majors 136 to 143 are pseudo-terminals.
fn terminal(number: i32) -> Option<String> {
    let number = u32::try_from(number).ok().filter(|number| *number != 0)?;
    let major = (number >> 8) & 0xfff;
    let minor = (number & 0xff) | ((number >> 12) & 0xfff00);
    (136..=143)
        .contains(&major)
        .then(|| format!("pts/{}", minor + (major - 136) * 256))
}

fn command(arguments: &[u8], name: &str) -> String {
    let text = arguments
        .split(|byte| *byte == 0)
        .map(|part| String::from_utf8_lossy(part).into_owned())
        .collect::<Vec<_>>()
        .join(" ");
    let text = text.trim_end();
    if text.is_empty() {
        format!("[{name}]")
    } else {
        text.to_owned()
    }
}

/// When the host booted: `btime` of /proc/stat, proc(5).
fn boot_time() -> Timestamp {
    let stat = fs::read_to_string("/proc/stat").unwrap_or_default();
    let seconds = stat
        .lines()
        .find_map(|line| line.strip_prefix("btime "))
        .and_then(|text| text.trim().parse::<i64>().ok());
    seconds.map_or_else(clock::now, |seconds| {
        Timestamp::from_unix_nanos(seconds * 1_000_000_000)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_brackets_and_blanks_does_not_shift_the_fields() {
        let text =
            "42 (a ) b) S 1 42 42 34816 42 4194560 100 0 0 0 7 5 0 0 20 0 1 0 123456 8192000 250 18446744073709551615";
        let stat = Stat::parse(text).unwrap();
        assert_eq!(stat.name, "a ) b");
        assert_eq!(
            (stat.parent, stat.cpu_ticks, stat.start_ticks, stat.resident_pages),
            (1, 12, 123456, 250)
        );
        assert_eq!(terminal(stat.terminal).as_deref(), Some("pts/0"));
    }

    #[test]
    fn the_own_process_is_found_with_its_command() {
        let own = i32::try_from(std::process::id()).unwrap();
        let found = processes(&[own], own, None);
        assert_eq!(found[0].pid, own);
        assert!(found[0].command.contains("engine"));
    }
}
