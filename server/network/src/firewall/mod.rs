//! The packet filter: one nftables table that bears the instance's name, and nothing outside it.
//!
//! The table is laid at start by the program `nft`, from a template; which
//! ports lead where are elements of its two maps, changed by netlink messages,
//! since a call of the program costs three milliseconds and a message well below one.

pub(crate) mod elements;
pub(crate) mod flows;
pub(crate) mod table;

pub use elements::FirewallError;
pub(crate) use elements::{Element, Firewall, Key};
