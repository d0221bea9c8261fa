//! Switches and operands, read as the command comes to them.

use anyhow::{Context as _, Result, bail};
use lexopt::{Arg, Parser, ValueExt as _};
use std::path::PathBuf;

/// What comes before the command.
#[derive(Debug)]
pub(super) struct Global {
    /// Where state is kept.
    pub(super) root: PathBuf,
    /// The caller named it, so it should be there.
    pub(super) root_is_given: bool,
    pub(super) log: Option<PathBuf>,
    pub(super) log_json: bool,
    /// The caller wants cgroups made by systemd.
    pub(super) systemd_cgroup: bool,
    pub(super) debug: bool,
    pub(super) command: Option<String>,
}

const ROOT: &str = "/run/gantry-runtime";

pub(super) struct Arguments(Parser);

/// `--help` or `-h` among the arguments: not an error, but the end of reading them.
#[derive(Debug)]
pub(super) struct HelpRequested;

impl std::fmt::Display for HelpRequested {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("help was requested")
    }
}

impl std::error::Error for HelpRequested {}

/// One switch, short or long by the same name, or an operand.
pub(super) enum Argument {
    Switch(String),
    Operand(String),
}

impl Arguments {
    pub(super) fn from_env() -> Self {
        Self(Parser::from_env())
    }

    pub(super) fn next(&mut self) -> Result<Option<Argument>> {
        Ok(match self.0.next()? {
            None => None,
            Some(Arg::Short('h') | Arg::Long("help")) => return Err(HelpRequested.into()),
            Some(Arg::Short(letter)) => Some(Argument::Switch(letter.to_string())),
            Some(Arg::Long(name)) => Some(Argument::Switch(name.to_owned())),
            Some(Arg::Value(text)) => Some(Argument::Operand(text.string()?)),
        })
    }

    /// The value of the switch just read.
    pub(super) fn value(&mut self) -> Result<String> {
        Ok(self.0.value()?.string()?)
    }

    /// Whether the switch just read is on: `--name`, `--name=true` or `--name=false`.
    pub(super) fn flag(&mut self) -> Result<bool> {
        match self.0.optional_value().map(|value| value.string()).transpose()? {
            None => Ok(true),
            Some(value) => value
                .parse()
                .ok()
                .with_context(|| format!("`{value}` is neither `true` nor `false`")),
        }
    }

    /// The value of `--format`.
    pub(super) fn is_json_format(&mut self) -> Result<bool> {
        match self.value()?.as_str() {
            "json" => Ok(true),
            "table" => Ok(false),
            other => bail!("invalid format option `{other}`: it is neither `table` nor `json`"),
        }
    }

    /// Bytes, with a unit or without: `64m`. -1 is no limit.
    pub(super) fn bytes(&mut self) -> Result<i64> {
        let text = self.value()?;
        let at = text
            .find(|letter: char| letter.is_ascii_alphabetic())
            .unwrap_or(text.len());
        let (number, unit) = text.split_at(at);
        let shift = match unit.to_ascii_lowercase().trim_end_matches("ib").trim_end_matches('b') {
            "" => 0,
            "k" => 10,
            "m" => 20,
            "g" => 30,
            "t" => 40,
            _ => bail!("`{text}` is no size such as `64m`"),
        };
        let number: i64 = number
            .parse()
            .ok()
            .with_context(|| format!("`{text}` is no size such as `64m`"))?;
        number
            .checked_mul(1 << shift)
            .with_context(|| format!("`{text}` is too much"))
    }

    pub(super) fn number<T: std::str::FromStr>(&mut self) -> Result<T> {
        let text = self.value()?;
        text.parse()
            .ok()
            .with_context(|| format!("`{text}` is no number that fits"))
    }

    /// Everything that is left, switches of another program included.
    pub(super) fn rest(&mut self) -> Result<Vec<String>> {
        let mut rest = Vec::new();
        for text in self.0.raw_args()? {
            rest.push(text.string()?);
        }
        Ok(rest)
    }
}

impl Global {
    pub(super) fn parse(arguments: &mut Arguments) -> Result<Self> {
        let mut global = Self {
            root: ROOT.into(),
            root_is_given: false,
            log: None,
            log_json: false,
            systemd_cgroup: false,
            debug: false,
            command: None,
        };
        while let Some(argument) = arguments.next()? {
            match argument {
                Argument::Operand(command) => {
                    global.command = Some(command);
                    break;
                }
                Argument::Switch(name) => match name.as_str() {
                    "root" => {
                        global.root = arguments.value()?.into();
                        global.root_is_given = true;
                    }
                    "log" => global.log = Some(arguments.value()?.into()),
                    "log-format" => {
                        global.log_json = match arguments.value()?.as_str() {
                            "json" => true,
                            "text" => false,
                            other => bail!("log format `{other}` is neither `text` nor `json`"),
                        }
                    }
                    "systemd-cgroup" => global.systemd_cgroup = arguments.flag()?,
                    "cgroup-manager" => {
                        global.systemd_cgroup = match arguments.value()?.as_str() {
                            "systemd" => true,
                            "cgroupfs" => false,
                            other => bail!("cgroup manager `{other}` is neither `cgroupfs` nor `systemd`"),
                        }
                    }
                    "rootless" | "criu" => drop(arguments.value()?),
                    "debug" => global.debug = arguments.flag()?,
                    "version" | "v" => {
                        global.command = Some("version".to_owned());
                        break;
                    }
                    _ => return unknown(&name),
                },
            }
        }
        Ok(global)
    }
}

pub(super) fn unknown<T>(name: &str) -> Result<T> {
    bail!("there is no switch `{name}` here; `gantry-runtime help` lists them")
}

/// The one operand of most commands.
pub(super) fn only_id(arguments: &mut Arguments) -> Result<String> {
    let mut id = None;
    while let Some(argument) = arguments.next()? {
        match argument {
            Argument::Operand(text) if id.is_none() => id = Some(text),
            Argument::Operand(text) => bail!("`{text}` is one operand too many"),
            Argument::Switch(name) => return unknown(&name),
        }
    }
    id.context("name the container")
}
