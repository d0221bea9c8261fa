//! The bundle the shim reads, and the process an exec runs.

use crate::containers::{devices, etc};
use crate::error::{Doing, EngineError};
use crate::exec::ExecSpec;
use crate::layout::{ContainerDirs, write_whole};
use crate::volumes::VolumePath;
use bundle::{ExecProcess, Input};
use model::container::{ContainerId, Spec};
use std::fs;
use std::path::Path;

/// Writes `config.json`.
pub(crate) fn write(
    dirs: &ContainerDirs,
    id: &ContainerId,
    spec: &Spec,
    volumes: &[VolumePath],
    cgroup_path: &str,
    users: Option<bundle::Users>,
) -> Result<(), EngineError> {
    let is_rootless = !sys::user_namespace::is_initial();
    let devices = spec
        .devices
        .iter()
        .map(|device| devices::find(&device.host_path).doing(|| format!("find the device `{}`", device.host_path)));
    let input = Input {
        id: id.as_str().to_owned(),
        hostname: etc::hostname(id, spec),
        etc_dir: dirs.etc(),
        rootfs: dirs.rootfs(),
        cgroup_path: cgroup_path.to_owned(),
        volume_dirs: volumes
            .iter()
            .map(|volume| (volume.name.clone(), volume.path.clone()))
            .collect(),
        devices: devices.collect::<Result<_, _>>()?,
        host_devices: if spec.security.privileged && !is_rootless {
            devices::all_below(Path::new("/dev"))
        } else {
            Vec::new()
        },
        users,
        binds_devices: users.is_some() || is_rootless,
        masked_besides: sys::host::thermal_records(),
        has_time_namespaces: sys::namespace::may_have_time(),
        seccomp: bundle::seccomp::for_container(&spec.security, &sys::host::name().release)
            .doing(|| format!("choose the system calls of container `{}`", spec.name))?,
    };
    let config = bundle::from_spec(spec, &input).doing(|| format!("describe container `{}` as a bundle", spec.name))?;
    let path = dirs.config();
    let json = serde_json::to_vec(&config).doing(|| format!("write `{}`", path.display()))?;
    write_whole(&path, &json).doing(|| format!("write `{}`", path.display()))
}

/// The OCI `process` of an exec.
pub(crate) fn exec_process(dirs: &ContainerDirs, exec: &ExecSpec) -> Result<serde_json::Value, EngineError> {
    let path = dirs.config();
    let json = fs::read(&path).doing(|| format!("read `{}`", path.display()))?;
    let config = serde_json::from_slice(&json).doing(|| format!("read `{}`", path.display()))?;
    let asked = ExecProcess {
        command: &exec.command,
        env: &exec.env,
        working_dir: exec.working_dir.as_deref(),
        user: exec.user.as_deref(),
        terminal: exec.terminal,
        privileged: exec.privileged,
    };
    bundle::exec_process(&config, &asked).doing(|| "describe an exec".to_owned())
}
