//! Which crate may name which. The table stands in docs/ARCHITECTURE.md; adding
//! an arrow there is a decision.

use crate::root;
use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

type Arrows = BTreeMap<String, BTreeSet<String>>;

/// Lines of the form ``a, b → c d`` between the table's fences.
fn allowed() -> Arrows {
    let text = std::fs::read_to_string(root().join("docs/ARCHITECTURE.md")).expect("docs/ARCHITECTURE.md is there");
    let table = text
        .split("```arrows\n")
        .nth(1)
        .and_then(|rest| rest.split("```").next())
        .expect("it has a fence ```arrows");
    let mut arrows = Arrows::new();
    for line in table.lines() {
        let (from, to) = line
            .split_once('→')
            .unwrap_or_else(|| panic!("`{line}` in the arrow table has no →"));
        for from in from.split(',').map(str::trim) {
            let to = to
                .split_whitespace()
                .filter(|name| *name != "nothing")
                .map(str::to_owned);
            arrows.entry(from.to_owned()).or_default().extend(to);
        }
    }
    arrows
}

/// What the manifests say, without dev- and build-dependencies.
fn actual() -> Arrows {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--no-deps", "--format-version=1"])
        .current_dir(root())
        .output();
    let output = output.expect("cargo metadata runs");
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout).expect("cargo speaks JSON");
    let packages = metadata["packages"].as_array().expect("packages");
    let name = |value: &serde_json::Value| value["name"].as_str().expect("a name").to_owned();
    let ours: BTreeSet<String> = packages.iter().map(name).collect();
    let arrows_of = |package: &serde_json::Value| {
        let dependencies = package["dependencies"].as_array().expect("dependencies").iter();
        dependencies
            .filter(|d| d["kind"].is_null())
            .map(name)
            .filter(|name| ours.contains(name))
            .collect()
    };
    packages
        .iter()
        .map(|package| (name(package), arrows_of(package)))
        .collect()
}

#[test]
fn every_arrow_between_crates_is_in_the_table() {
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
        "new arrows: {new:#?}\ntake them out of the manifests, or add them to docs/ARCHITECTURE.md with a reason"
    );
}

#[test]
fn the_table_names_only_arrows_that_are_used() {
    let actual = actual();
    let mut unused = Vec::new();
    for (from, to) in allowed() {
        let used = actual.get(&from).cloned().unwrap_or_default();
        unused.extend(to.difference(&used).map(|to| format!("{from} → {to}")));
    }
    assert!(
        unused.is_empty(),
        "arrows that nobody uses: {unused:#?}\ntake them out of docs/ARCHITECTURE.md"
    );
}

#[test]
fn arrows_never_lead_back() {
    let arrows = allowed();
    fn reach(from: &str, arrows: &Arrows, path: &mut Vec<String>) {
        assert!(
            !path.iter().any(|step| step == from),
            "a circle of crates: {} → {from}",
            path.join(" → ")
        );
        path.push(from.to_owned());
        for to in arrows.get(from).into_iter().flatten() {
            reach(to, arrows, path);
        }
        path.pop();
    }
    for from in arrows.keys() {
        reach(from, &arrows, &mut Vec::new());
    }
}
