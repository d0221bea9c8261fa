//! What was found.

use serde::Serialize;

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Release of the running kernel.
    pub kernel: String,
    /// In the order of their groups.
    pub items: Vec<Item>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Item {
    /// Stable, for programs: `cgroup-memory`.
    pub id: &'static str,
    pub group: Group,
    pub title: &'static str,
    pub need: Need,
    pub verdict: Verdict,
    /// What is there, or how the trial failed.
    pub found: String,
    pub purpose: &'static str,
    /// What to do; only where the verdict is not [`Verdict::Ok`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remedy: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Group {
    Kernel,
    Cgroups,
    Namespaces,
    Storage,
    Network,
    Security,
    Limits,
    /// Of a server of an ordinary user.
    Rootless,
}

impl Group {
    pub fn title(self) -> &'static str {
        match self {
            Self::Kernel => "Kernel",
            Self::Cgroups => "Control groups",
            Self::Namespaces => "Namespaces",
            Self::Storage => "Storage",
            Self::Network => "Network",
            Self::Security => "Security",
            Self::Limits => "Limits of the host",
            Self::Rootless => "A server of an ordinary user",
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Need {
    /// Without it no container runs.
    Required,
    /// Without it something a container may ask for is missing.
    Optional,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    Ok,
    Missing,
    /// It could not be found out, mostly for want of root.
    Unknown,
}

impl Report {
    /// Whether nothing that is required is missing. What could not be found out does not
    /// count against the host.
    pub fn can_run_containers(&self) -> bool {
        self.unmet().next().is_none()
    }

    /// Required and missing.
    pub fn unmet(&self) -> impl Iterator<Item = &Item> {
        self.items
            .iter()
            .filter(|item| item.need == Need::Required && item.verdict == Verdict::Missing)
    }

    /// For programs: the report, and `can_run_containers`.
    pub fn json(&self) -> String {
        #[derive(Serialize)]
        struct Whole<'a> {
            can_run_containers: bool,
            #[serde(flatten)]
            report: &'a Report,
        }
        let whole = Whole {
            can_run_containers: self.can_run_containers(),
            report: self,
        };
        serde_json::to_string_pretty(&whole).expect("a report is made of texts and lists")
    }
}

/// Begins an item; one of the verdicts ends it.
pub(crate) struct Asked {
    pub(crate) id: &'static str,
    pub(crate) group: Group,
    pub(crate) title: &'static str,
    pub(crate) need: Need,
    pub(crate) purpose: &'static str,
}

impl Asked {
    pub(crate) fn ok(self, found: impl Into<String>) -> Item {
        self.item(Verdict::Ok, found, None)
    }

    pub(crate) fn missing(self, found: impl Into<String>, remedy: impl Into<String>) -> Item {
        self.item(Verdict::Missing, found, Some(remedy.into()))
    }

    pub(crate) fn unknown(self, found: impl Into<String>, remedy: impl Into<String>) -> Item {
        self.item(Verdict::Unknown, found, Some(remedy.into()))
    }

    /// Ok where `met`, else missing.
    pub(crate) fn met(self, met: bool, found: impl Into<String>, remedy: impl Into<String>) -> Item {
        if met {
            self.ok(found)
        } else {
            self.missing(found, remedy)
        }
    }

    fn item(self, verdict: Verdict, found: impl Into<String>, remedy: Option<String>) -> Item {
        Item {
            id: self.id,
            group: self.group,
            title: self.title,
            need: self.need,
            verdict,
            found: found.into(),
            purpose: self.purpose,
            remedy,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(need: Need, verdict: Verdict) -> Item {
        Asked {
            id: "x",
            group: Group::Kernel,
            title: "X",
            need,
            purpose: "testing",
        }
        .item(verdict, "found", None)
    }

    fn runs(items: Vec<Item>) -> bool {
        let report = Report {
            kernel: "6.1".into(),
            items,
        };
        assert!(report.json().contains("\"can_run_containers\""));
        report.can_run_containers()
    }

    #[test]
    fn only_what_is_required_and_missing_keeps_containers_from_running() {
        assert!(runs(vec![item(Need::Required, Verdict::Ok)]));
        assert!(runs(vec![item(Need::Optional, Verdict::Missing)]));
        assert!(runs(vec![item(Need::Required, Verdict::Unknown)]));
        assert!(!runs(vec![item(Need::Required, Verdict::Missing)]));
    }
}
