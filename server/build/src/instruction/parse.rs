//! A statement becomes an instruction, or a mistake that says what to do.

use super::flags::{self, Flags};
use super::{Add, Argument, Command, Copy, From, Instruction, Run, RunNetwork, Said, Step, from_of, health, words};
use crate::expand;
use crate::mistake::Mistake;
use crate::source::{Heredoc, Statement, join_operators, read_statement};

const KEYWORDS: [&str; 18] = [
    "ADD",
    "ARG",
    "CMD",
    "COPY",
    "ENTRYPOINT",
    "ENV",
    "EXPOSE",
    "FROM",
    "HEALTHCHECK",
    "LABEL",
    "MAINTAINER",
    "ONBUILD",
    "RUN",
    "SHELL",
    "STOPSIGNAL",
    "USER",
    "VOLUME",
    "WORKDIR",
];
const COPY_FLAGS: [&str; 7] = ["from", "chown", "chmod", "link", "parents", "exclude", "exclude"];
const ADD_FLAGS: [&str; 7] = [
    "chown",
    "chmod",
    "link",
    "exclude",
    "checksum",
    "keep-git-dir",
    "unpack",
];
const RUN_FLAGS: [&str; 3] = ["mount", "network", "security"];

/// Reads one statement.
pub(crate) fn parse(statement: &Statement, escape: char) -> Result<Step, Mistake> {
    let text = statement.text.trim();
    let (word, rest) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
    let upper = word.to_ascii_uppercase();
    let Some(keyword) = KEYWORDS.iter().find(|keyword| **keyword == upper) else {
        return Err(Mistake::at(statement.first_line, &upper, unknown(word)));
    };
    let at = |said: Said| Mistake::at(statement.first_line, keyword, said.0);
    let (flags, rest) = flags::take(rest, escape).map_err(at)?;
    let instruction = read(keyword, flags, rest.trim(), statement, escape).map_err(at)?;
    Ok(Step {
        first_line: statement.first_line,
        last_line: statement.last_line,
        keyword,
        text: on_one_line(keyword, text, &statement.heredocs),
        instruction,
    })
}

fn read(keyword: &str, mut flags: Flags, rest: &str, statement: &Statement, escape: char) -> Result<Instruction, Said> {
    // A list may be empty: it takes away what the image had.
    if rest.is_empty() && !matches!(keyword, "CMD" | "ENTRYPOINT") {
        return Err(Said(format!("it says nothing; {}", form_of(keyword))));
    }
    let instruction = match keyword {
        "FROM" => {
            let platform = flags.value("platform")?;
            flags.end(&["platform"])?;
            return from(rest, platform).map(Instruction::From);
        }
        "RUN" => return run(flags, rest, statement).map(Instruction::Run),
        "COPY" => {
            let copy = copy(&mut flags, rest, statement, escape, true)?;
            flags.end(&COPY_FLAGS[..6])?;
            return Ok(Instruction::Copy(copy));
        }
        "ADD" => return add(flags, rest, statement, escape).map(Instruction::Add),
        "HEALTHCHECK" => return health::read(flags, rest).map(Instruction::Healthcheck),
        "ARG" => Instruction::Arg(arguments(rest, escape)?),
        "CMD" => Instruction::Cmd(words::command(rest)?),
        "ENTRYPOINT" => Instruction::Entrypoint(words::command(rest)?),
        "ENV" => Instruction::Env(words::pairs(rest, escape)?),
        "LABEL" => Instruction::Label(words::pairs(rest, escape)?),
        "EXPOSE" => Instruction::Expose(rest.to_owned()),
        "MAINTAINER" => Instruction::Maintainer(rest.to_owned()),
        "ONBUILD" => Instruction::OnBuild(trigger(statement, escape)?),
        "SHELL" => match words::json_list(rest)? {
            Some(list) if !list.is_empty() => Instruction::Shell(list),
            _ => return Err(Said(format!("`{rest}` is no list; {}", form_of(keyword)))),
        },
        "STOPSIGNAL" => Instruction::StopSignal(one(rest)?),
        "USER" => Instruction::User(one(rest)?),
        "VOLUME" => {
            let paths = words::list(rest)?;
            if paths.iter().any(|path| path.trim().is_empty()) {
                return Err(Said("a volume's path is empty".to_owned()));
            }
            Instruction::Volume(paths)
        }
        _ => Instruction::Workdir(rest.to_owned()),
    };
    flags.end(&[])?;
    Ok(instruction)
}

fn one(rest: &str) -> Result<String, Said> {
    match rest.split_whitespace().nth(1) {
        // Quotes may hold spaces.
        Some(_) if !rest.contains(['"', '\'', '{']) => Err(Said(format!("it takes one word, not `{rest}`"))),
        _ => Ok(rest.to_owned()),
    }
}

fn from(rest: &str, platform: Option<String>) -> Result<From, Said> {
    let words: Vec<&str> = rest.split_whitespace().collect();
    let (base, name) = match words[..] {
        [base] => (base, None),
        [base, word, name] if word.eq_ignore_ascii_case("as") => (base, Some(name.to_ascii_lowercase())),
        _ => return Err(Said(format!("`{rest}` cannot be read; {}", form_of("FROM")))),
    };
    if let Some(name) = &name {
        let is_letter = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'_' | b'.');
        if !name.starts_with(|c: char| c.is_ascii_lowercase()) || !name.bytes().all(is_letter) {
            return Err(Said(format!(
                "`{name}` is no name for a stage; it begins with a letter and has letters, digits, `-`, `_` and `.`"
            )));
        }
        if name == "scratch" || name == "context" {
            return Err(Said(format!(
                "`{name}` means something already; choose another name for the stage"
            )));
        }
    }
    Ok(From {
        base: base.to_owned(),
        platform,
        name,
    })
}

fn arguments(rest: &str, escape: char) -> Result<Vec<Argument>, Said> {
    expand::raw_words(rest, escape)
        .into_iter()
        .map(|word| {
            let (name, default) = match word.split_once('=') {
                Some((name, default)) => (name.to_owned(), Some(default.to_owned())),
                None => (word, None),
            };
            if name.is_empty() {
                return Err(Said("an argument has no name before its `=`".to_owned()));
            }
            Ok(Argument { name, default })
        })
        .collect()
}

fn run(mut flags: Flags, rest: &str, statement: &Statement) -> Result<Run, Said> {
    let mounts = flags.values("mount")?;
    for mount in &mounts {
        from_of(mount)?;
        // What holds no variables is judged at once.
        if !mount.contains('$') {
            super::Mount::parse(mount, &|value| Ok(value.to_owned())).map_err(Said)?;
        }
    }
    let network = match flags.value("network")?.as_deref() {
        None | Some("default") => RunNetwork::Default,
        Some("none") => RunNetwork::None,
        Some("host") => RunNetwork::Host,
        Some(other) => {
            return Err(Said(format!(
                "`--network` is `default`, `none` or `host`, not `{other}`"
            )));
        }
    };
    match flags.value("security")?.as_deref() {
        None | Some("sandbox") => {}
        Some("insecure") => {
            return Err(Said(
                "`--security=insecure` would give the build all rights of the host, and is refused; \
                 do what needs them outside of the build"
                    .to_owned(),
            ));
        }
        Some(other) => return Err(Said(format!("`--security` is `sandbox`, not `{other}`"))),
    }
    flags.end(&RUN_FLAGS)?;
    let command = words::command(rest)?;
    if matches!(&command, Command::Exec(words) if words.is_empty()) {
        return Err(Said("its list is empty; name the program to run".to_owned()));
    }
    Ok(Run {
        command,
        heredocs: statement.heredocs.clone(),
        mounts,
        network,
    })
}

fn copy(flags: &mut Flags, rest: &str, statement: &Statement, escape: char, has_from: bool) -> Result<Copy, Said> {
    let from = if has_from { flags.value("from")? } else { None };
    if let Some(name) = from.as_deref().filter(|name| name.contains('$')) {
        return Err(Said(format!(
            "`--from={name}` takes no variables; name a stage `FROM {name} AS base` and say `--from=base`"
        )));
    }
    let mut paths = words::list(rest)?;
    if !statement.heredocs.is_empty() {
        paths = join_operators(paths);
    }
    let destination = paths.pop().filter(|_| !paths.is_empty());
    let Some(destination) = destination else {
        return Err(Said(format!("`{rest}` names no destination; {}", form_of("COPY"))));
    };
    let heredocs = statement.heredocs.clone();
    if let Some(heredoc) = heredocs.iter().find(|heredoc| heredoc.name.contains('/')) {
        return Err(Said(format!(
            "`<<{}` cannot be a file's name; take the `/` out",
            heredoc.name
        )));
    }
    if crate::source_is_heredoc(&destination, escape) {
        return Err(Said(format!("`{rest}` names no destination; {}", form_of("COPY"))));
    }
    if !heredocs.is_empty() {
        paths.retain(|path| !crate::source_is_heredoc(path, escape));
    }
    let to_many = paths.len() + heredocs.len() > 1;
    if to_many && !(destination.ends_with('/') || is_dot(&destination) || destination.contains('$')) {
        return Err(Said(format!(
            "it has several sources, so the destination is a directory and ends with `/`: `{destination}/`"
        )));
    }
    Ok(Copy {
        sources: paths,
        heredocs,
        destination,
        from,
        chown: flags.value("chown")?,
        chmod: flags.value("chmod")?,
        link: flags.switch("link")?,
        parents: has_from && flags.switch("parents")?,
        exclude: flags.values("exclude")?,
    })
}

fn is_dot(path: &str) -> bool {
    matches!(path, "." | "..") || path.ends_with("/.") || path.ends_with("/..")
}

fn add(mut flags: Flags, rest: &str, statement: &Statement, escape: char) -> Result<Add, Said> {
    let copy = copy(&mut flags, rest, statement, escape, false)?;
    let add = Add {
        checksum: flags.value("checksum")?,
        keep_git_dir: flags.switch("keep-git-dir")?,
        unpack: flags.optional_switch("unpack")?,
        copy,
    };
    flags.end(&ADD_FLAGS)?;
    Ok(add)
}

/// What follows `ONBUILD`, with its here-documents, if it can be done at all.
fn trigger(statement: &Statement, escape: char) -> Result<String, Said> {
    let text = statement.text.trim();
    let (_, rest) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
    let mut whole = rest.trim_start().to_owned();
    for heredoc in &statement.heredocs {
        whole.push('\n');
        whole.push_str(&heredoc.content);
        whole.push_str(&heredoc.name);
    }
    let step = read_trigger(&whole, escape, statement.first_line).map_err(|mistake| Said(mistake.message))?;
    match step.keyword {
        "ONBUILD" | "FROM" | "MAINTAINER" => Err(Said(format!("{} cannot be put off", step.keyword))),
        _ => Ok(whole),
    }
}

/// A trigger as an image's configuration has it; its place is that of the `FROM`.
pub(crate) fn read_trigger(text: &str, escape: char, line: u32) -> Result<Step, Mistake> {
    let nothing = || Mistake::at(line, "ONBUILD", "it says nothing to do");
    let mut statement = read_statement(text, escape)?.ok_or_else(nothing)?;
    statement.first_line = line;
    statement.last_line = line;
    parse(&statement, escape)
}

fn on_one_line(keyword: &str, text: &str, heredocs: &[Heredoc]) -> String {
    let rest = text.split_once(char::is_whitespace).map_or("", |(_, rest)| rest);
    let words: Vec<&str> = rest.split_whitespace().collect();
    let mut line = format!("{keyword} {}", words.join(" "));
    for heredoc in heredocs {
        let first = heredoc.content.lines().next().unwrap_or_default().trim();
        line.extend(" (".chars().chain(first.chars().take(40)).chain("…)".chars()));
    }
    line
}

fn unknown(word: &str) -> String {
    let upper = word.to_ascii_uppercase();
    let near = KEYWORDS.iter().find(|keyword| differs_little(keyword, &upper));
    match near {
        Some(keyword) => format!("there is no instruction `{word}`; is `{keyword}` meant?"),
        None => format!("there is no instruction `{word}`; a line that goes on needs an escape character at its end"),
    }
}

/// By one letter more, less or other, or two that changed places.
fn differs_little(a: &str, b: &str) -> bool {
    let (a, b) = (a.as_bytes(), b.as_bytes());
    let prefix = a.iter().zip(b).take_while(|(a, b)| a == b).count();
    let suffix = a.iter().rev().zip(b.iter().rev()).take_while(|(a, b)| a == b).count();
    let longest = a.len().max(b.len());
    let middle = longest.saturating_sub(prefix + suffix);
    let swapped = a.len() == b.len() && middle == 2 && a[prefix] == b[prefix + 1] && a[prefix + 1] == b[prefix];
    a.len().abs_diff(b.len()) <= 1 && (middle <= 1 || swapped)
}

fn form_of(keyword: &str) -> &'static str {
    match keyword {
        "FROM" => "write `FROM image` or `FROM image AS name`",
        "RUN" => "write `RUN command` or `RUN [\"program\", \"argument\"]`",
        "COPY" | "ADD" => "write `COPY source destination`",
        "ENV" | "LABEL" => "write `NAME=value`",
        "ARG" => "write `ARG NAME` or `ARG NAME=default`",
        "SHELL" => "write `SHELL [\"/bin/bash\", \"-c\"]`",
        "EXPOSE" => "write `EXPOSE 80` or `EXPOSE 53/udp`",
        "HEALTHCHECK" => "write `HEALTHCHECK CMD command` or `HEALTHCHECK NONE`",
        "ONBUILD" => "write an instruction after it",
        _ => "write what it is to be",
    }
}
