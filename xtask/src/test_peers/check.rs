//! What an engine is asked, by a shell script, and what it must answer.

use crate::process;
use anyhow::{Result, bail};
use std::process::{Command, Stdio};

/// A sentence, a script, and what it prints.
pub(super) struct Check {
    pub(super) says: &'static str,
    pub(super) script: &'static str,
    pub(super) prints: &'static str,
}

pub(super) const fn check(says: &'static str, script: &'static str, prints: &'static str) -> Check {
    Check { says, script, prints }
}

/// For every script: waits for a condition, and reads a cgroup's file of either version.
const PRELUDE: &str = r#"
until_() { n=0; while ! eval "$1"; do n=$((n + 1)); [ $n -lt 200 ] || { echo "never: $1"; return 1; }; sleep 0.05; done; }
# runs a command line in a terminal, without what `script` adds where it has no input
terminal() { script -qec "$1" /dev/null | tr -d '\000' | sed 's/\^@//g'; }
# controller of v1, its file, the file of v2, the end of the group's name
held() {
    for group in $(find "/sys/fs/cgroup/$1$PARENT" "/sys/fs/cgroup$PARENT" -type d -name "*$4" 2>/dev/null); do
        cat "$group/$2" 2>/dev/null && return
        cat "$group/$3" 2>/dev/null && return
    done
    echo "no group of $4 has $2 or $3"
}
"#;

/// No check takes nearly as long; an engine that hangs must not hang us.
const LIMIT_SECONDS: &str = "120";

/// Asks all of them; each may count on nothing that another left.
pub(super) fn ask(engine: &str, checks: &[Check], environment: &[(&str, String)]) -> Result<()> {
    let mut failed = 0;
    for check in checks {
        let mut shell = process::command("timeout");
        shell
            .args([LIMIT_SECONDS, "bash", "-c"])
            .arg(format!("{PRELUDE}{}", check.script))
            .envs(environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null());
        let output = shell.output()?;
        let out = String::from_utf8_lossy(&output.stdout).replace('\r', "");
        if out == check.prints {
            println!("ok      {engine}: {}", check.says);
        } else {
            failed += 1;
            let err = String::from_utf8_lossy(&output.stderr);
            println!(
                "FAILED  {engine}: {}\n--- wanted\n{}--- printed\n{out}--- errors\n{err}---",
                check.says, check.prints
            );
        }
    }
    println!("{engine}: {} of {} checks passed", checks.len() - failed, checks.len());
    if failed > 0 {
        bail!("{failed} checks of {engine} failed");
    }
    Ok(())
}

/// A command line for a shell.
pub(super) fn quoted<'a>(words: impl IntoIterator<Item = &'a str>) -> String {
    let quote = |word: &str| format!("'{}'", word.replace('\'', r"'\''"));
    words.into_iter().map(quote).collect::<Vec<_>>().join(" ")
}

/// Prints the names of what is mounted, for a comparison with later.
pub(super) fn mounts() -> Result<Vec<String>> {
    let output = Command::new("awk")
        .args(["{print $5}", "/proc/self/mountinfo"])
        .output()?;
    let text = String::from_utf8_lossy(&output.stdout);
    let mut all: Vec<String> = text.lines().map(str::to_owned).collect();
    all.sort();
    Ok(all)
}
