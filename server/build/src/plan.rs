//! Which stages are needed, and what each begins with.

use crate::dockerfile::{Dockerfile, MOST_STEPS};
use crate::instruction::{Instruction, Step, from_of};
use crate::mistake::{Mistake, Warning};
use crate::state::Arguments;
use std::collections::{BTreeMap, BTreeSet};

/// What a build is asked for.
#[derive(Debug, Clone)]
pub struct Inputs<'a> {
    pub arguments: &'a Arguments,
    /// A stage's name or number; `None` is the last.
    pub target: Option<&'a str>,
    /// The triggers of the images that stages begin with, as far as they are known;
    /// by the stage's place.
    pub triggers: &'a BTreeMap<usize, Vec<String>>,
}

/// What a stage begins with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Base {
    Scratch,
    Stage(usize),
    Image { name: String, platform: Option<String> },
}

/// Where files come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    Context,
    Stage(usize),
    Image(String),
}

/// A stage that is needed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Planned {
    /// Its place in the file.
    pub index: usize,
    pub base: Base,
    /// Triggers of what it begins with, then its own.
    pub steps: Vec<Step>,
    /// Other stages it takes from.
    pub needs: BTreeSet<usize>,
    /// Images it takes files from.
    pub images: BTreeSet<String>,
}

/// The stages that the target needs, in the order of the file; the target is the last
/// one that nobody else needs, and is told by its place.
///
/// # Errors
/// A target or stage that is not there, or a word that cannot be expanded.
pub fn plan(file: &Dockerfile, inputs: &Inputs<'_>) -> Result<(usize, Vec<Planned>, Vec<Warning>), Mistake> {
    let target = match inputs.target {
        None | Some("") => file.stages.len() - 1,
        Some(name) => file.find_stage(name).ok_or_else(|| {
            let names: Vec<String> = file.stages.iter().filter_map(|stage| stage.from.name.clone()).collect();
            Mistake::of_file(format!(
                "it has no stage `{name}` to build; its stages are {}",
                if names.is_empty() {
                    "not named".to_owned()
                } else {
                    names.join(", ")
                }
            ))
        })?,
    };
    let arguments = with_globals(file, inputs.arguments)?;
    let mut waiting = vec![target];
    let mut planned: BTreeMap<usize, Planned> = BTreeMap::new();
    // A stage's triggers are steps of every stage that begins with it.
    let mut left = MOST_STEPS;
    while let Some(index) = waiting.pop() {
        if planned.contains_key(&index) {
            continue;
        }
        let stage = plan_stage(file, &arguments, inputs.triggers, index, left)?;
        left -= stage.steps.len();
        if let Base::Stage(base) = stage.base {
            waiting.push(base);
        }
        waiting.extend(&stage.needs);
        planned.insert(index, stage);
    }
    Ok((
        target,
        planned.into_values().collect(),
        lost_arguments(file, inputs.arguments),
    ))
}

/// As they are before the first stage.
pub(crate) fn with_globals(file: &Dockerfile, arguments: &Arguments) -> Result<Arguments, Mistake> {
    let mut arguments = arguments.clone();
    for (line, argument) in &file.globals {
        arguments
            .declare_global(argument, file.directives.escape)
            .map_err(|message| Mistake::at(*line, "ARG", message))?;
    }
    Ok(arguments)
}

impl Dockerfile {
    /// Arguments at the beginning of a stage on an image.
    pub fn arguments(&self, given: &Arguments) -> Result<Arguments, Mistake> {
        with_globals(self, given)
    }
}

fn plan_stage(
    file: &Dockerfile,
    arguments: &Arguments,
    triggers: &BTreeMap<usize, Vec<String>>,
    index: usize,
    most_steps: usize,
) -> Result<Planned, Mistake> {
    let stage = &file.stages[index];
    let base = base_of(file, arguments, index)?;
    let texts: Vec<String> = match &base {
        Base::Stage(below) => own_triggers(&file.stages[*below].steps),
        _ => triggers.get(&index).cloned().unwrap_or_default(),
    };
    if texts.len() + stage.steps.len() > most_steps {
        return Err(Mistake::at(
            stage.line,
            "FROM",
            format!("with the triggers of what it begins with there are more than {MOST_STEPS} instructions"),
        ));
    }
    let mut steps = Vec::with_capacity(texts.len() + stage.steps.len());
    for text in texts {
        steps.push(crate::instruction::read_trigger(
            &text,
            file.directives.escape,
            stage.line,
        )?);
    }
    steps.extend(stage.steps.iter().cloned());
    let mut planned = Planned {
        index,
        base,
        needs: BTreeSet::new(),
        images: BTreeSet::new(),
        steps,
    };
    for step in &planned.steps {
        for name in names_in(step)? {
            match source_of(file, index, Some(&name))
                .map_err(|message| Mistake::at(step.first_line, step.keyword, message))?
            {
                Source::Context => {}
                Source::Stage(needed) => {
                    planned.needs.insert(needed);
                }
                Source::Image(name) => {
                    planned.images.insert(name);
                }
            }
        }
    }
    Ok(planned)
}

fn own_triggers(steps: &[Step]) -> Vec<String> {
    let texts = steps.iter().filter_map(|step| match &step.instruction {
        Instruction::OnBuild(text) => Some(text.clone()),
        _ => None,
    });
    texts.collect()
}

fn base_of(file: &Dockerfile, arguments: &Arguments, index: usize) -> Result<Base, Mistake> {
    let stage = &file.stages[index];
    let mistake = |message: String| Mistake::at(stage.line, "FROM", message);
    let word = |text: &str| arguments.global_word(text, file.directives.escape).map_err(mistake);
    let name = word(&stage.from.base)?;
    if name.is_empty() {
        return Err(mistake(format!(
            "`{}` is empty once its variables are known; give the argument a default before the first FROM, or a value",
            stage.from.base
        )));
    }
    let platform = stage.from.platform.as_deref().map(word).transpose()?;
    let platform = platform.filter(|platform| !platform.is_empty());
    if name == "scratch" {
        return Ok(Base::Scratch);
    }
    let lower = name.to_ascii_lowercase();
    let earlier = file.stages[..index]
        .iter()
        .position(|stage| stage.from.name.as_ref() == Some(&lower));
    Ok(match earlier {
        Some(earlier) => Base::Stage(earlier),
        None => Base::Image { name, platform },
    })
}

/// What `--from` in the stage at `index` means.
pub fn source_of(file: &Dockerfile, index: usize, from: Option<&str>) -> Result<Source, String> {
    let Some(name) = from else {
        return Ok(Source::Context);
    };
    let earlier = file.find_stage(name).filter(|found| *found < index);
    if let Some(earlier) = earlier {
        return Ok(Source::Stage(earlier));
    }
    if name.bytes().all(|b| b.is_ascii_digit()) {
        return Err(format!(
            "there is no stage {name} before this one; stages are counted from 0"
        ));
    }
    if let Some(later) = file.find_stage(name) {
        let line = file.stages[later].line;
        return Err(format!(
            "stage `{name}` begins later, in line {line}; move it before this one"
        ));
    }
    Ok(Source::Image(name.to_owned()))
}

fn names_in(step: &Step) -> Result<Vec<String>, Mistake> {
    match &step.instruction {
        Instruction::Copy(copy) => Ok(copy.from.iter().cloned().collect()),
        Instruction::Run(run) => {
            let names = run.mounts.iter().filter_map(|mount| from_of(mount).transpose());
            let names: Result<Vec<String>, _> = names.collect();
            names.map_err(|said| Mistake::at(step.first_line, step.keyword, said.0))
        }
        _ => Ok(Vec::new()),
    }
}

fn lost_arguments(file: &Dockerfile, arguments: &Arguments) -> Vec<Warning> {
    let mut names: Vec<&str> = file
        .globals
        .iter()
        .map(|(_, argument)| argument.name.as_str())
        .collect();
    for step in file.stages.iter().flat_map(|stage| &stage.steps) {
        if let Instruction::Arg(arguments) = &step.instruction {
            names.extend(arguments.iter().map(|argument| argument.name.as_str()));
        }
    }
    let lost = arguments.not_among(&names);
    lost.map(|name| Warning {
        line: 1,
        message: format!("the build argument `{name}` is used nowhere; declare it with `ARG {name}`"),
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn planned(text: &str, target: Option<&str>) -> Result<Vec<usize>, Mistake> {
        let file = Dockerfile::parse(text)?;
        let (arguments, triggers) = (Arguments::default(), BTreeMap::new());
        let inputs = Inputs {
            arguments: &arguments,
            target,
            triggers: &triggers,
        };
        Ok(plan(&file, &inputs)?.1.into_iter().map(|stage| stage.index).collect())
    }

    #[test]
    fn only_what_the_target_needs_is_planned() {
        let text = "FROM a AS one\nRUN x\nFROM b AS two\nRUN y\nFROM c AS three\nCOPY --from=one /x /x\nFROM scratch\nCOPY --from=2 / /";
        assert_eq!(planned(text, None).unwrap(), [0, 2, 3]);
        assert_eq!(planned(text, Some("TWO")).unwrap(), [1]);
        assert!(
            planned(text, Some("four"))
                .unwrap_err()
                .message
                .contains("one, two, three")
        );
        let mounted = "FROM a AS one\nFROM b\nRUN --mount=from=one,target=/x y";
        assert_eq!(planned(mounted, None).unwrap(), [0, 1]);
    }

    #[test]
    fn a_stage_that_comes_later_cannot_be_taken_from() {
        assert!(
            planned("FROM a\nCOPY --from=z / /\nFROM b AS z\nFROM a", Some("0"))
                .unwrap_err()
                .message
                .contains("line 3")
        );
        assert!(
            planned("FROM a\nCOPY --from=0 / /", None)
                .unwrap_err()
                .message
                .contains("no stage 0")
        );
    }

    #[test]
    fn triggers_come_first_and_bring_needs_of_their_own() {
        let text = "FROM x AS tools\nFROM scratch AS base\nONBUILD COPY --from=tools /a /b\nFROM base\nLABEL a=b";
        let file = Dockerfile::parse(text).unwrap();
        let (arguments, triggers) = (Arguments::default(), BTreeMap::new());
        let inputs = Inputs {
            arguments: &arguments,
            target: None,
            triggers: &triggers,
        };
        let (_, stages, _) = plan(&file, &inputs).unwrap();
        assert_eq!(stages.len(), 3);
        assert_eq!(stages[2].steps[0].keyword, "COPY");
        assert_eq!(stages[2].steps.len(), 2);
        let triggers = BTreeMap::from([(0, vec!["RUN <<E\nx\nE".to_owned()])]);
        let inputs = Inputs {
            arguments: &arguments,
            target: Some("tools"),
            triggers: &triggers,
        };
        assert_eq!(plan(&file, &inputs).unwrap().1[0].steps[0].keyword, "RUN");
    }

    #[test]
    fn triggers_that_multiply_are_refused() {
        let triggers = "ONBUILD LABEL a=b\n".repeat(200);
        let stages: Vec<String> = (0..60).map(|number| format!("FROM base AS s{number}\n")).collect();
        let needs: Vec<String> = (0..60).map(|number| format!("COPY --from=s{number} / /\n")).collect();
        let (stages, needs) = (stages.concat(), needs.concat());
        let text = format!("FROM x AS base\n{triggers}{stages}FROM y\n{needs}");
        let mistake = planned(&text, None).unwrap_err().to_string();
        assert!(mistake.contains("triggers") && mistake.contains("10000"), "{mistake}");
        let text = format!("FROM x\n{}", "LABEL a=b\n".repeat(10_000));
        assert!(planned(&text, None).unwrap_err().to_string().contains("line 10001"));
    }

    #[test]
    fn bases_are_expanded_with_what_was_declared_before() {
        let file = Dockerfile::parse("ARG V=1\nARG B=debian:$V\nFROM ${B} AS x\nFROM $NONE").unwrap();
        let arguments = with_globals(&file, &Arguments::default()).unwrap();
        let base = base_of(&file, &arguments, 0).unwrap();
        assert_eq!(
            base,
            Base::Image {
                name: "debian:1".to_owned(),
                platform: None
            }
        );
        assert!(base_of(&file, &arguments, 1).unwrap_err().message.contains("empty"));
    }
}
