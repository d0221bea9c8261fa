//! `ARG`: what was given to the build, what is declared, and where it is seen.
//! Dockerfile reference, "Scope", "Predefined ARGs", "Automatic platform ARGs in the
//! global scope".

use super::amount;
use crate::expand::Expander;
use crate::instruction::Argument;
use crate::settings::Settings;
use std::collections::{BTreeMap, HashSet};

const PROXIES: [&str; 10] = [
    "HTTP_PROXY",
    "http_proxy",
    "HTTPS_PROXY",
    "https_proxy",
    "FTP_PROXY",
    "ftp_proxy",
    "NO_PROXY",
    "no_proxy",
    "ALL_PROXY",
    "all_proxy",
];

/// Whether the name is one that every `RUN` sees without being told, and that is kept
/// out of cache and history.
pub fn is_proxy(name: &str) -> bool {
    PROXIES.contains(&name)
}

/// Operating system and processor: `linux/arm64/v8`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Platform {
    pub os: String,
    pub architecture: String,
    pub variant: String,
}

/// What is known of both platforms without being given.
pub fn platform_arguments(build: &Platform, target: &Platform, stage: &str) -> BTreeMap<String, String> {
    let mut known = BTreeMap::new();
    for (prefix, platform) in [("BUILD", build), ("TARGET", target)] {
        let whole = [&platform.os, &platform.architecture, &platform.variant];
        let whole: Vec<&str> = whole
            .iter()
            .map(|part| part.as_str())
            .filter(|part| !part.is_empty())
            .collect();
        known.insert(format!("{prefix}PLATFORM"), whole.join("/"));
        known.insert(format!("{prefix}OS"), platform.os.clone());
        known.insert(format!("{prefix}ARCH"), platform.architecture.clone());
        known.insert(format!("{prefix}VARIANT"), platform.variant.clone());
    }
    known.insert("TARGETSTAGE".to_owned(), stage.to_owned());
    known
}

#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Arguments {
    /// By whoever builds.
    given: BTreeMap<String, String>,
    /// Of the platforms.
    automatic: BTreeMap<String, String>,
    /// Declared before the first stage.
    global: BTreeMap<String, Option<String>>,
    /// Declared in this stage, or one below it; in order.
    declared: Vec<(String, Option<String>)>,
}

impl Arguments {
    pub fn new(given: BTreeMap<String, String>, automatic: BTreeMap<String, String>) -> Self {
        Self {
            given,
            automatic,
            ..Self::default()
        }
    }

    /// `ARG` before the first `FROM`.
    pub(crate) fn declare_global(&mut self, argument: &Argument, escape: char) -> Result<(), String> {
        let default = match &argument.default {
            Some(text) => Some(self.global_word(text, escape)?),
            None => None,
        };
        let given = self.given.get(&argument.name).cloned();
        let automatic = self.automatic.get(&argument.name).cloned();
        self.global
            .insert(argument.name.clone(), given.or(default).or(automatic));
        check(self.global.iter())
    }

    /// A word of a `FROM`.
    pub(crate) fn global_word(&self, text: &str, escape: char) -> Result<String, String> {
        let lookup = |name: &str| match self.global.get(name) {
            Some(value) => value.clone(),
            None => self
                .given
                .get(name)
                .filter(|_| self.automatic.contains_key(name))
                .cloned()
                .or_else(|| self.automatic.get(name).cloned()),
        };
        let expander = Expander {
            escape,
            lookup: &lookup,
        };
        expander.word(text).map_err(|error| error.to_string())
    }

    /// `ARG` in a stage: what was given, else the default, else what it is before all stages.
    pub(crate) fn declare(&mut self, name: &str, default: Option<String>) -> Result<Option<String>, String> {
        let outer = || match self.global.get(name) {
            Some(value) => value.clone(),
            None => self.automatic.get(name).cloned(),
        };
        let value = self.given.get(name).cloned().or(default).or_else(outer);
        self.declared.retain(|(known, _)| known != name);
        self.declared.push((name.to_owned(), value.clone()));
        check(self.declared.iter().map(|(name, value)| (name, value)))?;
        Ok(value)
    }

    pub(crate) fn value(&self, name: &str) -> Option<String> {
        let declared = self.declared.iter().find(|(known, _)| known == name);
        match declared {
            Some((_, value)) => value.clone(),
            None if is_proxy(name) => self.given.get(name).cloned(),
            None => None,
        }
    }

    /// Those with a value that no `ENV` hides, as every `RUN` sees them.
    pub(crate) fn in_force(&self, settings: &Settings) -> Vec<(String, String)> {
        let hidden: HashSet<&str> = settings.env.iter().map(|(name, _)| name.as_str()).collect();
        let seen = self.declared.iter().filter(|(name, _)| !hidden.contains(name.as_str()));
        seen.filter_map(|(name, value)| Some((name.clone(), value.clone()?)))
            .collect()
    }

    /// Proxies that were given and neither declared nor hidden by `ENV`.
    pub(crate) fn proxies(&self, settings: &Settings) -> Vec<(String, String)> {
        let declared = |name: &str| self.declared.iter().any(|(known, _)| known == name);
        self.given
            .iter()
            .filter(|(name, _)| is_proxy(name) && !declared(name) && settings.variable(name).is_none())
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect()
    }

    /// Given, and meant for none of these names.
    pub(crate) fn not_among<'a>(&'a self, names: &'a [&str]) -> impl Iterator<Item = &'a str> {
        self.given.keys().map(String::as_str).filter(move |name| {
            !names.contains(name)
                && !is_proxy(name)
                && !self.automatic.contains_key(*name)
                && *name != "SOURCE_DATE_EPOCH"
                && !name.starts_with("BUILDKIT_")
        })
    }
}

fn check<'a>(all: impl Iterator<Item = (&'a String, &'a Option<String>)>) -> Result<(), String> {
    amount::check(
        "arguments",
        all.map(|(name, value)| (name, value.as_deref().unwrap_or_default())),
    )
}
