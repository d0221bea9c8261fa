//! Groups that a container made inside its own, as places for further processes.

use crate::error::CgroupError;
use crate::group::{Entry, Group};
use std::fs::{File, OpenOptions};
use std::path::{Path, PathBuf};

/// A group below a container's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Below {
    /// Of the v1 hierarchies that it is in; every hierarchy without any.
    pub controllers: Vec<String>,
    /// Seen from the container's group.
    pub path: String,
}

impl Group {
    /// [`Self::entry`] for a process that is to be below the group, in the hierarchies that are
    /// named. In the others, and in those that lack a group that was not asked for by their
    /// controllers, it is in the group itself.
    ///
    /// # Errors
    /// When a controller has no hierarchy, and when no hierarchy has the group.
    pub fn entry_below(&self, below: &[Below]) -> Result<Entry, CgroupError> {
        for controller in below.iter().flat_map(|one| &one.controllers) {
            if !self.has_v1(controller) {
                return Err(CgroupError::UnknownController {
                    name: controller.clone(),
                });
            }
        }
        for one in below {
            let dirs = self.v1_dirs().chain(self.v2_dir().map(|dir| (&[][..], dir)));
            let mut wanted = dirs
                .filter(|(controllers, _)| one.controllers.is_empty() || is_of(one, controllers))
                .map(|(_, dir)| dir.join(&one.path));
            if let Some(first) = wanted.next()
                && !first.is_dir()
                && !wanted.any(|dir| dir.is_dir())
            {
                return Err(CgroupError::NoSuchGroup { dir: first });
            }
        }
        let v2 = match self.v2_dir() {
            Some(dir) => Some(open(&place(below, &[], dir), OpenOptions::new().read(true))?.into()),
            None => None,
        };
        let tasks = self.v1_dirs().map(|(controllers, dir)| {
            let file = place(below, controllers, dir).join("tasks");
            Ok(open(&file, OpenOptions::new().write(true))?.into())
        });
        Ok(Entry {
            v2,
            v1_tasks: tasks.collect::<Result<_, CgroupError>>()?,
        })
    }
}

fn is_of(below: &Below, controllers: &[String]) -> bool {
    below.controllers.iter().any(|name| controllers.contains(name))
}

/// Where the process is in a hierarchy whose group is `dir`.
fn place(below: &[Below], controllers: &[String], dir: PathBuf) -> PathBuf {
    let named = below.iter().find(|one| is_of(one, controllers));
    let any = || below.iter().find(|one| one.controllers.is_empty());
    match named.or_else(any).map(|one| dir.join(&one.path)) {
        Some(below) if below.is_dir() => below,
        _ => dir,
    }
}

fn open(path: &Path, options: &mut OpenOptions) -> Result<File, CgroupError> {
    options.open(path).map_err(|source| CgroupError::Open {
        dir: path.to_owned(),
        source,
    })
}
