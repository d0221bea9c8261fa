//! Health: what probes say, by both doors, and that it outlives the server.

use crate::{events, host, line, mark};
use reqwest::StatusCode;
use serde_json::{Value, json};

const SECOND: u64 = 1_000_000_000;

fn probed(host: &harness::Host, probe: &str, more: Value) -> Value {
    let mut asked = line(host, "trap 'exit 0' TERM; while :; do sleep 0.05; done");
    asked["Healthcheck"] = json!({ "Test": ["CMD-SHELL", probe], "Interval": SECOND / 5, "Retries": 3 });
    for (name, value) in more.as_object().into_iter().flatten() {
        asked["Healthcheck"][name] = value.clone();
    }
    asked
}

fn is(word: &'static str) -> impl Fn(&Value) -> bool {
    move |it| it["State"]["Health"]["Status"] == word
}

fn probes(it: &Value) -> usize {
    it["State"]["Health"]["Log"].as_array().map_or(0, Vec::len)
}

#[tokio::test]
async fn health_comes_and_goes_is_told_by_both_doors_and_outlives_the_server() {
    let Some(mut host) = host().await else { return };
    let docker = host.docker();
    let probe = "head -c 9000 /dev/zero | tr '\\0' y; [ ! -e /marks/ill ]";
    let id = docker.run("web", &probed(&host, probe, json!({}))).await;
    docker.until("web", is("healthy")).await;
    mark(&host, "ill");
    let ill = docker.until("web", |it| is("unhealthy")(it) && probes(it) == 5).await;
    let health = &ill["State"]["Health"];
    assert!(health["FailingStreak"].as_u64() >= Some(3), "{health}");
    let newest = &health["Log"][4];
    assert_eq!(
        (&newest["ExitCode"], newest["Output"].as_str().map(str::len)),
        (&json!(1), Some(4096))
    );
    let words: Vec<String> = events(&host.api(), &id)
        .await
        .into_iter()
        .filter(|event| event.action == "health_status")
        .map(|event| event.attributes["health_status"].clone())
        .collect();
    assert_eq!(words, ["healthy", "unhealthy"]);
    let report: Value = host.api().get("/containers/web/health").await.expect("a report");
    assert_eq!(
        (&report["status"], report["probes"].as_array().map(Vec::len)),
        (&json!("unhealthy"), Some(5))
    );

    host.kill();
    host.start_again();
    let docker = host.docker();
    let found = docker.inspect("web").await;
    assert!(
        is("unhealthy")(&found) && probes(&found) >= 4,
        "{}",
        found["State"]["Health"]
    );
    assert!(found["State"]["Health"]["FailingStreak"].as_u64() >= Some(3));
    std::fs::remove_file(host.dir().join("marks/ill")).expect("it is there");
    docker.until("web", is("healthy")).await;

    // What was seen last can be looked at after the end.
    assert_eq!(docker.post("/containers/web/stop").await.0, StatusCode::NO_CONTENT);
    assert_eq!(probes(&docker.inspect("web").await), 5);
    let report: Value = host.api().get("/containers/web/health").await.expect("a report");
    assert_eq!(report["status"], "healthy");
}

#[tokio::test]
async fn a_probe_that_takes_too_long_is_killed_and_counts_as_failure() {
    let Some(host) = host().await else { return };
    let docker = host.docker();
    let more = json!({ "Timeout": SECOND / 5, "Retries": 1 });
    docker
        .run("slow", &probed(&host, "echo waiting; exec sleep 4321", more))
        .await;
    let ill = docker.until("slow", is("unhealthy")).await;
    let newest = &ill["State"]["Health"]["Log"][0];
    assert_eq!(newest["ExitCode"], -1);
    assert_eq!(newest["Output"], "Health check exceeded timeout (200ms): waiting\n");
    // None of them stays behind.
    docker.until("slow", |it| probes(it) >= 3).await;
    let listed: Value = host.api().get("/containers/slow/processes").await.expect("processes");
    let left = listed["items"].as_array().into_iter().flatten();
    let left = left.filter(|process| process["command"] == "sleep 4321").count();
    assert!(left <= 2, "{listed}");
}

#[tokio::test]
async fn failures_in_the_start_period_do_not_count_and_a_paused_container_is_not_probed() {
    let Some(host) = host().await else { return };
    let docker = host.docker();
    let more = json!({ "StartPeriod": 3600 * SECOND, "StartInterval": SECOND / 10, "Interval": 3600 * SECOND });
    docker
        .run(
            "young",
            &probed(&host, "echo x >> /marks/probes; [ -e /marks/up ]", more),
        )
        .await;
    let young = docker.until("young", |it| probes(it) == 5).await;
    assert!(is("starting")(&young), "{young}");
    assert_eq!(young["State"]["Health"]["FailingStreak"], 0);
    assert_eq!(docker.post("/containers/young/pause").await.0, StatusCode::NO_CONTENT);
    let count = || std::fs::read_to_string(host.dir().join("marks/probes")).map_or(0, |text| text.lines().count());
    let before = count();
    docker.run("clock", &line(&host, "sleep 1")).await;
    docker.until("clock", |it| it["State"]["Running"] == false).await;
    // One may have been under way, and writes when it is let go.
    assert!(count() <= before + 1);
    assert_eq!(docker.inspect("young").await["State"]["Health"]["FailingStreak"], 0);
    assert_eq!(docker.post("/containers/young/unpause").await.0, StatusCode::NO_CONTENT);
    mark(&host, "up");
    docker.until("young", is("healthy")).await;
}
