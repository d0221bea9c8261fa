use super::*;
use crate::Dockerfile;
use crate::instruction::MountKind;
use std::collections::BTreeMap;

/// The last stage of a file, carried out, and its last step.
fn carried_out(text: &str, given: &[(&str, &str)]) -> Result<(State, Outcome), Mistake> {
    let file = Dockerfile::parse(text)?;
    let given = given
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    let mut arguments = Arguments::new(
        given.collect(),
        BTreeMap::from([("TARGETARCH".to_owned(), "amd64".to_owned())]),
    );
    for (_, argument) in &file.globals {
        arguments.declare_global(argument, file.directives.escape).unwrap();
    }
    let mut state = State::new(Settings::default(), arguments, file.directives.escape);
    let mut last = None;
    for step in &file.stages.last().unwrap().steps {
        last = Some(state.apply(step)?);
    }
    Ok((state, last.unwrap()))
}

fn settings(text: &str) -> Settings {
    carried_out(text, &[]).unwrap().0.settings
}

#[test]
fn variables_of_one_instruction_see_what_was_before_it() {
    let settings = settings("FROM a\nENV abc=hello\nENV abc=bye def=$abc\nENV ghi=$abc");
    assert_eq!(settings.variable("def"), Some("hello"));
    assert_eq!(settings.variable("ghi"), Some("bye"));
}

#[test]
fn the_history_has_a_health_check_as_it_is_written() {
    for (written, shown) in [
        (
            "HEALTHCHECK --interval=5m --timeout=1500ms --start-period=1s --start-interval=2s --retries=4 CMD test -e /ok",
            "HEALTHCHECK --interval=300s --timeout=1.5s --start-period=1s --start-interval=2s --retries=4 CMD test -e /ok",
        ),
        (
            "HEALTHCHECK CMD [\"test\",\"-e\",\"/a b\"]",
            "HEALTHCHECK CMD [\"test\",\"-e\",\"/a b\"]",
        ),
        ("HEALTHCHECK NONE", "HEALTHCHECK NONE"),
    ] {
        let (_, outcome) = carried_out(&format!("FROM a\n{written}"), &[]).unwrap();
        assert_eq!(outcome.created_by, shown);
    }
}

#[test]
fn arguments_are_seen_where_they_are_declared() {
    let text = "ARG V=1\nARG W=2\nFROM a\nARG V\nARG X=x\nARG TARGETARCH\nLABEL v=$V w=[$W] x=$X a=$TARGETARCH";
    let labels = settings(text).labels;
    assert_eq!((labels["v"].as_str(), labels["w"].as_str()), ("1", "[]"));
    assert_eq!((labels["x"].as_str(), labels["a"].as_str()), ("x", "amd64"));
    let (state, _) = carried_out(text, &[("V", "9"), ("X", "y"), ("W", "no")]).unwrap();
    assert_eq!(state.settings.labels["v"], "9");
    assert_eq!(state.settings.labels["x"], "y");
}

#[test]
fn a_variable_of_the_image_hides_an_argument() {
    let (state, outcome) = carried_out("FROM a\nARG A=1\nENV A=2\nARG B=3\nRUN x", &[("A", "9")]).unwrap();
    assert_eq!(state.settings.variable("A"), Some("2"));
    let Order::Run(run) = outcome.order else {
        panic!("a run")
    };
    assert_eq!(
        run.env,
        [("A".to_owned(), "2".to_owned()), ("B".to_owned(), "3".to_owned())]
    );
    assert_eq!(outcome.created_by, "RUN |1 B=3 /bin/sh -c x");
}

#[test]
fn proxies_are_seen_and_left_out_of_the_history() {
    let (_, outcome) = carried_out("FROM a\nRUN x", &[("http_proxy", "http://p")]).unwrap();
    let Order::Run(run) = outcome.order else {
        panic!("a run")
    };
    assert_eq!(run.hidden_env.len(), 1);
    assert!(run.env.is_empty());
    assert_eq!(outcome.created_by, "RUN /bin/sh -c x");
}

#[test]
fn directories_are_relative_to_those_before() {
    let settings = settings("FROM a\nENV D=/srv\nWORKDIR $D\nWORKDIR a/../b\nWORKDIR ./c");
    assert_eq!(settings.working_dir, "/srv/b/c");
}

#[test]
fn an_entrypoint_takes_the_command_of_the_image_below_away() {
    let file = Dockerfile::parse("FROM a\nENTRYPOINT [\"x\"]").unwrap();
    let below = Settings {
        command: Some(vec!["old".to_owned()]),
        ..Settings::default()
    };
    let mut state = State::new(below, Arguments::default(), '\\');
    state.apply(&file.stages[0].steps[0]).unwrap();
    assert_eq!(state.settings.command, None);
    let own = settings("FROM a\nCMD [\"mine\"]\nENTRYPOINT [\"x\"]");
    assert_eq!(own.command.unwrap(), ["mine"]);
}

#[test]
fn the_shell_is_that_of_the_last_shell() {
    let settings = settings("FROM a\nSHELL [\"/bin/bash\", \"-ec\"]\nCMD echo $HOME");
    assert_eq!(settings.command.unwrap(), ["/bin/bash", "-ec", "echo $HOME"]);
}

#[test]
fn here_documents_are_scripts_lines_or_files() {
    let run = |text: &str| match carried_out(text, &[]).unwrap().1.order {
        Order::Run(run) => run,
        other => panic!("{other:?}"),
    };
    assert_eq!(run("FROM a\nRUN <<EOF\none\ntwo\nEOF").words[2], "one\ntwo\n");
    assert_eq!(run("FROM a\nRUN cat <<EOF\none\nEOF").words[2], "cat <<EOF\none\nEOF");
    let script = run("FROM a\nRUN <<EOF\n#!/usr/bin/env python3\nprint()\nEOF");
    assert_eq!(script.words, ["/dev/pipes/EOF"]);
    let text = "FROM a\nENV A=1\nCOPY <<one <<\"two\" /d/\n\"$A\" \\$A\none\n$A\ntwo";
    let Order::Copy(copy) = carried_out(text, &[]).unwrap().1.order else {
        panic!("a copy")
    };
    assert_eq!(copy.files[0], ("one".to_owned(), "\"1\" $A\n".to_owned()));
    assert_eq!(copy.files[1], ("two".to_owned(), "$A\n".to_owned()));
}

#[test]
fn words_of_a_copy_are_expanded_and_made_absolute() {
    let text = "FROM a\nARG F=file\nWORKDIR /srv\nCOPY --chown=web:50 --chmod=u=rw $F [x] ./sub/";
    let Order::Copy(copy) = carried_out(text, &[]).unwrap().1.order else {
        panic!("a copy")
    };
    assert_eq!(copy.sources, ["file", "[x]"]);
    assert_eq!((copy.destination.as_str(), copy.into_dir), ("/srv/sub", true));
    assert!(copy.owner.is_some() && copy.mode.is_some());
    assert!(
        carried_out("FROM a\nCOPY $NOTHING /x", &[])
            .unwrap_err()
            .message
            .contains("empty")
    );
    assert!(
        carried_out("FROM a\nARG D=/d\nCOPY a b $D", &[])
            .unwrap_err()
            .message
            .contains("`/d/`")
    );
}

#[test]
fn mounts_are_read_once_variables_are_known() {
    let text = "FROM a\nARG T=/t\nRUN --mount=type=tmpfs,target=$T x";
    let Order::Run(run) = carried_out(text, &[]).unwrap().1.order else {
        panic!("a run")
    };
    assert_eq!(run.mounts[0].target, "/t");
    assert!(matches!(run.mounts[0].kind, MountKind::Tmpfs { .. }));
}

#[test]
fn what_is_no_port_or_signal_is_told_with_its_line() {
    for text in [
        "EXPOSE many",
        "STOPSIGNAL SIGNONE",
        "COPY --chmod=rwx a b",
        "COPY --chown=: a b",
    ] {
        let mistake = carried_out(&format!("FROM a\n\n{text}"), &[]).unwrap_err();
        assert_eq!(mistake.line, Some(3), "{mistake}");
    }
}

#[test]
fn addresses_are_told_from_paths() {
    assert_eq!(AddSource::parse("a/b.git"), AddSource::Path("a/b.git".to_owned()));
    assert!(matches!(AddSource::parse("https://x.example/a.tar"), AddSource::Url(_)));
    assert_eq!(
        AddSource::parse("https://x.example/a.git#v1:doc"),
        AddSource::Git {
            url: "https://x.example/a.git".to_owned(),
            reference: Some("v1".to_owned()),
            subdir: Some("doc".to_owned())
        }
    );
}

#[test]
fn lines_that_multiply_what_others_said_are_refused() {
    let doubling = |keyword: &str| {
        let lines = (0..40).map(|number| format!("{keyword} A{}=$A{number}$A{number}\n", number + 1));
        format!("FROM a\n{keyword} A0=0123456789\n{}", lines.collect::<String>())
    };
    let adding = |keyword: &str| {
        let lines = (0..40).map(|number| format!("{keyword} B{number}=$LONG\n"));
        format!(
            "FROM a\nENV LONG={}\n{}",
            "x".repeat(1 << 19),
            lines.collect::<String>()
        )
    };
    let many = (0..20_000).map(|number| format!("E{number}=x "));
    let many = format!("FROM a\nENV {}", many.collect::<String>());
    let ports = format!("FROM a\nEXPOSE {}", "1-65535 ".repeat(1000));
    for (text, wanted) in [
        (doubling("ENV"), "becomes longer"),
        (doubling("ARG"), "becomes longer"),
        (adding("ENV"), "the variables are longer"),
        (adding("LABEL"), "the labels are longer"),
        (adding("ARG"), "the arguments are longer"),
        (many, "more than 10000"),
        (ports, "more ports than there are"),
    ] {
        let mistake = carried_out(&text, &[]).unwrap_err().to_string();
        assert!(mistake.contains(wanted), "{wanted}: {mistake}");
    }
}
