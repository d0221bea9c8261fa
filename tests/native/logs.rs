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
        newest: None,
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

#[tokio::test]
async fn a_line_of_many_pieces_is_read_searched_and_downloaded_as_one() {
    let Some((_host, api)) = host().await else { return };
    api.create(&started(
        "long",
        "printf x; yes é | tr -d '\\n' | head -c 60000; echo end; echo short; printf 'no newline'",
    ))
    .await
    .expect("it runs");
    api.wait("long").await;
    let long = format!("x{}end", "é".repeat(30_000));
    let page: Page = api.get("/containers/long/logs").await.expect("lines");
    let texts: Vec<&str> = page.lines.iter().map(|line| line.text.as_str()).collect();
    assert_eq!(texts, [&long, "short", "no newline"]);
    assert_eq!((page.lines[0].first_seq, page.lines[1].first_seq), (Some(1), None));
    assert_eq!((page.lines[0].partial, page.lines[2].partial), (false, true));
    for tail in 0..=3 {
        let end: Page = api
            .get(&format!("/containers/long/logs?tail={tail}"))
            .await
            .expect("lines");
        let texts: Vec<&str> = end.lines.iter().map(|line| line.text.as_str()).collect();
        assert_eq!(texts, [&long, "short", "no newline"][3 - tail..]);
    }
    // Whatever piece it is read from.
    for from in 1..=page.lines[0].seq {
        let page: Page = api
            .get(&format!("/containers/long/logs?from={from}&max=1"))
            .await
            .expect("a line");
        assert_eq!(page.lines[0].text, long, "from {from}");
    }
    for pattern in ["x%C3%A9", "%C3%A9end", &"%C3%A9".repeat(100)] {
        let hits: Hits = api
            .get(&format!("/containers/long/logs/search?q={pattern}"))
            .await
            .expect("hits");
        assert_eq!((hits.seqs, hits.total), (vec![page.lines[0].seq], 1));
    }
    let file = api
        .request(Method::GET, "/containers/long/logs/download?timestamps=true")
        .send()
        .await
        .expect("a file");
    let file = file.text().await.expect("text");
    let lines: Vec<&str> = file.lines().collect();
    assert_eq!(lines.len(), 3);
    for (line, text) in lines.iter().zip(texts) {
        let (_, rest) = line.split_once("Z ").expect("a time");
        assert_eq!(rest, text);
    }
}

#[tokio::test]
async fn what_is_shown_is_searched() {
    let Some((_host, api)) = host().await else { return };
    let mut new = started(
        "colours",
        "printf '\\033[31merror\\033[0m: disk full\\n50%%\\r100%%\\nall done\\n'",
    );
    new.terminal = true;
    api.create(&new).await.expect("it runs");
    api.wait("colours").await;
    for (query, seqs) in [
        ("q=error%3A+disk", vec![1]),
        ("q=31m", vec![]),
        ("q=done%24&regex=true", vec![3]),
        ("q=%5E100%25%24&regex=true", vec![2]),
        ("q=50%25", vec![]),
        ("q=l&before=3", vec![1]),
        ("q=l&from=2", vec![3]),
        ("q=l&skip=1&count=false", vec![3]),
    ] {
        let hits: Hits = api
            .get(&format!("/containers/colours/logs/search?{query}"))
            .await
            .expect("hits");
        assert_eq!(hits.seqs, seqs, "{query}");
    }
}

#[tokio::test]
async fn a_follower_is_told_of_a_run_that_begins() {
    let Some((_host, api)) = host().await else { return };
    api.create(&started("again", "echo up; exec sleep 600"))
        .await
        .expect("it runs");
    let mut socket = api.socket().await;
    let topic = Topic::Logs {
        container: "again".to_owned(),
        newest: Some(10),
    };
    let ch = socket.channel(topic, Some(1)).await;
    socket.data_until(ch, |data| matches!(data, Data::Lines(_))).await;
    api.act(Method::POST, "/containers/again/restart")
        .await
        .expect("it starts again");
    let (mut runs, mut lines) = (0, 0);
    socket
        .data_until(ch, |data| {
            match data {
                Data::Runs(all) => runs = all.len(),
                Data::Lines(new) => lines += new.len(),
                _ => {}
            }
            runs == 2 && lines == 1
        })
        .await;
}
