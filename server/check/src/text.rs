//! The report for people at a terminal.

use crate::report::{Need, Report, Verdict};
use std::fmt::Write as _;

impl Report {
    /// One line per item, by group; items that are not ok also show their purpose and remedy.
    pub fn text(&self) -> String {
        let mut out = String::new();
        let mut group = None;
        for item in &self.items {
            if group != Some(item.group) {
                let gap = if group.is_some() { "\n" } else { "" };
                let _ = writeln!(out, "{gap}{}", item.group.title());
                group = Some(item.group);
            }
            let word = match (item.verdict, item.need) {
                (Verdict::Ok, _) => "ok",
                (Verdict::Missing, Need::Required) => "MISSING",
                (Verdict::Missing, Need::Optional) => "missing",
                (Verdict::Unknown, _) => "unknown",
            };
            let _ = writeln!(out, "  {word:<8} {}: {}", item.title, item.found);
            if item.verdict != Verdict::Ok {
                let need = match item.need {
                    Need::Required => "required",
                    Need::Optional => "optional",
                };
                let _ = writeln!(out, "           {need}, for {}", item.purpose);
            }
            if let Some(remedy) = &item.remedy {
                let _ = writeln!(out, "           remedy: {remedy}");
            }
        }
        let unmet: Vec<&str> = self.unmet().map(|item| item.title).collect();
        if unmet.is_empty() {
            out.push_str("\nContainers can run on this host.\n");
        } else {
            let _ = writeln!(out, "\nContainers cannot run on this host: {}.", unmet.join(", "));
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use crate::report::{Check, Group, Need, Report};

    #[test]
    fn missing_items_show_their_purpose_and_remedy() {
        let check = |id, title, need| Check {
            id,
            group: Group::Storage,
            title,
            need,
            purpose: "images",
        };
        let report = Report {
            kernel: "6.1".into(),
            items: vec![
                check("a", "Disk", Need::Optional).ok("large"),
                check("b", "Overlays", Need::Required).missing("not available", "run `modprobe overlay`"),
            ],
        };
        assert_eq!(
            report.text(),
            "Storage\n  ok       Disk: large\n  MISSING  Overlays: not available\n           required, for images\n           \
             remedy: run `modprobe overlay`\n\nContainers cannot run on this host: Overlays.\n"
        );
    }
}
