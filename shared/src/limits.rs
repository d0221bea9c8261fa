//! Resource limits, in responses and live updates.

use serde::{Deserialize, Deserializer, Serialize};

/// Resource limits. In responses: the limits in force; `null` means no limit. In requests: an
/// absent field is unchanged, `null` removes the limit.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// CPU limit in billionths of a CPU: 1,500,000,000 is one and a half CPUs.
    #[serde(deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schema(value_type = Option<u64>))]
    pub nano_cpus: Option<Option<u64>>,
    /// Relative CPU weight, 2 to 262144. Default: 1024.
    #[serde(deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schema(value_type = Option<u64>))]
    pub cpu_shares: Option<Option<u64>>,
    /// Allowed CPUs (`cpuset.cpus`), such as `0-3,6`.
    #[serde(deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schema(value_type = Option<String>))]
    pub cpus: Option<Option<String>>,
    #[serde(deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schema(value_type = Option<u64>))]
    pub memory_bytes: Option<Option<u64>>,
    /// Limit of memory and swap together.
    #[serde(deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schema(value_type = Option<u64>))]
    pub memory_and_swap_bytes: Option<Option<u64>>,
    #[serde(deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schema(value_type = Option<u64>))]
    pub memory_reservation_bytes: Option<Option<u64>>,
    #[serde(deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schema(value_type = Option<u64>))]
    pub pids: Option<Option<u64>>,
    /// Block I/O weight, 10 to 1000.
    #[serde(deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schema(value_type = Option<u16>))]
    pub io_weight: Option<Option<u16>>,
}

/// Distinguishes `null` (remove) from an absent field (unchanged).
pub fn given<'de, D, T>(deserializer: D) -> Result<Option<Option<T>>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    Option::<T>::deserialize(deserializer).map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn absent_stays_and_null_clears() {
        let limits: Limits = serde_json::from_str(r#"{"pids":null,"memory_bytes":1024}"#).expect("valid");
        assert_eq!(limits.pids, Some(None));
        assert_eq!(limits.memory_bytes, Some(Some(1024)));
        assert_eq!(limits.cpus, None);
        assert_eq!(
            serde_json::to_string(&limits).expect("valid"),
            r#"{"memory_bytes":1024,"pids":null}"#
        );
    }

    #[test]
    fn an_unknown_limit_is_refused() {
        assert!(serde_json::from_str::<Limits>(r#"{"memory":1}"#).is_err());
    }
}
