//! Limits that the groups above the container's must have room for.

use crate::bundle::Bundle;
use serde_json::json;
use std::path::Path;

#[test]
fn real_time_in_a_short_period_fits_into_longer_ones_above() {
    if !Path::new("/sys/fs/cgroup/cpu/cpu.rt_runtime_us").exists() {
        println!("skipped: this kernel has no real-time group scheduling on v1");
        return;
    }
    let Some(bundle) = Bundle::new("echo ran") else { return };
    for (runtime, period) in [(5_000, 100_000), (1_000, 10_000), (9_000, 1_000_000)] {
        bundle.edit(|config| {
            config["linux"]["resources"]["cpu"] = json!({"realtimeRuntime": runtime, "realtimePeriod": period});
        });
        bundle.run().expect("ran");
    }
}
