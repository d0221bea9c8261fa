//! `list`: every container below the root.

use super::arguments::{Argument, Arguments, Global, unknown};
use super::state_file::{StateFile, Status};
use anyhow::{Context as _, Result};
use serde::Serialize;
use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

pub(super) fn list(global: &Global, mut arguments: Arguments) -> Result<()> {
    let (mut quiet, mut as_json) = (false, false);
    while let Some(argument) = arguments.next()? {
        match argument {
            Argument::Switch(name) if matches!(name.as_str(), "q" | "quiet") => quiet = true,
            Argument::Switch(name) if matches!(name.as_str(), "f" | "format") => {
                as_json = arguments.is_json_format()?;
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
        let items: Vec<Item<'_>> = states
            .iter()
            .map(|state| {
                let status = state.status(global)?;
                Ok(Item {
                    oci_version: bundle::config_file::OCI_VERSION,
                    id: &state.id,
                    pid: if status == Status::Stopped { 0 } else { state.pid },
                    status: status.word(),
                    bundle: &state.bundle,
                    rootfs: &state.rootfs,
                    created: &state.created,
                    annotations: &state.annotations,
                    owner: owner(global, state),
                })
            })
            .collect::<Result<_>>()?;
        println!("{}", serde_json::to_string(&items)?);
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

/// The state of a container, with its fields in the order that other runtimes write them.
#[derive(Serialize)]
struct Item<'a> {
    #[serde(rename = "ociVersion")]
    oci_version: &'a str,
    id: &'a str,
    pid: i32,
    status: &'a str,
    bundle: &'a Path,
    rootfs: &'a Path,
    created: &'a str,
    annotations: &'a BTreeMap<String, String>,
    owner: String,
}

/// Whose state it is: by name for root alone, since names of others are elsewhere.
fn owner(global: &Global, state: &StateFile) -> String {
    match fs::metadata(global.root.join(&state.id)).map(|found| found.uid()) {
        Ok(0) => "root".to_owned(),
        Ok(user) => user.to_string(),
        Err(_) => String::new(),
    }
}
