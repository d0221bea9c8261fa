//! Which crate may depend on which. The table is in docs/ARCHITECTURE.md; an entry
//! there is a decision.

use crate::root;
use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

type Dependencies = BTreeMap<String, BTreeSet<String>>;

/// Lines of the form ``a, b → c d`` between the table's fences.
fn allowed() -> Dependencies {
    let text = std::fs::read_to_string(root().join("docs/ARCHITECTURE.md")).expect("docs/ARCHITECTURE.md exists");
    let table = text
        .split("```dependencies\n")
        .nth(1)
        .and_then(|rest| rest.split("```").next())
        .expect("it has a fence ```dependencies");
    let mut dependencies = Dependencies::new();
    for line in table.lines() {
        let (from, to) = line
            .split_once('→')
            .unwrap_or_else(|| panic!("`{line}` in the dependency table has no →"));
        for from in from.split(',').map(str::trim) {
            let to = to
                .split_whitespace()
                .filter(|name| *name != "nothing")
                .map(str::to_owned);
            dependencies.entry(from.to_owned()).or_default().extend(to);
        }
    }
    dependencies
}

/// The dependencies in the manifests, without dev- and build-dependencies.
fn actual() -> Dependencies {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--no-deps", "--format-version=1"])
        .current_dir(root())
        .output();
    let output = output.expect("cargo metadata runs");
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout).expect("cargo metadata prints JSON");
    let packages = metadata["packages"].as_array().expect("packages");
    let name = |value: &serde_json::Value| value["name"].as_str().expect("a name").to_owned();
    let members: BTreeSet<String> = packages.iter().map(name).collect();
    let dependencies_of = |package: &serde_json::Value| {
        let dependencies = package["dependencies"].as_array().expect("dependencies").iter();
        dependencies
            .filter(|d| d["kind"].is_null())
            .map(name)
            .filter(|name| members.contains(name))
            .collect()
    };
    packages
        .iter()
        .map(|package| (name(package), dependencies_of(package)))
        .collect()
}

#[test]
fn every_dependency_between_crates_is_in_the_table() {
    let allowed = allowed();
    let mut new = Vec::new();
    for (from, to) in actual() {
        let Some(allowed) = allowed.get(&from) else {
            new.push(format!("crate `{from}` is not in the table"));
            continue;
        };
        new.extend(to.difference(allowed).map(|to| format!("{from} → {to}")));
    }
    assert!(
        new.is_empty(),
        "new dependencies: {new:#?}\nremove them from the manifests, or add them to docs/ARCHITECTURE.md with a reason"
    );
}

#[test]
fn the_table_lists_only_dependencies_that_exist() {
    let actual = actual();
    let mut unused = Vec::new();
    for (from, to) in allowed() {
        let used = actual.get(&from).cloned().unwrap_or_default();
        unused.extend(to.difference(&used).map(|to| format!("{from} → {to}")));
    }
    assert!(
        unused.is_empty(),
        "dependencies that no manifest has: {unused:#?}\nremove them from docs/ARCHITECTURE.md"
    );
}

#[test]
fn dependencies_have_no_cycle() {
    let dependencies = allowed();
    fn visit(from: &str, dependencies: &Dependencies, path: &mut Vec<String>) {
        assert!(
            !path.iter().any(|step| step == from),
            "a cycle of crates: {} → {from}",
            path.join(" → ")
        );
        path.push(from.to_owned());
        for to in dependencies.get(from).into_iter().flatten() {
            visit(to, dependencies, path);
        }
        path.pop();
    }
    for from in dependencies.keys() {
        visit(from, &dependencies, &mut Vec::new());
    }
}
