//! The report for people at a terminal.

use crate::report::{Need, Report, Verdict};
use std::fmt::Write as _;

impl Report {
    /// Groups with a line for each item; what is not there, with its use and its cure.
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
                let _ = writeln!(out, "           to mend it: {remedy}");
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
    use crate::report::{Asked, Group, Need, Report};

    #[test]
    fn what_is_missing_comes_with_its_use_and_its_cure() {
        let asked = |id, title, need| Asked {
            id,
            group: Group::Storage,
            title,
            need,
            purpose: "images",
        };
        let report = Report {
            kernel: "6.1".into(),
            items: vec![
                asked("a", "Disk", Need::Optional).ok("large"),
                asked("b", "Overlays", Need::Required).missing("not there", "run `modprobe overlay`"),
            ],
        };
        assert_eq!(
            report.text(),
            "Storage\n  ok       Disk: large\n  MISSING  Overlays: not there\n           required, for images\n           \
             to mend it: run `modprobe overlay`\n\nContainers cannot run on this host: Overlays.\n"
        );
    }
}
