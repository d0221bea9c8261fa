//! The process of an exec: the container's own with what is asked put over it.

use crate::{ALL_CAPABILITIES, BundleError};
use serde_json::{Value, json};

/// What an exec asks for; `None` and empty take the container's.
#[derive(Debug, Clone, Default)]
pub struct ExecProcess<'a> {
    pub command: &'a [String],
    pub env: &'a [String],
    pub working_dir: Option<&'a str>,
    pub user: Option<&'a str>,
    pub terminal: bool,
    pub privileged: bool,
}

/// The OCI `process` to run, from the container's `config.json`.
pub fn exec_process(config: &Value, exec: &ExecProcess<'_>) -> Result<Value, BundleError> {
    let mut process = config.get("process").cloned().ok_or(BundleError::NoProcess)?;
    process["args"] = json!(exec.command);
    process["terminal"] = exec.terminal.into();
    if let Some(fields) = process.as_object_mut() {
        fields.remove("consoleSize");
    }
    if let Some(dir) = exec.working_dir.filter(|dir| !dir.is_empty()) {
        process["cwd"] = dir.into();
    }
    if let Some(user) = exec.user.filter(|user| !user.is_empty()) {
        process["user"] = json!({ "uid": 0, "gid": 0, "username": user });
    }
    let mut env: Vec<Value> = process["env"].as_array().cloned().unwrap_or_default();
    if exec.terminal
        && !env
            .iter()
            .any(|entry| entry.as_str().is_some_and(|text| text.starts_with("TERM=")))
    {
        env.push("TERM=xterm".into());
    }
    env.extend(exec.env.iter().map(|entry| Value::from(entry.clone())));
    process["env"] = env.into();
    if exec.privileged {
        let all: Vec<String> = ALL_CAPABILITIES.iter().map(|name| format!("CAP_{name}")).collect();
        for set in ["bounding", "effective", "permitted"] {
            process["capabilities"][set] = json!(all);
        }
        process["noNewPrivileges"] = false.into();
    }
    Ok(process)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_exec_has_the_containers_surroundings_and_its_own_command() {
        let config = json!({"process": {
            "terminal": true, "args": ["web"], "env": ["A=1"], "cwd": "/srv", "user": {"uid": 0, "gid": 0, "username": "web"},
            "consoleSize": {"width": 1, "height": 1}, "capabilities": {"bounding": ["CAP_KILL"]},
        }});
        let command = ["sh".to_owned()];
        let exec = ExecProcess {
            command: &command,
            env: &["B=2".to_owned()],
            user: Some("root"),
            ..ExecProcess::default()
        };
        let process = exec_process(&config, &exec).unwrap();
        assert_eq!(process["args"], json!(["sh"]));
        assert_eq!(process["env"], json!(["A=1", "B=2"]));
        assert_eq!(process["cwd"], "/srv");
        assert_eq!(process["user"]["username"], "root");
        assert_eq!(process["terminal"], false);
        assert!(process.get("consoleSize").is_none());
        assert_eq!(process["capabilities"]["bounding"], json!(["CAP_KILL"]));
    }
}
