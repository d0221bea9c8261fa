use crate::instruction::{Argument, From, Instruction, Step, parse};
use crate::mistake::{Mistake, Warning};
use crate::source::{self, Directives};

/// More stages than anybody writes.
const MOST_STAGES: usize = 1000;
/// Of all stages together, triggers included: each step is a change of the settings.
pub(crate) const MOST_STEPS: usize = 10_000;

/// A file that can be built, as far as it can be judged before anything is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dockerfile {
    pub directives: Directives,
    /// `ARG` before the first `FROM`, each with its line.
    pub globals: Vec<(u32, Argument)>,
    pub stages: Vec<Stage>,
    pub warnings: Vec<Warning>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stage {
    pub from: From,
    /// Of its `FROM`.
    pub line: u32,
    pub text: String,
    /// Without its `FROM`.
    pub steps: Vec<Step>,
}

impl Dockerfile {
    /// # Errors
    /// The first mistake, with its line and what to do.
    pub fn parse(text: &str) -> Result<Self, Mistake> {
        let source = source::read(text)?;
        let mut file = Self {
            directives: source.directives,
            globals: Vec::new(),
            stages: Vec::new(),
            warnings: source.warnings,
        };
        if let Some(statement) = source.statements.get(MOST_STEPS) {
            return Err(Mistake::at(
                statement.first_line,
                "",
                format!("{MOST_STEPS} instructions are the most"),
            ));
        }
        for statement in &source.statements {
            let step = parse(statement, file.directives.escape)?;
            match (step.instruction, file.stages.last_mut()) {
                (Instruction::From(from), _) => file.begin(from, step.first_line, step.text)?,
                (Instruction::Arg(arguments), None) => {
                    let line = step.first_line;
                    file.globals
                        .extend(arguments.into_iter().map(|argument| (line, argument)));
                }
                (_, None) => {
                    return Err(Mistake::at(
                        step.first_line,
                        step.keyword,
                        "it stands before the first FROM, where only ARG may stand; begin with `FROM image`",
                    ));
                }
                (instruction, Some(stage)) => {
                    if let Instruction::Maintainer(_) = instruction {
                        file.warnings.push(Warning {
                            line: step.first_line,
                            message: "MAINTAINER is out of use; write `LABEL org.opencontainers.image.authors=…`"
                                .to_owned(),
                        });
                    }
                    stage.steps.push(Step { instruction, ..step });
                }
            }
        }
        if file.stages.is_empty() {
            return Err(Mistake::of_file(if source.statements.is_empty() {
                "it is empty; begin with `FROM image`"
            } else {
                "it has no FROM; begin with `FROM image`"
            }));
        }
        file.warn_of_lost_commands();
        Ok(file)
    }

    fn begin(&mut self, from: From, line: u32, text: String) -> Result<(), Mistake> {
        if let Some(name) = &from.name
            && let Some(other) = self.stages.iter().find(|stage| stage.from.name.as_ref() == Some(name))
        {
            return Err(Mistake::at(
                line,
                "FROM",
                format!(
                    "a stage `{name}` is in line {} already; choose another name",
                    other.line
                ),
            ));
        }
        if self.stages.len() >= MOST_STAGES {
            return Err(Mistake::at(line, "FROM", format!("{MOST_STAGES} stages are the most")));
        }
        self.stages.push(Stage {
            from,
            line,
            text,
            steps: Vec::new(),
        });
        Ok(())
    }

    /// Only the last of these counts in a stage.
    fn warn_of_lost_commands(&mut self) {
        for stage in &self.stages {
            for keyword in ["CMD", "ENTRYPOINT", "HEALTHCHECK"] {
                let lines: Vec<u32> = stage
                    .steps
                    .iter()
                    .filter(|step| step.keyword == keyword)
                    .map(|step| step.first_line)
                    .collect();
                if let [lost @ .., last] = &lines[..] {
                    self.warnings.extend(lost.iter().map(|line| Warning {
                        line: *line,
                        message: format!("this {keyword} means nothing: the one in line {last} takes its place"),
                    }));
                }
            }
        }
        self.warnings.sort_by_key(|warning| warning.line);
    }

    /// The stage that `name` means: its name, or its number from 0.
    pub fn find_stage(&self, name: &str) -> Option<usize> {
        let lower = name.to_ascii_lowercase();
        self.stages
            .iter()
            .position(|stage| stage.from.name.as_ref() == Some(&lower))
            .or_else(|| name.parse().ok().filter(|number| *number < self.stages.len()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(text: &str) -> String {
        Dockerfile::parse(text).unwrap_err().in_file("Dockerfile")
    }

    #[test]
    fn mistakes_name_line_and_instruction_and_what_to_do() {
        for (text, wanted) in [
            ("", "Dockerfile, it is empty"),
            ("ARG A=1\n", "it has no FROM"),
            ("RUN x\n", "line 1, RUN: it stands before the first FROM"),
            (
                "FROM a\n\nRUM x",
                "line 3, RUM: there is no instruction `RUM`; is `RUN` meant?",
            ),
            ("FROM a\nCOPY x", "line 2, COPY: `x` names no destination"),
            ("FROM a\nCOPY a b c", "ends with `/`: `c/`"),
            ("FROM a\nCOPY --from=$x a b", "takes no variables"),
            (
                "FROM a\nCOPY --chwon=1 a b",
                "there is no flag `--chwon`; it takes `--from`",
            ),
            ("FROM a\nRUN --security=insecure x", "is refused"),
            ("FROM a\nRUN --mount=type=what,target=/x y", "no mount of type `what`"),
            ("FROM a as b c", "cannot be read"),
            ("FROM a AS 1x", "no name for a stage"),
            ("FROM a AS x\nFROM b AS X", "is in line 1 already"),
            ("FROM a\nENV x", "has no value"),
            ("FROM a\nENV a=1 b", "is no `NAME=value`"),
            ("FROM a\nSHELL /bin/sh", "is no list"),
            ("FROM a\nONBUILD FROM b", "FROM cannot be put off"),
            ("FROM a\nONBUILD ONBUILD RUN b", "ONBUILD cannot be put off"),
            ("FROM a\nCMD [\"a\", 1]", "no string"),
            ("FROM a\nHEALTHCHECK --interval=soon CMD x", "a time such as"),
            ("FROM a\nHEALTHCHECK WHAT", "neither NONE nor CMD"),
            ("FROM a\nENV --x=1 a=b", "it takes no flags"),
            ("FROM a\nWORKDIR", "it says nothing"),
            ("FROM a\nSTOPSIGNAL a b", "takes one word"),
        ] {
            let error = error(text);
            assert!(error.contains(wanted), "{text:?}: {error}");
        }
    }

    #[test]
    fn stages_are_found_by_name_and_number() {
        let file = Dockerfile::parse("ARG V=1\nFROM a:$V AS Base\nRUN x\nFROM base\nCMD [\"y\"]\nCMD z").unwrap();
        assert_eq!(file.globals[0].1.name, "V");
        assert_eq!(file.find_stage("BASE"), Some(0));
        assert_eq!(file.find_stage("1"), Some(1));
        assert_eq!(file.find_stage("2"), None);
        assert_eq!(file.stages[0].steps[0].text, "RUN x");
        assert!(file.warnings[0].message.contains("line 6"));
    }
}
