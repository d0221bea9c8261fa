//! `gantry cleanup` removes what an instance has on the host, also one whose directories are gone.

use crate::{host, started};
use harness::{Host, Leftovers};
use std::fs;
use std::process::{Command, Output};

fn cleanup(host: &Host, words: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_gantry"))
        .arg("cleanup")
        .arg("--data-dir")
        .arg(host.data_dir())
        .arg("--run-dir")
        .arg(host.dir().join("run"))
        .args(words)
        .env("GANTRY_CONFIG", host.dir().join("none.toml"))
        .output()
        .expect("the program runs")
}

fn told(output: &Output) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    text(&output.stdout) + &text(&output.stderr)
}

#[tokio::test]
async fn all_of_an_instance_is_shown_and_then_removed() {
    let Some(mut host) = host().await else { return };
    fs::write(
        host.dir().join("none.toml"),
        format!("cgroup-parent = \"{}\"\n", host.cgroup_parent()),
    )
    .expect("a file");
    host.api().create(&started("web", "sleep 1000")).await.expect("it runs");
    let running = cleanup(&host, &["--yes"]);
    assert!(
        !running.status.success() && told(&running).contains("stop it first"),
        "{}",
        told(&running)
    );
    host.kill();
    // Without a confirmation it only shows.
    let before = host.leftovers();
    let shown = cleanup(&host, &[]);
    assert!(!shown.status.success());
    let instance = fs::read_to_string(host.data_dir().join("instance")).expect("a name");
    let instance = instance.trim();
    for part in [
        format!("device     gantry-{instance}"),
        format!("nftables   table ip gantry_{instance}"),
        format!("cgroup     {}/", host.cgroup_parent()),
        "gantry-runtime shim".to_owned(),
        format!("directory  {}", host.dir().join("run").display()),
    ] {
        assert!(told(&shown).contains(&part), "`{part}` is missing: {}", told(&shown));
    }
    assert_eq!(host.leftovers(), before);
    let removed = cleanup(&host, &["--yes", "--data"]);
    assert!(removed.status.success(), "{}", told(&removed));
    assert!(!host.data_dir().exists() && !host.dir().join("run").exists());
    assert_eq!(host.leftovers_of(instance), Leftovers::default());
}

#[tokio::test]
async fn an_instance_without_its_directories_is_removed_by_its_name() {
    let Some(mut host) = host().await else { return };
    fs::write(
        host.dir().join("none.toml"),
        format!("cgroup-parent = \"{}\"\n", host.cgroup_parent()),
    )
    .expect("a file");
    host.api().create(&started("web", "sleep 1000")).await.expect("it runs");
    host.kill();
    let instance = fs::read_to_string(host.data_dir().join("instance")).expect("a name");
    let instance = instance.trim();
    for dir in [host.data_dir(), host.dir().join("run")] {
        fs::remove_dir_all(dir).expect("it is removed");
    }
    let unnamed = cleanup(&host, &["--yes"]);
    assert!(
        !unnamed.status.success() && told(&unnamed).contains(instance),
        "{}",
        told(&unnamed)
    );
    let removed = cleanup(&host, &["--yes", "--instance", instance]);
    assert!(removed.status.success(), "{}", told(&removed));
    assert_eq!(host.leftovers_of(instance), Leftovers::default());
    let again = cleanup(&host, &["--yes", "--instance", instance]);
    assert!(
        again.status.success() && told(&again).contains("nothing is left"),
        "{}",
        told(&again)
    );
}
