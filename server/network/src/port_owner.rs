//! Which program has a port of the host, for the error that says it is in use.
//! proc(5)

use model::network::Protocol;
use std::fs;
use std::path::Path;

/// A socket that listens, in `/proc/net/tcp`.
const LISTENING: &str = "0A";

/// The name and number of the process that has the port, as far as can be seen.
pub(crate) fn find(port: u16, protocol: Protocol) -> Option<(String, u32)> {
    let word = protocol.word();
    let tables = [word.to_owned(), format!("{word}6")];
    let inodes: Vec<String> = tables
        .iter()
        .filter_map(|table| fs::read_to_string(format!("/proc/thread-self/net/{table}")).ok())
        .flat_map(|table| inodes(&table, port, protocol))
        .collect();
    if inodes.is_empty() {
        return None;
    }
    fs::read_dir("/proc").ok()?.flatten().find_map(|entry| {
        let pid: u32 = entry.file_name().to_str()?.parse().ok()?;
        has_one_of(&entry.path(), &inodes).then(|| {
            let name = fs::read_to_string(entry.path().join("comm")).unwrap_or_default();
            (name.trim().to_owned(), pid)
        })
    })
}

/// The inodes of the sockets that a table has at a port.
fn inodes(table: &str, port: u16, protocol: Protocol) -> Vec<String> {
    let wanted = format!(":{port:04X}");
    table
        .lines()
        .skip(1)
        .filter_map(|line| {
            let columns: Vec<&str> = line.split_whitespace().collect();
            let [_, local, _, state, _, _, _, _, _, inode, ..] = columns[..] else {
                return None;
            };
            let serves = protocol == Protocol::Udp || state == LISTENING;
            (local.ends_with(&wanted) && serves && inode != "0").then(|| format!("socket:[{inode}]"))
        })
        .collect()
}

fn has_one_of(process: &Path, sockets: &[String]) -> bool {
    let Ok(descriptors) = fs::read_dir(process.join("fd")) else {
        return false;
    };
    descriptors.flatten().any(|descriptor| {
        fs::read_link(descriptor.path())
            .is_ok_and(|target| sockets.iter().any(|socket| target.as_os_str() == socket.as_str()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{Ipv4Addr, TcpListener};

    #[test]
    fn a_listener_is_found_by_its_port() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let port = listener.local_addr().expect("bound").port();
        let (_, pid) = find(port, Protocol::Tcp).expect("found");
        assert_eq!(pid, std::process::id());
    }
}
