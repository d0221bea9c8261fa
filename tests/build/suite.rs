//! Every case of `cases/`. With `GANTRY_BUILDS=record` what they give is written down
//! anew.

use crate::builder::{BASE, Builder};
use crate::case::{self, Case};
use crate::outcome::Tree;
use shared::build::BuildState;

#[tokio::test(flavor = "multi_thread")]
async fn every_dockerfile_gives_what_is_written_beside_it() {
    let Some(builder) = Builder::start().await else { return };
    let base = builder.tree(BASE.replace('/', "%2F").as_str()).await;
    let record = std::env::var("GANTRY_BUILDS").is_ok_and(|word| word == "record");
    let mut wrong = Vec::new();
    let mut count = 0;
    for group in case::all() {
        let mut given = Vec::new();
        for case in &group.cases {
            count += 1;
            let outcome = check(&builder, case, &base).await;
            match outcome {
                Ok(lines) if record => given.push((case.name.clone(), lines)),
                Ok(lines) if lines != case.gives => wrong.push(format!(
                    "{}: gives\n  {}\ninstead of\n  {}",
                    case.name,
                    lines.join("\n  "),
                    case.gives.join("\n  ")
                )),
                Ok(_) => {}
                Err(message) => wrong.push(format!("{}: {message}", case.name)),
            }
        }
        if record {
            let text = std::fs::read_to_string(&group.path).expect("readable");
            std::fs::write(&group.path, case::rewrite(&text, &given)).expect("writable");
        }
    }
    println!("{count} cases");
    assert!(wrong.is_empty(), "{} of {count}:\n{}", wrong.len(), wrong.join("\n\n"));
    assert!(
        builder.left_in("builds/work").is_empty(),
        "{:?}",
        builder.left_in("builds/work")
    );
    assert!(builder.left_in("containers").is_empty());
}

/// What the case gives; of one that is to fail, nothing.
async fn check(builder: &Builder, case: &Case, base: &Tree) -> Result<Vec<String>, String> {
    let details = builder.build_case(case, "localhost/case:1").await;
    let error = details.build.problem.as_ref().map(|problem| problem.detail.clone());
    match (&case.fails, details.build.state, error) {
        (None, BuildState::Done, _) => {
            let image = details.build.image.expect("an image");
            Ok(builder.lines(&image, base).await)
        }
        (Some(wanted), BuildState::Failed, Some(error)) if error.contains(wanted.as_str()) => Ok(Vec::new()),
        (wanted, state, error) => Err(format!(
            "ended as {state:?} with {error:?} instead of {wanted:?}\n{}",
            builder.log(&builder.finish(&details.build.id).await).await
        )),
    }
}
