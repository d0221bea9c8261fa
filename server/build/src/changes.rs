//! Instructions that change an image's configuration and none of its files, as
//! `docker commit --change` and `docker import --change` take them.

use crate::instruction::parse;
use crate::mistake::Mistake;
use crate::settings::Settings;
use crate::source;
use crate::state::{Arguments, State};

/// As Docker has them.
const KEYWORDS: [&str; 11] = [
    "CMD",
    "ENTRYPOINT",
    "ENV",
    "EXPOSE",
    "HEALTHCHECK",
    "LABEL",
    "ONBUILD",
    "STOPSIGNAL",
    "USER",
    "VOLUME",
    "WORKDIR",
];

/// Applies the changes in order; variables are those of the settings.
///
/// # Errors
/// A change that cannot be read, that is empty, or whose instruction changes files.
pub fn apply_changes(settings: Settings, changes: &[String]) -> Result<Settings, Mistake> {
    let mut state: Option<State> = None;
    let mut settings = Some(settings);
    for change in changes {
        let source = source::read(change)?;
        if source.statements.is_empty() {
            return Err(Mistake::of_file(format!("the change `{change}` is empty")));
        }
        let escape = source.directives.escape;
        let state = state.get_or_insert_with(|| {
            let settings = settings.take().unwrap_or_default();
            State::new(settings, Arguments::default(), escape)
        });
        for statement in &source.statements {
            let step = parse(statement, escape)?;
            if !KEYWORDS.contains(&step.keyword) {
                return Err(Mistake::of_file(format!(
                    "`{}` is not a change of an image's configuration; use one of {}",
                    step.text,
                    KEYWORDS.join(", ")
                )));
            }
            state.apply(&step)?;
        }
    }
    Ok(match (state, settings) {
        (Some(state), _) => state.settings,
        (None, settings) => settings.unwrap_or_default(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::container::health::Probe;
    use std::time::Duration;

    fn applied(changes: &[&str]) -> Result<Settings, Mistake> {
        let before = Settings {
            env: vec![("A".to_owned(), "1".to_owned())],
            command: Some(vec!["before".to_owned()]),
            on_build: vec!["RUN before".to_owned()],
            ..Settings::default()
        };
        let changes: Vec<String> = changes.iter().map(|change| (*change).to_owned()).collect();
        apply_changes(before, &changes)
    }

    #[test]
    fn changes_are_read_as_in_a_dockerfile() {
        let settings = applied(&[
            "CMD [\"sh\"]",
            "ENV B=1 C='x y'",
            "env D 2 and more",
            "ENV A=3",
            "EXPOSE 80 53/udp",
            "LABEL x=\"y z\"",
            "VOLUME [\"/data\"]",
            "WORKDIR /srv",
            "WORKDIR app",
            "ONBUILD RUN make",
            "ENTRYPOINT run it",
            "USER nobody",
            "STOPSIGNAL INT",
        ])
        .unwrap();
        assert_eq!(settings.command.unwrap(), ["sh"]);
        let env: Vec<String> = settings
            .env
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        assert_eq!(env, ["A=3", "B=1", "C=x y", "D=2 and more"]);
        assert_eq!(settings.exposed_ports.iter().collect::<Vec<_>>(), ["53/udp", "80/tcp"]);
        assert_eq!(settings.labels["x"], "y z");
        assert_eq!(settings.volumes.len(), 1);
        assert_eq!(settings.working_dir, "/srv/app");
        assert_eq!(settings.on_build, ["RUN before", "RUN make"]);
        assert_eq!(settings.entrypoint.unwrap(), ["/bin/sh", "-c", "run it"]);
        assert_eq!(
            (settings.user.as_str(), settings.stop_signal.as_deref()),
            ("nobody", Some("INT"))
        );
    }

    #[test]
    fn variables_are_replaced_by_what_is_known_so_far() {
        let settings = applied(&["ENV D=$A/z E=${A:-no}", "LABEL d=$D none=[$F]", "WORKDIR /$D"]).unwrap();
        assert_eq!(settings.variable("D"), Some("1/z"));
        assert_eq!(settings.variable("E"), Some("1"));
        assert_eq!(
            (settings.labels["d"].as_str(), settings.labels["none"].as_str()),
            ("1/z", "[]")
        );
        assert_eq!(settings.working_dir, "/1/z");
    }

    #[test]
    fn a_health_check_is_a_change() {
        let health = applied(&["HEALTHCHECK --interval=5s CMD true"])
            .unwrap()
            .health
            .unwrap();
        assert_eq!(health.test, Probe::Shell("true".to_owned()));
        assert_eq!(health.interval, Some(Duration::from_secs(5)));
        let none = applied(&["HEALTHCHECK NONE"]).unwrap().health.unwrap();
        assert_eq!(none.test, Probe::None);
    }

    #[test]
    fn an_entrypoint_drops_the_command_of_before() {
        assert_eq!(applied(&["ENTRYPOINT [\"a\"]"]).unwrap().command, None);
    }

    #[test]
    fn what_changes_files_or_cannot_be_read_is_refused() {
        for change in [
            "RUN rm",
            "COPY a b",
            "FROM a",
            "ARG A",
            "LABEL x",
            "HEALTHCHECK",
            "NOTHING x",
            "",
            "# x",
        ] {
            assert!(applied(&[change]).is_err(), "{change}");
        }
    }
}
