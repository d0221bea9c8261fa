//! What manifests and crate roots must and must not say.

use crate::root;
use std::path::PathBuf;

/// Every crate's folder.
fn crates() -> Vec<PathBuf> {
    let server = std::fs::read_dir(root().join("server"))
        .expect("server/ is there")
        .map(|entry| entry.expect("readable").path());
    let others = ["shared", "web", "tests/harness", "xtask"].map(|folder| root().join(folder));
    server
        .chain(others)
        .filter(|folder| folder.join("Cargo.toml").exists())
        .collect()
}

fn read(path: &std::path::Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[test]
fn unsafe_code_lives_in_sys_alone() {
    for folder in crates().iter().filter(|folder| !folder.ends_with("server/sys")) {
        for file in ["src/lib.rs", "src/main.rs"]
            .map(|file| folder.join(file))
            .iter()
            .filter(|file| file.exists())
        {
            assert!(
                read(file).contains("#![forbid(unsafe_code)]"),
                "{} must say #![forbid(unsafe_code)]",
                file.display()
            );
        }
    }
}

#[test]
fn only_sys_names_the_crates_of_system_calls() {
    for folder in crates().iter().filter(|folder| !folder.ends_with("server/sys")) {
        let manifest = read(&folder.join("Cargo.toml"));
        for banned in ["libc", "nix", "rustix", "caps", "pathrs"] {
            let names = manifest
                .lines()
                .any(|line| line.split(['.', ' ', '=']).next() == Some(banned));
            assert!(
                !names,
                "{} names `{banned}`; put the call into server/sys",
                folder.display()
            );
        }
    }
}

#[test]
fn crates_below_the_server_are_synchronous() {
    for name in [
        "model",
        "sys",
        "cgroup",
        "bundle",
        "runtime",
        "shim-protocol",
        "log-store",
        "gantry-runtime",
        "network",
    ] {
        let manifest = read(&root().join("server").join(name).join("Cargo.toml"));
        let names = manifest.lines().any(|line| line.starts_with("tokio"));
        assert!(
            !names,
            "server/{name} names tokio; it is synchronous, the engine calls it on a blocking thread"
        );
    }
}

#[test]
fn the_model_is_not_serializable() {
    assert!(
        !read(&root().join("server/model/Cargo.toml")).contains("serde"),
        "server/model names serde; each form belongs to wire, disk or shim"
    );
}

#[test]
fn banned_crates_are_not_in_the_tree() {
    let deny = read(&root().join("deny.toml"));
    let lock = read(&root().join("Cargo.lock"));
    let banned = deny
        .lines()
        .filter_map(|line| line.trim().strip_prefix("{ crate = \"")?.split('"').next());
    for name in banned {
        assert!(
            !lock.contains(&format!("name = \"{name}\"\n")),
            "`{name}` is in Cargo.lock; deny.toml says why it must not be"
        );
    }
}
