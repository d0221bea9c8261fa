//! The report.

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
    /// The value found, or how the probe failed.
    pub found: String,
    pub purpose: &'static str,
    /// What to do; absent when the verdict is [`Verdict::Ok`].
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
    /// Requirements of a server run by an ordinary user.
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
            Self::Limits => "Host limits",
            Self::Rootless => "Rootless",
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Need {
    /// Without it no container runs.
    Required,
    /// Without it a feature is missing.
    Optional,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    Ok,
    Missing,
    /// Not determined, usually because root is required.
    Unknown,
}

impl Report {
    /// Whether no required item is missing. Unknown items do not count.
    pub fn can_run_containers(&self) -> bool {
        self.unmet().next().is_none()
    }

    /// Required and missing.
    pub fn unmet(&self) -> impl Iterator<Item = &Item> {
        self.items
            .iter()
            .filter(|item| item.need == Need::Required && item.verdict == Verdict::Missing)
    }

    /// The report and `can_run_containers` as JSON.
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
        serde_json::to_string_pretty(&whole).expect("a report serializes to JSON")
    }
}

/// One check; a verdict turns it into an [`Item`].
pub(crate) struct Check {
    pub(crate) id: &'static str,
    pub(crate) group: Group,
    pub(crate) title: &'static str,
    pub(crate) need: Need,
    pub(crate) purpose: &'static str,
}

impl Check {
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
        Check {
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
    fn only_missing_required_items_prevent_containers() {
        assert!(runs(vec![item(Need::Required, Verdict::Ok)]));
        assert!(runs(vec![item(Need::Optional, Verdict::Missing)]));
        assert!(runs(vec![item(Need::Required, Verdict::Unknown)]));
        assert!(!runs(vec![item(Need::Required, Verdict::Missing)]));
    }
}
