//! What the README says of the server's switches.

use crate::root;
use std::collections::BTreeSet;
use std::process::Command;

/// The switch and the variable of each line of help; a switch without one has none.
fn told() -> BTreeSet<(String, Option<String>)> {
    let help = Command::new(env!("CARGO_BIN_EXE_gantry"))
        .args(["serve", "--help"])
        .output();
    let help = String::from_utf8(help.expect("it runs").stdout).expect("text");
    let lines = help.lines().filter(|line| line.trim_start().starts_with("--"));
    let told: BTreeSet<_> = lines
        .map(|line| {
            let switch = line.split_whitespace().next().unwrap_or_default().to_owned();
            let variable = line
                .split_once("[env: ")
                .and_then(|(_, rest)| rest.split(['=', ']']).next());
            (switch, variable.map(str::to_owned))
        })
        .collect();
    assert!(told.len() > 10, "{told:?}");
    told
}

#[test]
fn the_readme_names_every_switch_and_variable_of_the_server() {
    let readme = std::fs::read_to_string(root().join("README.md")).expect("a README");
    let rows: Vec<&str> = readme.lines().filter(|line| line.starts_with("| `--")).collect();
    for (switch, variable) in told() {
        let row = rows
            .iter()
            .find(|row| row.split(['`', ' ', ',']).any(|word| word == switch));
        let row = row.unwrap_or_else(|| panic!("`{switch}` is missing in the table of README.md: add a row"));
        if let Some(variable) = variable {
            assert!(
                row.contains(&format!("`{variable}`")),
                "README.md: `{switch}` has the variable `{variable}`"
            );
        }
    }
}
