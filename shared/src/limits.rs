//! Ceilings, in answers and in live changes.

use serde::{Deserialize, Deserializer, Serialize};

/// In answers: what is in force, `null` meaning none. In a change: an absent
/// field stays, `null` takes the limit away.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Billionths of a processor: 1,500,000,000 is one and a half.
    #[serde(deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schema(value_type = Option<u64>))]
    pub nano_cpus: Option<Option<u64>>,
    /// Relative weight, 2 to 262144, 1024 being ordinary.
    #[serde(deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schema(value_type = Option<u64>))]
    pub cpu_shares: Option<Option<u64>>,
    /// Processors, as `0-3,6`.
    #[serde(deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schema(value_type = Option<String>))]
    pub cpus: Option<Option<String>>,
    #[serde(deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schema(value_type = Option<u64>))]
    pub memory_bytes: Option<Option<u64>>,
    /// Memory and swap together.
    #[serde(deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schema(value_type = Option<u64>))]
    pub memory_and_swap_bytes: Option<Option<u64>>,
    #[serde(deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schema(value_type = Option<u64>))]
    pub memory_reservation_bytes: Option<Option<u64>>,
    #[serde(deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schema(value_type = Option<u64>))]
    pub pids: Option<Option<u64>>,
    /// 10 to 1000.
    #[serde(deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schema(value_type = Option<u16>))]
    pub io_weight: Option<Option<u16>>,
}

/// Tells `null` (taken away) from absent (unchanged).
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
