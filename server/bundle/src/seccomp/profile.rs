//! The format of a profile. Unknown properties are ignored, unknown values refused.

use oci_spec::runtime::{Arch, LinuxSeccompAction, LinuxSeccompArg, LinuxSeccompFilterFlag};
use serde::{Deserialize, Serialize};
use std::sync::LazyLock;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Profile {
    /// What happens to a call that no rule is about.
    pub default_action: LinuxSeccompAction,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default_errno_ret: Option<u32>,
    /// Which architectures to cover on a host of each architecture.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub arch_map: Vec<ArchMap>,
    /// In place of `arch_map`: these, on every host.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub architectures: Vec<Arch>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub flags: Vec<LinuxSeccompFilterFlag>,
    #[serde(default)]
    pub syscalls: Vec<Rule>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ArchMap {
    pub architecture: Arch,
    #[serde(default, deserialize_with = "null_is_empty")]
    pub sub_architectures: Vec<Arch>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Rule {
    #[serde(default)]
    pub names: Vec<String>,
    /// One name, as older profiles have it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub name: String,
    pub action: LinuxSeccompAction,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub errno_ret: Option<u32>,
    #[serde(default, deserialize_with = "null_is_empty", skip_serializing_if = "Vec::is_empty")]
    pub args: Vec<LinuxSeccompArg>,
    /// The rule holds only where all of it is met.
    #[serde(default)]
    pub includes: Condition,
    /// The rule does not hold where any of it is met.
    #[serde(default)]
    pub excludes: Condition,
}

#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Condition {
    /// `CAP_SYS_ADMIN`
    pub caps: Vec<String>,
    /// Names as of the language Go: `amd64`, `arm64`.
    pub arches: Vec<String>,
    /// This kernel or a newer one: `4.8`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub min_kernel: String,
}

#[derive(Debug, thiserror::Error)]
#[error("the seccomp profile is not in the format of container engines: {0}")]
pub struct InvalidProfile(#[from] serde_json::Error);

static DEFAULT: LazyLock<Profile> =
    LazyLock::new(|| serde_json::from_str(include_str!("default.json")).expect("a test reads the same file"));

impl Profile {
    /// The profile of a container that asks for none.
    pub fn standard() -> &'static Self {
        &DEFAULT
    }

    pub fn parse(json: &str) -> Result<Self, InvalidProfile> {
        Ok(serde_json::from_str(json)?)
    }
}

/// Profiles made by programs have `null` where a list is empty.
fn null_is_empty<'de, D: serde::Deserializer<'de>, T: Deserialize<'de>>(from: D) -> Result<Vec<T>, D::Error> {
    Ok(Option::deserialize(from)?.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_own_profile_is_in_the_format_and_denies_by_default() {
        let profile = Profile::standard();
        assert_eq!(profile.default_action, LinuxSeccompAction::ScmpActErrno);
        assert_eq!(profile.default_errno_ret, Some(1));
        let plain = &profile.syscalls[0];
        assert!((340..=390).contains(&plain.names.len()), "{}", plain.names.len());
    }

    #[test]
    fn profiles_made_by_programs_are_read() {
        let mapped = r#"{"defaultAction": "SCMP_ACT_ALLOW", "archMap": [{"architecture": "SCMP_ARCH_RISCV64", "subArchitectures": null}]}"#;
        assert!(Profile::parse(mapped).unwrap().arch_map[0].sub_architectures.is_empty());
        let json = r#"{"defaultAction": "SCMP_ACT_ALLOW", "architectures": ["SCMP_ARCH_X86_64"], "whatever": 1,
            "syscalls": [{"name": "mkdir", "action": "SCMP_ACT_ERRNO", "args": null, "comment": "", "includes": {}, "excludes": {}}]}"#;
        let profile = Profile::parse(json).unwrap();
        assert_eq!(profile.syscalls[0].name, "mkdir");
        assert!(Profile::parse(r#"{"defaultAction": "SCMP_ACT_MAYBE"}"#).is_err());
    }
}
