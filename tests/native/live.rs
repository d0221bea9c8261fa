use crate::{host, started};
use harness::Heard;
use reqwest::Method;
use shared::container::Container;
use shared::list::List;
use shared::socket::{Data, ServerFrame, Topic};

#[tokio::test]
async fn list_and_events_join_without_gap_or_double() {
    let Some((_host, api)) = host().await else { return };
    api.create(&started("early", "true")).await.expect("it runs");
    api.wait("early").await;
    let list: List<Container> = api.get("/containers").await.expect("a list");
    let mut socket = api.socket().await;
    let events = socket.channel(Topic::Events, Some(list.seq + 1)).await;
    api.create(&started("late", "true")).await.expect("it runs");
    let mut seqs = Vec::new();
    let mut actions = Vec::new();
    socket
        .data_until(events, |data| {
            if let Data::Events(events) = data {
                for event in events
                    .iter()
                    .filter(|event| event.attributes.get("name").map(String::as_str) == Some("late"))
                {
                    actions.push(event.action.clone());
                }
                seqs.extend(events.into_iter().map(|event| event.seq));
            }
            actions.iter().any(|action| action == "die")
        })
        .await;
    assert_eq!(actions, ["create", "start", "die"]);
    assert_eq!(seqs[0], list.seq + 1);
    assert!(seqs.windows(2).all(|pair| pair[1] == pair[0] + 1), "{seqs:?}");
}

#[tokio::test]
async fn a_sample_comes_every_second_and_a_number_of_the_future_is_reset() {
    let Some((_host, api)) = host().await else { return };
    api.create(&started("busy", "while true; do :; done"))
        .await
        .expect("it runs");
    let mut socket = api.socket().await;
    let stats = socket
        .channel(
            Topic::Stats {
                container: Some("busy".to_owned()),
            },
            None,
        )
        .await;
    socket
        .data_until(
            stats,
            |data| matches!(data, Data::Stats(samples) if samples.iter().any(|sample| sample.cpu_cores > 0.05)),
        )
        .await;
    let events = socket.channel(Topic::Events, Some(1_000_000)).await;
    loop {
        match socket.next().await {
            Heard::Frame(ServerFrame::Reset { ch }) if ch == events => break,
            Heard::Frame(ServerFrame::Problem { detail, .. }) => panic!("{detail}"),
            _ => {}
        }
    }
    api.act(Method::DELETE, "/containers/busy?force=true")
        .await
        .expect("it is removed");
    loop {
        if let Heard::Frame(ServerFrame::Closed { ch, .. }) = socket.next().await {
            assert_eq!(ch, stats, "the channel ends with its container");
            break;
        }
    }
}

#[tokio::test]
async fn a_channel_sends_no_more_than_it_was_granted() {
    let Some((_host, api)) = host().await else { return };
    api.create(&started("many", "seq 1 5000")).await.expect("it runs");
    api.wait("many").await;
    let mut socket = api.socket().await;
    let logs = Topic::Logs {
        container: "many".to_owned(),
        newest: None,
    };
    let ch = socket.channel_with(logs, Some(1), 2).await;
    let (mut frames, mut next) = (0, 1);
    // Two frames, then silence until more is granted.
    while frames < 2 {
        if let Heard::Frame(ServerFrame::Data {
            data: Data::Lines(lines),
            ..
        }) = socket.next().await
        {
            frames += 1;
            for line in lines {
                assert_eq!(line.seq, next);
                next += 1;
            }
        }
    }
    assert!(next < 5000);
    socket.say(&shared::socket::ClientFrame::Ping).await;
    assert!(
        matches!(socket.next().await, Heard::Frame(ServerFrame::Pong)),
        "nothing came before the pong"
    );
    socket.say(&shared::socket::ClientFrame::Credit { ch, n: 1000 }).await;
    socket
        .data_until(ch, |data| {
            if let Data::Lines(lines) = data {
                for line in lines {
                    assert_eq!(line.seq, next);
                    next += 1;
                }
            }
            next > 5000
        })
        .await;
}
