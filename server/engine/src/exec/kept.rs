//! What a shim keeps of an exec for a server that returns without memory. Form only:
//! an exec is not shown to anybody by it before it is read back.

use super::{Exec, ExecId, ExecSpec, ExecState};
use model::container::ContainerId;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Without its environment, which nobody is shown and may hold secrets.
#[derive(Default, Serialize, Deserialize)]
#[serde(default)]
struct Form {
    command: Vec<String>,
    working_dir: Option<String>,
    user: Option<String>,
    terminal: bool,
    stdin: bool,
    stdout: bool,
    stderr: bool,
    privileged: bool,
    detach_keys: Option<String>,
    probe: bool,
}

pub(super) fn write(exec: &Exec) -> Value {
    let spec = exec.spec.clone();
    let form = Form {
        command: spec.command,
        working_dir: spec.working_dir,
        user: spec.user,
        terminal: spec.terminal,
        stdin: spec.stdin,
        stdout: spec.stdout,
        stderr: spec.stderr,
        privileged: spec.privileged,
        detach_keys: spec.detach_keys,
        probe: exec.is_probe,
    };
    serde_json::to_value(form).expect("strings and truths are JSON")
}

impl Exec {
    /// An exec that an earlier server began, by what its shim tells of it. Of one
    /// whose server gave nothing to keep only the state is known.
    pub(crate) fn adopted(id: ExecId, container: ContainerId, state: ExecState, kept: Option<Value>) -> Self {
        let form: Form = kept
            .and_then(|kept| serde_json::from_value(kept).ok())
            .unwrap_or_default();
        Self {
            id,
            container,
            spec: ExecSpec {
                command: form.command,
                env: Vec::new(),
                working_dir: form.working_dir,
                user: form.user,
                terminal: form.terminal,
                stdin: form.stdin,
                stdout: form.stdout,
                stderr: form.stderr,
                privileged: form.privileged,
                detach_keys: form.detach_keys,
            },
            state,
            is_probe: form.probe,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_exec_is_the_same_after_a_server_returned() {
        let exec = Exec {
            id: ExecId::random(),
            container: ContainerId::from_random([7; 32]),
            spec: ExecSpec {
                command: vec!["sh".to_owned(), "-c".to_owned()],
                user: Some("web".to_owned()),
                terminal: true,
                stdout: true,
                detach_keys: Some("ctrl-a".to_owned()),
                ..ExecSpec::default()
            },
            state: ExecState::Starting,
            is_probe: true,
        };
        let kept = Some(write(&exec));
        let again = Exec::adopted(exec.id.clone(), exec.container.clone(), exec.state.clone(), kept);
        assert_eq!(again, exec);
        let unknown = Exec::adopted(exec.id, exec.container, exec.state, Some(Value::from(7)));
        assert_eq!((unknown.spec, unknown.is_probe), (ExecSpec::default(), false));
    }
}
