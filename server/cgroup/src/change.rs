//! Writing several control files as one change: in order, and undone when one fails.

use crate::control_file;
use crate::error::CgroupError;
use std::path::{Path, PathBuf};

/// One write, decided beforehand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Step {
    pub(crate) file: String,
    pub(crate) value: String,
    pub(crate) undo: Undo,
    pub(crate) if_missing: IfMissing,
}

/// How the value from before comes back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Undo {
    /// By writing what the file held.
    Former,
    /// The file is read in another form than it is written.
    Value(String),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum IfMissing {
    Skip,
    /// The setting that cannot be had, for the message.
    Fail(&'static str),
}

impl Step {
    pub(crate) fn new(file: impl Into<String>, value: impl Into<String>, setting: &'static str) -> Self {
        Self {
            file: file.into(),
            value: value.into(),
            undo: Undo::Former,
            if_missing: IfMissing::Fail(setting),
        }
    }

    pub(crate) fn undone_by(self, value: impl Into<String>) -> Self {
        Self {
            undo: Undo::Value(value.into()),
            ..self
        }
    }

    pub(crate) fn skipped_if_missing(self) -> Self {
        Self {
            if_missing: IfMissing::Skip,
            ..self
        }
    }
}

/// What was written so far, newest last.
#[derive(Debug, Default)]
pub(crate) struct Change {
    done: Vec<(PathBuf, String)>,
}

impl Change {
    /// Writes `steps` below `dir`, remembering what each replaced.
    pub(crate) fn write(&mut self, dir: &Path, steps: &[Step]) -> Result<(), CgroupError> {
        for step in steps {
            let file = dir.join(&step.file);
            let Some(former) = control_file::read_if_there(&file)? else {
                match step.if_missing {
                    IfMissing::Skip => continue,
                    IfMissing::Fail(setting) => return Err(CgroupError::NoFile { file, setting }),
                }
            };
            let former = match &step.undo {
                Undo::Former => former.trim_end().to_owned(),
                Undo::Value(value) => value.clone(),
            };
            control_file::write(&file, &step.value)?;
            self.done.push((file, former));
        }
        Ok(())
    }

    /// Puts everything back, last first. What cannot be put back is left: the error that
    /// led here is the one to tell.
    pub(crate) fn undo(self) {
        for (file, former) in self.done.iter().rev() {
            let _ = control_file::write_raw(file, former);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn a_failed_write_leaves_the_files_as_they_were() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("a"), "1\n").unwrap();
        fs::write(dir.path().join("b"), "x 2\n").unwrap();
        let steps = [
            Step::new("a", "10", "a test"),
            Step::new("b", "20", "a test").undone_by("2"),
            Step::new("not-there", "30", "a test"),
        ];
        let mut change = Change::default();
        let error = change.write(dir.path(), &steps).unwrap_err();
        assert!(error.to_string().contains("not-there"), "{error}");
        assert_eq!(fs::read_to_string(dir.path().join("a")).unwrap(), "10");
        change.undo();
        assert_eq!(fs::read_to_string(dir.path().join("a")).unwrap(), "1");
        assert_eq!(fs::read_to_string(dir.path().join("b")).unwrap(), "2");
    }
}
