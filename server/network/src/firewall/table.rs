//! The table's rules, laid at once or not at all.

use model::network::Subnet;
use std::io::{self, Write};
use std::process::{Command, Stdio};

#[derive(Debug, thiserror::Error)]
pub enum TableError {
    #[error("cannot run the program `nft`: {0}; install the package `nftables`")]
    Program(#[source] io::Error),
    #[error("`nft` refused the table `{table}`: {said}")]
    Refused { table: String, said: String },
}

/// Lays the rules of `table` anew and keeps the elements of its maps, so that
/// containers stay reachable while the server restarts.
pub(crate) fn lay(table: &str, bridge: &str, subnet: Subnet) -> Result<(), TableError> {
    match run(table, &rules(table, bridge, subnet)) {
        Err(TableError::Refused { said, .. }) => {
            // Maps of another version's form cannot be kept.
            tracing::warn!(table, said, "the nftables table is of another form; it is laid anew");
            let anew = format!(
                "add table ip {table}\ndelete table ip {table}\n{}",
                rules(table, bridge, subnet)
            );
            run(table, &anew)
        }
        other => other,
    }
}

/// Whether the host has a table of this name.
pub(crate) fn exists(table: &str) -> Result<bool, TableError> {
    let listed = Command::new("nft")
        .args(["list", "table", "ip", table])
        .stdin(Stdio::null())
        .output()
        .map_err(TableError::Program)?;
    Ok(listed.status.success())
}

/// Absence is success.
pub(crate) fn remove(table: &str) -> Result<(), TableError> {
    run(table, &format!("add table ip {table}\ndelete table ip {table}\n"))
}

fn run(table: &str, script: &str) -> Result<(), TableError> {
    let mut nft = Command::new("nft")
        .args(["-f", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(TableError::Program)?;
    if let Some(mut stdin) = nft.stdin.take() {
        stdin.write_all(script.as_bytes()).map_err(TableError::Program)?;
    }
    let output = nft.wait_with_output().map_err(TableError::Program)?;
    if output.status.success() {
        return Ok(());
    }
    Err(TableError::Refused {
        table: table.to_owned(),
        said: String::from_utf8_lossy(&output.stderr).trim().to_owned(),
    })
}

/// - `martians`: with `route_localnet` set on the bridge, a container could reach what the host
///   serves on its loopback device; such packets are dropped before anything looks at them.
/// - `publish`: a published port leads to its container, for packets that arrive
///   and for the host's own processes.
/// - `leaving`: containers leave with the host's address; so do packets of one container to
///   another by way of a published port, and the host's own from its
///   loopback addresses, or the answers would not come back this way.
/// - `forward`: a container is reached from outside by its published ports alone.
///   Accepting here overrules no other table.
fn rules(table: &str, bridge: &str, subnet: Subnet) -> String {
    format!(
        r#"add table ip {table}
flush table ip {table}
table ip {table} {{
	map addressed {{ type ipv4_addr . inet_proto . inet_service : ipv4_addr . inet_service; }}
	map anywhere {{ type inet_proto . inet_service : ipv4_addr . inet_service; }}
	chain martians {{
		type filter hook prerouting priority raw; policy accept;
		iifname "{bridge}" ip daddr 127.0.0.0/8 drop
		iifname "{bridge}" ip saddr 127.0.0.0/8 drop
	}}
	chain publish {{
		dnat ip to ip daddr . meta l4proto . th dport map @addressed
		fib daddr type local dnat ip to meta l4proto . th dport map @anywhere
	}}
	chain arriving {{
		type nat hook prerouting priority dstnat; policy accept;
		jump publish
	}}
	chain local {{
		type nat hook output priority -100; policy accept;
		jump publish
	}}
	chain leaving {{
		type nat hook postrouting priority srcnat; policy accept;
		ip saddr {subnet} oifname != "{bridge}" masquerade
		ip saddr {subnet} oifname "{bridge}" ct status dnat masquerade
		ip saddr 127.0.0.0/8 oifname "{bridge}" masquerade
	}}
	chain forward {{
		type filter hook forward priority filter; policy accept;
		oifname != "{bridge}" accept
		iifname "{bridge}" accept
		ct state established,related accept
		ct status dnat accept
		drop
	}}
}}
"#
    )
}
