//! What a container that runs a whole system has besides.
//! <https://systemd.io/CONTAINER_INTERFACE>

use serde_json::{Value, json};

/// Tells an init that it is in a container, and by which id a machine may call itself
/// that has none yet.
pub(crate) fn env(id: &str) -> Vec<String> {
    let mut env = vec!["container=gantry".to_owned()];
    if let (Some(digits), true) = (id.get(..32), id.is_ascii()) {
        let part = |from: usize, to: usize| &digits[from..to];
        env.push(format!(
            "container_uuid={}-{}-{}-{}-{}",
            part(0, 8),
            part(8, 12),
            part(12, 16),
            part(16, 20),
            part(20, 32)
        ));
    }
    env
}

/// Places that are empty at each boot, but for what the image has there.
pub(crate) fn mounts() -> Vec<Value> {
    let tmpfs = |target: &str, options: &[&str]| {
        let all: Vec<&str> = ["nosuid", "nodev", "tmpcopyup"]
            .iter()
            .chain(options)
            .copied()
            .collect();
        json!({ "destination": target, "type": "tmpfs", "source": "tmpfs", "options": all })
    };
    vec![
        tmpfs("/run", &["mode=755"]),
        tmpfs("/run/lock", &["noexec", "mode=1777", "size=5m"]),
        tmpfs("/tmp", &["mode=1777"]),
    ]
}
