use crate::{host, started};
use reqwest::Method;
use shared::logs::{Hits, Line, Page, Position, Stream};
use shared::socket::{Data, Topic};
use std::time::{Duration, Instant};

const MILLION: u64 = 1_000_000;

#[tokio::test]
async fn any_part_of_a_million_lines_is_read_by_number() {
    let Some((_host, api)) = host().await else { return };
    api.create(&started("big", "seq 1 1000000")).await.expect("it runs");
    assert_eq!(api.wait("big").await.exit_code, 0);
    let end: Page = api.get("/containers/big/logs?tail=2").await.expect("lines");
    assert_eq!((end.first, end.next), (1, MILLION + 1));
    assert_eq!(end.lines[1].text, "1000000");
    for from in [1, 250_000, 500_000, 777_777, 999_001] {
        let begun = Instant::now();
        let page: Page = api
            .get(&format!("/containers/big/logs?from={from}&max=500"))
            .await
            .expect("lines");
        let took = begun.elapsed();
        assert_eq!(page.lines.len(), 500);
        for (number, line) in (from..).zip(&page.lines) {
            assert_eq!((line.seq, line.text.as_str()), (number, number.to_string().as_str()));
        }
        // Wide: a read of the whole file would take far longer.
        assert!(took < Duration::from_secs(1), "500 lines at {from} took {took:?}");
    }
    let begun = Instant::now();
    let found: Hits = api
        .get("/containers/big/logs/search?q=99999&max=5")
        .await
        .expect("hits");
    let first = [99_999, 199_999, 299_999, 399_999, 499_999];
    assert!(first.starts_with(&found.seqs), "{:?}", found.seqs);
    if found.incomplete {
        assert!(begun.elapsed() >= Duration::from_secs(20), "it gave up too early");
    } else {
        assert_eq!(
            (found.seqs.len(), found.total),
            (5, 19),
            "every number that contains it"
        );
    }
    let middle: Page = api.get("/containers/big/logs?from=500000&max=1").await.expect("a line");
    let time = middle.lines[0].time.replace(':', "%3A");
    let at: Position = api
        .get(&format!("/containers/big/logs/at?time={time}"))
        .await
        .expect("a place");
    assert!(at.seq <= 500_000, "the first line of that moment: {}", at.seq);
}

#[tokio::test]
async fn streams_are_told_apart_and_a_file_holds_every_line() {
    let Some((_host, api)) = host().await else { return };
    api.create(&started(
        "two",
        "echo out; sleep 0.1; echo err >&2; sleep 0.1; printf 'no newline'",
    ))
    .await
    .expect("it runs");
    api.wait("two").await;
    let page: Page = api.get("/containers/two/logs").await.expect("lines");
    let streams: Vec<Stream> = page.lines.iter().map(|line| line.stream).collect();
    assert_eq!(streams, [Stream::Stdout, Stream::Stderr, Stream::Stdout]);
    let errors: Page = api.get("/containers/two/logs?stream=stderr").await.expect("lines");
    assert_eq!(errors.lines.len(), 1);
    assert!(api.log("two").await.starts_with("out\nerr\nno newline"));
    let file = api
        .request(Method::GET, "/containers/two/logs/download?format=json")
        .send()
        .await
        .expect("a file");
    assert!(
        file.headers()["content-disposition"]
            .to_str()
            .expect("text")
            .contains("two.jsonl")
    );
    let lines = file.text().await.expect("text");
    let first: Line = serde_json::from_str(lines.lines().next().expect("a line")).expect("an object");
    assert_eq!(first.text, "out");
}

#[tokio::test]
async fn a_followed_log_arrives_as_it_is_written() {
    let Some((_host, api)) = host().await else { return };
    api.create(&started(
        "clock",
        "i=0; while true; do i=$((i+1)); echo $i; sleep 0.05; done",
    ))
    .await
    .expect("it runs");
    let mut socket = api.socket().await;
    let topic = Topic::Logs {
        container: "clock".to_owned(),
    };
    let ch = socket.channel(topic, Some(1)).await;
    let mut next = 1;
    socket
        .data_until(ch, |data| {
            if let Data::Lines(lines) = data {
                for line in lines {
                    assert_eq!((line.seq, line.text), (next, next.to_string()));
                    next += 1;
                }
            }
            next > 20
        })
        .await;
}
