//! Whether this host can run containers, and what it lacks: `gantry check`.
//!
//! Every part of the kernel that the engine uses is one [`Item`], with what it is for and
//! how to mend it. Parts are tried with the engine's own calls where that leaves nothing
//! behind, and otherwise read about. Nothing on the host is changed but for a directory where
//! the data would be, in which is tried what its file system can, and which goes at once.
#![forbid(unsafe_code)]

mod facts;
mod probes;
mod report;
mod text;

pub use report::{Group, Item, Need, Report, Verdict};

use facts::Facts;
use std::path::PathBuf;

#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Where the server would keep its data; `None` leaves out what depends on it.
    pub data_dir: Option<PathBuf>,
}

/// Looks at the host. Takes some tens of milliseconds, most of it for `nft`.
pub fn run(options: &Options) -> Report {
    let facts = Facts::collect();
    let mut items = Vec::new();
    items.extend(probes::kernel::items(&facts));
    items.extend(probes::cgroups::items(&facts));
    items.extend(probes::namespaces::items(&facts, options.data_dir.as_deref()));
    items.extend(probes::storage::items(&facts, options.data_dir.as_deref()));
    items.extend(probes::network::items(&facts));
    items.extend(probes::security::items(&facts));
    items.extend(probes::limits::items(&facts));
    items.extend(probes::rootless::items(&facts));
    Report {
        kernel: facts.release.clone(),
        items,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn this_host_is_described_in_full() {
        let report = run(&Options {
            data_dir: Some("/tmp".into()),
        });
        let ids: HashSet<_> = report.items.iter().map(|item| item.id).collect();
        assert_eq!(ids.len(), report.items.len(), "an id is used twice");
        assert!(report.items.len() >= 35);
        for item in &report.items {
            assert!(!item.purpose.is_empty() && !item.found.is_empty(), "{item:?}");
            assert_eq!(item.remedy.is_some(), item.verdict != Verdict::Ok, "{item:?}");
        }
        if !sys::user::is_root() {
            println!("skipped: needs root to tell whether containers can run");
            return;
        }
        let unusable: Vec<_> = report.unmet().collect();
        println!("{}", report.text());
        assert!(report.can_run_containers(), "{unusable:#?}");
    }
}
