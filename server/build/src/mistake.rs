use std::fmt;

/// What is wrong with a Dockerfile, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistake {
    /// Counted from 1; `None` is the file as a whole.
    pub line: Option<u32>,
    /// `COPY`; empty where no instruction is to blame.
    pub instruction: String,
    /// What, why, and what to do.
    pub message: String,
}

impl Mistake {
    pub fn of_file(message: impl Into<String>) -> Self {
        Self {
            line: None,
            instruction: String::new(),
            message: message.into(),
        }
    }

    pub fn at(line: u32, instruction: &str, message: impl Into<String>) -> Self {
        Self {
            line: Some(line),
            instruction: instruction.to_owned(),
            message: message.into(),
        }
    }

    /// With the file's name in front: `Dockerfile, line 3, COPY: …`.
    pub fn in_file(&self, file: &str) -> String {
        format!("{file}, {self}")
    }
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(line) = self.line {
            write!(f, "line {line}")?;
            if self.instruction.is_empty() {
                f.write_str(": ")?;
            } else {
                write!(f, ", {}: ", self.instruction)?;
            }
        }
        f.write_str(&self.message)
    }
}

impl std::error::Error for Mistake {}

/// Something that works and is perhaps not what was meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warning {
    pub line: u32,
    pub message: String,
}
