//! A Dockerfile, from its text to what each needed stage would do.

use build::{AddSource, Arguments, Dockerfile, Inputs, Mistake, Planned, Platform, Settings, State, key, plan};
use std::collections::BTreeMap;

/// What one step may leave behind in the settings of its stage, many times over.
const MOST_BYTES: usize = 64 << 20;

pub(crate) fn run(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let file = match Dockerfile::parse(text) {
        Ok(file) => file,
        Err(mistake) => return judge(text, &mistake),
    };
    let given = [("VERSION", "1.2"), ("HTTP_PROXY", "http://proxy"), ("EMPTY", "")];
    let given = given.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let platform = Platform {
        os: "linux".to_owned(),
        architecture: "amd64".to_owned(),
        variant: String::new(),
    };
    let automatic = build::platform_arguments(&platform, &platform, "default");
    let arguments = Arguments::new(given.into(), automatic);
    let triggers = BTreeMap::from([(0, vec!["RUN echo $VERSION".to_owned(), "COPY . /srv/".to_owned()])]);
    for target in [None, Some("0"), Some("base")] {
        let inputs = Inputs {
            arguments: &arguments,
            target,
            triggers: &triggers,
        };
        match plan(&file, &inputs) {
            Ok((target, stages, _)) => {
                assert!(
                    stages.iter().any(|stage| stage.index == target),
                    "the target is planned"
                );
                for stage in &stages {
                    // Whoever is needed comes before, so that nobody waits for himself.
                    assert!(stage.needs.iter().all(|needed| *needed < stage.index));
                    if let Err(mistake) = carry_out(&file, &arguments, stage) {
                        judge(text, &mistake);
                    }
                }
            }
            Err(mistake) => judge(text, &mistake),
        }
    }
}

fn carry_out(file: &Dockerfile, arguments: &Arguments, stage: &Planned) -> Result<(), Mistake> {
    let mut state = State::new(Settings::default(), file.arguments(arguments)?, file.directives.escape);
    for step in &stage.steps {
        let outcome = state.apply(step)?;
        let ground = key::Ground {
            files: "",
            platform: "linux/amd64",
            epoch: None,
        };
        let _ = key::of_order(&outcome.order, ground, &[]);
        if let build::Order::Copy(copy) = &outcome.order {
            assert!(copy.destination.starts_with('/'));
            assert!(
                !copy.destination.split('/').any(|part| part == ".."),
                "{}",
                copy.destination
            );
            let _ = copy.sources.iter().map(|source| AddSource::parse(source)).count();
        }
        let settings = &state.settings;
        let held: usize = settings.env.iter().map(|(name, value)| name.len() + value.len()).sum();
        let labels: usize = settings
            .labels
            .iter()
            .map(|(name, value)| name.len() + value.len())
            .sum();
        assert!(
            held + labels + outcome.created_by.len() < MOST_BYTES,
            "it grew without bounds"
        );
    }
    Ok(())
}

/// What is wrong is said, with a line that is there.
fn judge(text: &str, mistake: &Mistake) {
    assert!(!mistake.message.is_empty());
    if let Some(line) = mistake.line {
        let lines = text.lines().count().max(1);
        assert!(
            line >= 1 && line as usize <= lines,
            "{mistake}: there are {lines} lines"
        );
    }
}
