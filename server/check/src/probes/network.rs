//! Bridge, cables and the firewall's table, tried out in a namespace of their own.

use crate::facts::{self, Facts};
use crate::report::{Asked, Group, Item, Need};
use network::{Probe, TableError};
use std::fmt::Display;
use std::path::Path;

const fn asked(id: &'static str, title: &'static str, need: Need, purpose: &'static str) -> Asked {
    Asked {
        id,
        group: Group::Network,
        title,
        need,
        purpose,
    }
}

const BRIDGE: Asked = asked("bridge", "Bridges", Need::Required, "the network that containers share");
const VETH: Asked = asked(
    "veth",
    "Virtual cables (veth)",
    Need::Required,
    "connecting each container with the bridge",
);
const TABLE: Asked = asked(
    "nftables",
    "nftables with address translation",
    Need::Required,
    "published ports, and reaching the outside from containers",
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
    let question = asked(
        "nft",
        "The program nft",
        Need::Required,
        "laying the firewall's table when the server starts",
    );
    match found {
        Some(file) => question.ok(file.display().to_string()),
        None => question.missing(
            "not in PATH",
            "install the package `nftables`, as in `apt install nftables`",
        ),
    }
}

fn tried(facts: &Facts) -> Vec<Item> {
    if !facts.is_root {
        return [BRIDGE, VETH, TABLE]
            .into_iter()
            .map(|question| question.unknown("not tried: needs root", "check again as root"))
            .collect();
    }
    let Probe { bridge, cable, table } = match network::probe() {
        Ok(probe) => probe,
        Err(error) => {
            return [BRIDGE, VETH, TABLE]
                .into_iter()
                .map(|question| {
                    question.unknown(
                        format!("no network namespace to try it in: {error}"),
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
            None => VETH.unknown("not tried: there is no bridge to plug it in", "see bridges"),
        },
        match table {
            Err(TableError::Program(error)) => TABLE.unknown(
                format!("not tried: {error}"),
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

fn outcome(question: Asked, outcome: Result<(), impl Display>, remedy: &str) -> Item {
    match outcome {
        Ok(()) => question.ok("works"),
        Err(error) => question.missing(error.to_string(), remedy),
    }
}

const FORWARD: &str = "/proc/sys/net/ipv4/ip_forward";

fn forwarding() -> Item {
    let question = asked(
        "ip-forward",
        "Forwarding of packets (net.ipv4.ip_forward)",
        Need::Optional,
        "containers that reach others than the host",
    );
    match facts::number(FORWARD) {
        Some(1) => question.ok("on"),
        Some(_) => question.missing(
            "off",
            "nothing to do where the server may write it: it turns it on; else run `sysctl net.ipv4.ip_forward=1`",
        ),
        None if Path::new(FORWARD).exists() => question.unknown("cannot be read", "check again as root"),
        None => question.missing("not there", "use a kernel with CONFIG_INET"),
    }
}
