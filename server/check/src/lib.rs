//! Checks whether this host can run containers: `gantry check`.
//!
//! Each kernel feature that the engine uses is one [`Item`] with its purpose and remedy.
//! Features are probed with the engine's own calls where that has no lasting effect, otherwise
//! by reading `/proc` and `/sys`. The host is not changed, except for a temporary directory
//! at the data directory, which is used to probe the file system and removed at once.
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
    /// The data directory of the server; `None` skips the probes that need it.
    pub data_dir: Option<PathBuf>,
}

/// Probes the host. Takes some tens of milliseconds, most of it for `nft`.
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
    fn every_item_of_this_host_has_purpose_and_finding() {
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
            println!("skipped: needs root to determine whether containers can run");
            return;
        }
        let unusable: Vec<_> = report.unmet().collect();
        println!("{}", report.text());
        assert!(report.can_run_containers(), "{unusable:#?}");
    }
}
