//! A stage while it is carried out: what each step means once its variables are
//! known, and what it leaves behind in the image's settings.

mod amount;
mod arguments;
mod order;

pub use arguments::{Arguments, Platform, is_proxy, platform_arguments};
pub use order::{AddSource, CopyOrder, Location, Order, RunOrder, Script};

use crate::expand::Expander;
use crate::instruction::{Add, Command, Copy, Instruction, Mount, Run, Step};
use crate::mistake::Mistake;
use crate::mode::Mode;
use crate::owner::Who;
use crate::settings::Settings;
use crate::{Pattern, ports};
use model::Signal;
use model::container::health::{HealthCheck, Probe};
use std::fmt::Write as _;

/// Where a script with a first line `#!` is put while it runs.
const SCRIPT_DIR: &str = "/dev/pipes";

/// Of each of three protocols.
const MOST_PORTS: usize = 3 << 16;

/// Between two steps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct State {
    pub settings: Settings,
    pub arguments: Arguments,
    escape: char,
    /// The command is of this stage, not of the image below.
    has_own_command: bool,
}

/// What a step is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    pub order: Order,
    /// As the image's history has it.
    pub created_by: String,
}

impl State {
    /// At the beginning of a stage on an image with these settings.
    pub fn new(settings: Settings, arguments: Arguments, escape: char) -> Self {
        Self {
            settings,
            arguments,
            escape,
            has_own_command: false,
        }
    }

    /// At the beginning of a stage on this one at its end.
    #[must_use]
    pub fn child(&self) -> Self {
        let mut child = self.clone();
        child.settings.on_build.clear();
        child
    }

    /// Carries out what a step means for the settings, and says what else is to be done.
    ///
    /// # Errors
    /// A word that cannot be expanded, or that is not what the instruction needs.
    pub fn apply(&mut self, step: &Step) -> Result<Outcome, Mistake> {
        self.carry_out(&step.instruction)
            .map_err(|message| Mistake::at(step.first_line, step.keyword, message))
    }

    fn carry_out(&mut self, instruction: &Instruction) -> Result<Outcome, String> {
        let settings = |created_by: String| {
            Ok(Outcome {
                order: Order::Settings,
                created_by,
            })
        };
        match instruction {
            Instruction::From(_) => Err("a stage begins with it".to_owned()),
            Instruction::Arg(arguments) => self.declare(arguments).and_then(settings),
            Instruction::Run(run) => self.run(run),
            Instruction::Copy(copy) => self.copy("COPY", copy, None),
            Instruction::Add(add) => self.copy("ADD", &add.copy, Some(add)),
            Instruction::Workdir(path) => {
                let path = self.settings.resolve(&self.word(path)?);
                self.settings.working_dir.clone_from(&path);
                Ok(Outcome {
                    created_by: format!("WORKDIR {path}"),
                    order: Order::MakeDir { path },
                })
            }
            Instruction::Cmd(command) => {
                let words = self.command(command);
                self.has_own_command = true;
                let shown = format!("CMD {}", as_json(&words));
                self.settings.command = (!words.is_empty()).then_some(words);
                settings(shown)
            }
            Instruction::Entrypoint(command) => {
                let words = self.command(command);
                // What the image below ran by default means nothing to another program.
                if !self.has_own_command {
                    self.settings.command = None;
                }
                let shown = format!("ENTRYPOINT {}", as_json(&words));
                self.settings.entrypoint = (!words.is_empty()).then_some(words);
                settings(shown)
            }
            Instruction::Env(pairs) => {
                // All see what was before.
                let pairs = self.pairs(pairs)?;
                let shown = show_pairs("ENV", &pairs);
                for (name, value) in pairs {
                    self.settings.set_variable(&name, value);
                }
                amount::check("variables", self.settings.env.iter().map(|(name, value)| (name, value)))?;
                settings(shown)
            }
            Instruction::Label(pairs) => {
                let pairs = self.pairs(pairs)?;
                let shown = show_pairs("LABEL", &pairs);
                self.settings.labels.extend(pairs);
                amount::check("labels", &self.settings.labels)?;
                settings(shown)
            }
            Instruction::Expose(text) => {
                let words = self.expander(|expander| expander.words(text))?;
                let mut count = 0;
                for word in &words {
                    let ports = ports::parse(word)?;
                    count += ports.len();
                    if count > MOST_PORTS {
                        return Err("it names more ports than there are; name each once".to_owned());
                    }
                    self.settings.exposed_ports.extend(ports);
                }
                settings(format!("EXPOSE {}", words.join(" ")))
            }
            Instruction::Healthcheck(health) => {
                self.settings.health = Some(health.clone());
                settings(show_health(health))
            }
            Instruction::Maintainer(name) => {
                self.settings.author = Some(name.clone());
                settings(format!("MAINTAINER {name}"))
            }
            Instruction::OnBuild(text) => {
                self.settings.on_build.push(text.clone());
                settings(format!("ONBUILD {text}"))
            }
            Instruction::Shell(words) => {
                self.settings.shell = Some(words.clone());
                settings(format!("SHELL {}", as_json(words)))
            }
            Instruction::StopSignal(text) => {
                let text = self.word(text)?;
                Signal::parse(&text).map_err(|error| error.to_string())?;
                let shown = format!("STOPSIGNAL {text}");
                self.settings.stop_signal = Some(text);
                settings(shown)
            }
            Instruction::User(text) => {
                let user = self.word(text)?;
                if user.is_empty() {
                    return Err(format!("`{text}` is empty once its variables are known"));
                }
                let shown = format!("USER {user}");
                self.settings.user = user;
                settings(shown)
            }
            Instruction::Volume(paths) => {
                let paths = paths
                    .iter()
                    .map(|path| self.word(path))
                    .collect::<Result<Vec<_>, _>>()?;
                if paths.iter().any(String::is_empty) {
                    return Err("a volume's path is empty once its variables are known".to_owned());
                }
                let shown = format!("VOLUME [{}]", paths.join(" "));
                self.settings.volumes.extend(paths);
                settings(shown)
            }
        }
    }

    fn declare(&mut self, arguments: &[crate::instruction::Argument]) -> Result<String, String> {
        let mut shown = String::from("ARG");
        for argument in arguments {
            let default = argument.default.as_ref().map(|text| self.word(text)).transpose()?;
            let name = self.word(&argument.name)?;
            let value = self.arguments.declare(&name, default)?;
            let _ = match value {
                Some(value) => write!(shown, " {name}={value}"),
                None => write!(shown, " {name}"),
            };
        }
        Ok(shown)
    }

    fn run(&self, run: &Run) -> Result<Outcome, String> {
        let mut script = None;
        let words = match &run.command {
            Command::Exec(words) => words.clone(),
            Command::Shell(line) => {
                let alone = run.heredocs.len() == 1 && crate::is_heredoc_alone(line, self.escape);
                let line = match &run.heredocs[..] {
                    [] => line.clone(),
                    [heredoc] if alone => heredoc.text(),
                    // The shell reads them itself.
                    heredocs => heredocs.iter().fold(line.clone(), |mut line, heredoc| {
                        line.push('\n');
                        line.push_str(&heredoc.content);
                        line.push_str(&heredoc.name);
                        line
                    }),
                };
                if alone && line.starts_with("#!") {
                    let path = format!("{SCRIPT_DIR}/{}", run.heredocs[0].name.replace('/', "_"));
                    script = Some(Script {
                        path: path.clone(),
                        content: line,
                    });
                    vec![path]
                } else {
                    let mut words = self.settings.shell();
                    words.push(line);
                    words
                }
            }
        };
        let expand = |text: &str| self.word(text);
        let mounts = run.mounts.iter().map(|text| Mount::parse(text, &expand));
        let mounts = mounts.collect::<Result<Vec<_>, _>>()?;
        let arguments = self.arguments.in_force(&self.settings);
        let mut created_by = String::from("RUN ");
        if !arguments.is_empty() {
            let _ = write!(created_by, "|{} ", arguments.len());
            for (name, value) in &arguments {
                let _ = write!(created_by, "{name}={value} ");
            }
        }
        created_by.push_str(&match &script {
            Some(script) => script.content.trim_end().to_owned(),
            None => words.join(" ").trim_end().to_owned(),
        });
        let env = self.settings.env.iter().cloned().chain(arguments).collect();
        Ok(Outcome {
            order: Order::Run(RunOrder {
                words,
                script,
                env,
                hidden_env: self.arguments.proxies(&self.settings),
                mounts,
                network: run.network,
                user: self.settings.user.clone(),
                working_dir: self.settings.resolve(""),
            }),
            created_by,
        })
    }

    fn copy(&self, keyword: &str, copy: &Copy, add: Option<&Add>) -> Result<Outcome, String> {
        let sources = copy
            .sources
            .iter()
            .map(|source| self.word(source))
            .collect::<Result<Vec<_>, _>>()?;
        if sources.iter().any(String::is_empty) {
            return Err("a source is empty once its variables are known; give the variable a value".to_owned());
        }
        let destination = self.word(&copy.destination)?;
        if destination.is_empty() {
            return Err("the destination is empty once its variables are known; give the variable a value".to_owned());
        }
        let files = copy.heredocs.iter().map(|heredoc| {
            let text = heredoc.text();
            let text = if heredoc.expand { self.document(&text)? } else { text };
            Ok((heredoc.name.clone(), text))
        });
        let files = files.collect::<Result<Vec<_>, String>>()?;
        let into_dir =
            destination.ends_with('/') || destination.ends_with("/.") || matches!(destination.as_str(), "." | "..");
        if sources.len() + files.len() > 1 && !into_dir {
            return Err(format!(
                "it has several sources, so the destination is a directory and ends with `/`: `{destination}/`"
            ));
        }
        let checksum = add
            .and_then(|add| add.checksum.as_ref())
            .map(|text| self.word(text))
            .transpose()?;
        let order = CopyOrder {
            location: Location(copy.from.clone()),
            is_add: add.is_some(),
            checksum,
            keep_git_dir: add.is_some_and(|add| add.keep_git_dir),
            unpack: add.and_then(|add| add.unpack),
            files,
            destination: self.settings.resolve(&destination),
            into_dir,
            owner: match &copy.chown {
                Some(text) => Some(Who::parse(&self.word(text)?)?),
                None => None,
            },
            mode: match &copy.chmod {
                Some(text) => Some(Mode::parse(&self.word(text)?).map_err(|error| error.to_string())?),
                None => None,
            },
            link: copy.link,
            parents: copy.parents,
            exclude: {
                let patterns = copy.exclude.iter().map(|text| {
                    let text = self.word(text)?;
                    Pattern::new(&text).map_err(|error| error.to_string())?;
                    Ok(text)
                });
                patterns.collect::<Result<Vec<_>, String>>()?
            },
            sources,
        };
        let mut created_by = format!("{keyword} ");
        for (flag, value) in [("from", &copy.from), ("chown", &copy.chown), ("chmod", &copy.chmod)] {
            if let Some(value) = value {
                let _ = write!(created_by, "--{flag}={value} ");
            }
        }
        for source in order.sources.iter().chain(order.files.iter().map(|(name, _)| name)) {
            let _ = write!(created_by, "{source} ");
        }
        created_by.push_str(&destination);
        Ok(Outcome {
            order: Order::Copy(order),
            created_by,
        })
    }

    fn command(&self, command: &Command) -> Vec<String> {
        match command {
            Command::Exec(words) => words.clone(),
            Command::Shell(line) if line.is_empty() => Vec::new(),
            Command::Shell(line) => {
                let mut words = self.settings.shell();
                words.push(line.clone());
                words
            }
        }
    }

    fn pairs(&self, pairs: &[(String, String)]) -> Result<Vec<(String, String)>, String> {
        amount::check("names", pairs.iter().map(|(name, value)| (name, value)))?;
        pairs
            .iter()
            .map(|(name, value)| {
                let name = self.word(name)?;
                if name.is_empty() {
                    return Err("a name is empty once its variables are known".to_owned());
                }
                Ok((name, self.word(value)?))
            })
            .collect()
    }

    fn word(&self, text: &str) -> Result<String, String> {
        self.expander(|expander| expander.word(text))
    }

    /// A here-document: quotes mean nothing in it, variables do.
    fn document(&self, text: &str) -> Result<String, String> {
        let mut quoted = String::with_capacity(text.len() + 2);
        for letter in text.chars() {
            if matches!(letter, '"' | '\'') {
                quoted.push(self.escape);
            }
            // An escape character means something before `$` and itself only.
            quoted.push(letter);
        }
        self.expander(|expander| expander.document(&quoted))
    }

    fn expander<T>(
        &self,
        work: impl FnOnce(&Expander<'_>) -> Result<T, crate::expand::ExpandError>,
    ) -> Result<T, String> {
        let lookup = |name: &str| match self.settings.variable(name) {
            Some(value) => Some(value.to_owned()),
            None => self.arguments.value(name),
        };
        let expander = Expander {
            escape: self.escape,
            lookup: &lookup,
        };
        work(&expander).map_err(|error| error.to_string())
    }
}

/// As the instruction is written.
fn show_health(health: &HealthCheck) -> String {
    let mut text = "HEALTHCHECK ".to_owned();
    let times = [
        ("interval", health.interval),
        ("timeout", health.timeout),
        ("start-period", health.start_period),
        ("start-interval", health.start_interval),
    ];
    for (name, time) in times {
        if let Some(time) = time {
            let _ = write!(text, "--{name}={time:?} ");
        }
    }
    if let Some(retries) = health.retries {
        let _ = write!(text, "--retries={retries} ");
    }
    match &health.test {
        Probe::None => text.push_str("NONE"),
        Probe::Command(words) => {
            let _ = write!(text, "CMD {}", as_json(words));
        }
        Probe::Shell(line) => {
            let _ = write!(text, "CMD {line}");
        }
    }
    text
}

fn as_json(words: &[String]) -> String {
    serde_json::Value::from(words).to_string()
}

fn show_pairs(keyword: &str, pairs: &[(String, String)]) -> String {
    pairs.iter().fold(keyword.to_owned(), |mut text, (name, value)| {
        let _ = write!(text, " {name}={value}");
        text
    })
}

#[cfg(test)]
mod tests;
