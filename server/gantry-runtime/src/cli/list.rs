//! `list`: every container below the root.

use super::arguments::{Argument, Arguments, Global, unknown};
use super::state_file::StateFile;
use anyhow::{Context as _, Result};
use serde_json::Value;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;

pub(super) fn list(global: &Global, mut arguments: Arguments) -> Result<()> {
    let (mut quiet, mut as_json) = (false, false);
    while let Some(argument) = arguments.next()? {
        match argument {
            Argument::Switch(name) if matches!(name.as_str(), "q" | "quiet") => quiet = true,
            Argument::Switch(name) if matches!(name.as_str(), "f" | "format") => {
                as_json = arguments.is_json_format()?
            }
            Argument::Switch(name) => return unknown(&name),
            Argument::Operand(_) => {}
        }
    }
    let entries = match fs::read_dir(&global.root) {
        // The default place is made with the first container.
        Err(error) if error.kind() == io::ErrorKind::NotFound && !global.root_is_given => None,
        outcome => Some(outcome.with_context(|| format!("cannot list `{}`", global.root.display()))?),
    };
    let mut ids: Vec<String> = entries
        .into_iter()
        .flatten()
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .collect();
    ids.sort();
    // One that is half made or half removed has no state to show.
    let states: Vec<StateFile> = ids.iter().filter_map(|id| StateFile::load(global, id).ok()).collect();
    if as_json {
        let items: Vec<Value> = states
            .iter()
            .map(|state| {
                let mut item = state.to_oci(state.status(global)?);
                item["owner"] = owner(global, state).into();
                Ok(item)
            })
            .collect::<Result<_>>()?;
        println!("{}", Value::Array(items));
        return Ok(());
    }
    if !quiet {
        println!(
            "{:<24} {:<8} {:<8} {:<32} {:<30} OWNER",
            "ID", "PID", "STATUS", "BUNDLE", "CREATED"
        );
    }
    for state in states {
        if quiet {
            println!("{}", state.id);
        } else {
            println!(
                "{:<24} {:<8} {:<8} {:<32} {:<30} {}",
                state.id,
                state.pid,
                state.status(global)?.word(),
                state.bundle.display(),
                state.created,
                owner(global, &state)
            );
        }
    }
    Ok(())
}

/// Whose state it is: by name for root alone, since names of others are elsewhere.
fn owner(global: &Global, state: &StateFile) -> String {
    match fs::metadata(global.root.join(&state.id)).map(|found| found.uid()) {
        Ok(0) => "root".to_owned(),
        Ok(user) => user.to_string(),
        Err(_) => String::new(),
    }
}
