//! Remote direct memory access. kernel, cgroup-v1/rdma.rst; cgroup-v2.rst, "RDMA"

use crate::change::Step;
use crate::control_file;
use crate::error::CgroupError;
use model::container::limits::Rdma;
use std::path::Path;

const MAX: &str = "rdma.max";

/// One line a device, naming only what is asked.
pub(crate) fn steps(asked: &[Rdma], dir: &Path) -> Result<Vec<Step>, CgroupError> {
    let held = control_file::read_if_there(&dir.join(MAX))?.unwrap_or_default();
    let step = |one: &Rdma| {
        let parts = [("hca_handle", one.handles), ("hca_object", one.objects)];
        let parts: String = parts
            .into_iter()
            .filter_map(|(name, amount)| Some(format!(" {name}={}", amount?)))
            .collect();
        let former = held
            .lines()
            .find(|line| line.split(' ').next() == Some(one.device.as_str()))
            .map_or_else(
                || format!("{} hca_handle=max hca_object=max", one.device),
                str::to_owned,
            );
        Step::new(MAX, format!("{}{parts}", one.device), "a limit on RDMA").undone_by(former)
    };
    Ok(asked.iter().map(step).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_has_one_line_and_gets_its_former_one_back() {
        let dir = tempfile::tempdir().unwrap();
        let former = "mlx5_0 hca_handle=2 hca_object=max";
        std::fs::write(
            dir.path().join(MAX),
            format!("mlx5_1 hca_handle=max hca_object=max\n{former}\n"),
        )
        .unwrap();
        let asked = [Rdma {
            device: "mlx5_0".into(),
            handles: Some(3),
            objects: None,
        }];
        let expected = Step::new(MAX, "mlx5_0 hca_handle=3", "a limit on RDMA").undone_by(former);
        assert_eq!(steps(&asked, dir.path()).unwrap(), [expected]);
    }
}
