//! Every kept input, then about a second of inputs made from those, always in the same
//! order. What breaks a target is written down, to be kept once the target is mended.

mod mutation;

use fuzz::{TARGETS, Target};
use mutation::Mutation;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

const TIME: Duration = Duration::from_secs(1);

fn corpus(target: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target)
}

/// Each file of the target's corpus, by name.
fn kept(target: &Target) -> Vec<(String, Vec<u8>)> {
    let listed = fs::read_dir(corpus(target.name)).unwrap_or_else(|error| panic!("corpus/{}: {error}", target.name));
    let mut inputs: Vec<(String, Vec<u8>)> = listed
        .map(|entry| entry.unwrap())
        .map(|entry| {
            (
                entry.file_name().into_string().unwrap(),
                fs::read(entry.path()).unwrap(),
            )
        })
        .collect();
    inputs.sort();
    assert!(
        !inputs.is_empty(),
        "corpus/{} is empty: nothing is replayed",
        target.name
    );
    inputs
}

fn replay(name: &str) {
    let target = fuzz::find(name).unwrap();
    let inputs = kept(&target);
    for (file, bytes) in &inputs {
        attempt(&target, bytes, &format!("corpus/{name}/{file}"));
    }
    let seeds: Vec<Vec<u8>> = inputs.into_iter().map(|(_, bytes)| bytes).collect();
    let mut mutation = Mutation::of(&seeds);
    let (begun, mut count) = (Instant::now(), 0);
    while begun.elapsed() < TIME {
        let bytes = mutation.next();
        attempt(&target, &bytes, "a new input");
        count += 1;
    }
    println!("{name}: {} kept, {count} new", seeds.len());
}

fn attempt(target: &Target, bytes: &[u8], what: &str) {
    let Err(panic) = catch_unwind(AssertUnwindSafe(|| (target.run)(bytes))) else {
        return;
    };
    let file = std::env::temp_dir().join(format!("fuzz-{}-{}", target.name, std::process::id()));
    let _ = fs::write(&file, bytes);
    eprintln!("{what} broke `{}`; it is in {}", target.name, file.display());
    resume_unwind(panic);
}

macro_rules! targets {
    ($($test:ident: $name:literal),* $(,)?) => {
        const TESTED: &[&str] = &[$($name),*];
        $(#[test] fn $test() { replay($name); })*
    };
}

targets! {
    any_config_is_planned_or_refused: "config",
    any_profile_is_compiled_to_what_it_says: "seccomp",
    any_frames_are_read_however_they_arrive: "shim",
    any_output_comes_back_from_the_log: "log",
    any_word_is_understood_or_refused: "words",
    no_odd_user_becomes_root: "user",
    any_manifest_is_read_or_refused: "manifest",
    any_image_configuration_is_read_or_refused: "image-config",
    no_layer_leaves_its_directory: "layer",
    any_archive_of_images_is_taken_or_refused: "archive",
    any_dockerfile_is_planned_or_its_mistake_is_told: "dockerfile",
    no_dockerignore_takes_long: "dockerignore",
}

#[test]
fn every_target_is_replayed() {
    let all: Vec<&str> = TARGETS.iter().map(|target| target.name).collect();
    assert_eq!(TESTED, all);
}
