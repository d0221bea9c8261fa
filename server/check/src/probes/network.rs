//! Bridge, veth pairs and the nftables table, probed in a separate network namespace.

use crate::facts::{self, Facts};
use crate::report::{Check, Group, Item, Need};
use network::{Probe, TableError};
use std::fmt::Display;
use std::path::Path;

const fn check(id: &'static str, title: &'static str, need: Need, purpose: &'static str) -> Check {
    Check {
        id,
        group: Group::Network,
        title,
        need,
        purpose,
    }
}

const BRIDGE: Check = check(
    "bridge",
    "Bridges",
    Need::Required,
    "the network that connects containers",
);
const VETH: Check = check(
    "veth",
    "Virtual Ethernet pairs (veth)",
    Need::Required,
    "connecting each container to the bridge",
);
const TABLE: Check = check(
    "nftables",
    "nftables with NAT",
    Need::Required,
    "published ports and outgoing connections of containers",
);

pub(crate) fn items(facts: &Facts) -> Vec<Item> {
    let mut items = vec![program()];
    items.extend(tried(facts));
    items.push(forwarding());
    items
}

fn program() -> Item {
    let found = std::env::var_os("PATH").and_then(|path| {
        std::env::split_paths(&path)
            .map(|dir| dir.join("nft"))
            .find(|file| file.is_file())
    });
    let item = check(
        "nft",
        "Program nft",
        Need::Required,
        "creating the nftables table when the server starts",
    );
    match found {
        Some(file) => item.ok(file.display().to_string()),
        None => item.missing(
            "not in PATH",
            "install the package `nftables`, for example `apt install nftables`",
        ),
    }
}

fn tried(facts: &Facts) -> Vec<Item> {
    if !facts.is_root {
        return [BRIDGE, VETH, TABLE]
            .into_iter()
            .map(|item| item.unknown("not tested: requires root", "check again as root"))
            .collect();
    }
    let Probe { bridge, cable, table } = match network::probe() {
        Ok(probe) => probe,
        Err(error) => {
            return [BRIDGE, VETH, TABLE]
                .into_iter()
                .map(|item| {
                    item.unknown(
                        format!("not tested: cannot create a network namespace: {error}"),
                        "see network namespaces",
                    )
                })
                .collect();
        }
    };
    vec![
        outcome(BRIDGE, bridge, "run `modprobe bridge`; the kernel needs CONFIG_BRIDGE"),
        match cable {
            Some(cable) => outcome(VETH, cable, "run `modprobe veth`; the kernel needs CONFIG_VETH"),
            None => VETH.unknown("not tested: there is no bridge to attach it to", "see bridges"),
        },
        match table {
            Err(TableError::Program(error)) => TABLE.unknown(
                format!("not tested: {error}"),
                "install the package `nftables` and check again",
            ),
            table => outcome(
                TABLE,
                table,
                "run `modprobe -a nf_tables nft_chain_nat nft_masq nft_fib_ipv4 nft_ct`; the kernel needs CONFIG_NF_TABLES, CONFIG_NFT_NAT, CONFIG_NFT_MASQ, CONFIG_NFT_FIB_IPV4 and CONFIG_NFT_CT",
            ),
        },
    ]
}

fn outcome(item: Check, outcome: Result<(), impl Display>, remedy: &str) -> Item {
    match outcome {
        Ok(()) => item.ok("works"),
        Err(error) => item.missing(error.to_string(), remedy),
    }
}

const FORWARD: &str = "/proc/sys/net/ipv4/ip_forward";

fn forwarding() -> Item {
    let item = check(
        "ip-forward",
        "IP forwarding (net.ipv4.ip_forward)",
        Need::Optional,
        "connections of containers beyond the host",
    );
    match facts::number(FORWARD) {
        Some(1) => item.ok("enabled"),
        Some(_) => item.missing(
            "disabled",
            "no action needed if the server may write it, since it enables it; otherwise run `sysctl net.ipv4.ip_forward=1`",
        ),
        None if Path::new(FORWARD).exists() => item.unknown("cannot be read", "check again as root"),
        None => item.missing("not available", "use a kernel with CONFIG_INET"),
    }
}
