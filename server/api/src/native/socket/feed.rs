//! What channels bring, besides consoles. Each reads from a source that keeps what
//! a slow client has not taken yet, or that only has a present.

use super::builds;
use super::channel::{Channel, Stop};
use crate::native::front::Front;
use crate::native::{container, event, stats, task};
use engine::{LogBatch, LogLine, Task};
use futures_util::FutureExt as _;
use shared::socket::{Data, Topic};
use std::time::Duration;

/// Of one data frame, at most.
const EVENTS: usize = 200;
const LINES: usize = 250;
const LINE_BYTES: usize = 256 << 10;
/// Progress is told at most this often.
pub(super) const PAUSE: Duration = Duration::from_millis(100);

/// Until the source ends; the answer is why it did.
///
/// With `sees_values` false, what may hold values of variables is left out.
pub(super) async fn run(
    front: &Front,
    channel: Channel,
    topic: Topic,
    from: Option<u64>,
    sees_values: bool,
) -> Result<String, Stop> {
    match topic {
        Topic::Events => events(front, &channel, from).await,
        Topic::Stats { container } => of_containers(front, &channel, container.as_deref()).await,
        Topic::HostStats => of_host(front, &channel).await,
        Topic::Logs { container, newest } => logs(front, &channel, &container, from, newest).await,
        Topic::Tasks { task } => tasks(front, &channel, task.as_deref(), sees_values).await,
        Topic::Builds { build: None } => builds::all(front, &channel, sees_values).await,
        Topic::Builds { build: Some(build) } => builds::one(front, &channel, &build).await,
        Topic::BuildLog { build } => builds::lines(front, &channel, &build, from).await,
        Topic::Attach { .. } | Topic::Exec { .. } => Ok(String::new()),
    }
}

pub(super) fn server_ends() -> String {
    "the server is ending".to_owned()
}

async fn events(front: &Front, channel: &Channel, from: Option<u64>) -> Result<String, Stop> {
    let engine = &front.engine;
    channel.opened().await?;
    let mut after = from.map(|from| from.saturating_sub(1));
    if let Some(wanted) = after {
        // Old ones go; and a number of the future is of another database.
        let oldest = engine.past_events(wanted, 1).await?;
        let gone = oldest.first().is_some_and(|event| event.seq > wanted + 1);
        if gone || wanted > engine.last_seq() {
            channel.reset().await?;
            after = None;
        }
    }
    let mut events = engine.events(after);
    while let Some(first) = events.next().await {
        let mut seq = first.seq + 1;
        let mut batch = vec![event::shown(&first)];
        while batch.len() < EVENTS
            && let Some(Some(next)) = events.next().now_or_never()
        {
            seq = next.seq + 1;
            batch.push(event::shown(&next));
        }
        channel.data(seq, Data::Events(batch)).await?;
    }
    Ok(server_ends())
}

async fn of_containers(front: &Front, channel: &Channel, container: Option<&str>) -> Result<String, Stop> {
    let only = container.map(|text| front.engine.find(text)).transpose()?;
    let mut rounds = front.engine.stats_rounds();
    channel.opened().await?;
    loop {
        let round = rounds.borrow_and_update().clone();
        let samples = round
            .containers
            .iter()
            .filter(|sample| only.as_ref().is_none_or(|only| sample.container == *only))
            .map(|sample| stats::shown(sample, round.host.memory_total_bytes))
            .collect();
        channel.data(0, Data::Stats(samples)).await?;
        if let Some(id) = &only
            && front.engine.inspect(id).is_err()
        {
            return Ok("the container was removed".to_owned());
        }
        if rounds.changed().await.is_err() {
            return Ok(server_ends());
        }
    }
}

async fn of_host(front: &Front, channel: &Channel) -> Result<String, Stop> {
    let mut rounds = front.engine.stats_rounds();
    channel.opened().await?;
    loop {
        let sample = stats::shown_host(&rounds.borrow_and_update().host);
        channel.data(0, Data::HostStats(sample)).await?;
        if rounds.changed().await.is_err() {
            return Ok(server_ends());
        }
    }
}

async fn logs(
    front: &Front,
    channel: &Channel,
    container: &str,
    from: Option<u64>,
    newest: Option<u32>,
) -> Result<String, Stop> {
    let id = front.engine.find(container)?;
    let logs = front.engine.logs(&id)?;
    let mut view = front.engine.watch(&id)?;
    let mut told_run = view.borrow_and_update().run;
    let range = logs.range().await?;
    channel.opened().await?;
    let from = match from {
        // A number of the future is of a container that had the name before.
        Some(from) if from > range.next => {
            channel.reset().await?;
            range.next
        }
        Some(from) => from,
        None => range.next,
    };
    let mut follower = logs.follow(from)?;
    if let Some(newest) = newest {
        follower.newest_only(newest.into());
    }
    let mut joiner = logs.joiner(from).await?;
    let mut is_removed = false;
    loop {
        let batch = tokio::select! {
            batch = follower.next() => batch,
            changed = view.changed(), if !is_removed => {
                is_removed = changed.is_err();
                let run = view.borrow_and_update().run;
                if run != told_run {
                    let runs = container::runs(front, &id, range.first).await?;
                    // The number changes first; the run is stored once it has started.
                    if runs.last().is_some_and(|last| last.number == run) {
                        told_run = run;
                        channel.data(follower.next_seq(), Data::Runs(runs)).await?;
                    }
                }
                continue;
            }
        };
        match batch {
            None => return Ok("the container was removed".to_owned()),
            Some(LogBatch::Skipped(count)) => {
                joiner = logs.joiner(follower.next_seq()).await?;
                channel.gap(count).await?;
            }
            Some(LogBatch::Lines(records)) => {
                let lines = records.into_iter().filter_map(|record| joiner.push(record)).collect();
                for part in parts(lines) {
                    let seq = part.last().map_or(0, |line| line.seq + 1);
                    let lines = part.into_iter().map(container::line).collect();
                    channel.data(seq, Data::Lines(lines)).await?;
                }
            }
        }
    }
}

/// In pieces that a frame can hold, in their order.
fn parts(lines: Vec<LogLine>) -> Vec<Vec<LogLine>> {
    let mut parts: Vec<Vec<LogLine>> = Vec::new();
    let mut bytes = 0;
    for line in lines {
        bytes += line.text.len();
        match parts.last_mut() {
            Some(part) if part.len() < LINES && bytes <= LINE_BYTES => part.push(line),
            _ => {
                bytes = line.text.len();
                parts.push(vec![line]);
            }
        }
    }
    parts
}

async fn tasks(front: &Front, channel: &Channel, only: Option<&str>, sees_values: bool) -> Result<String, Stop> {
    let only = only.map(task::find).transpose()?;
    let mut changes = front.engine.watch_tasks();
    let mut told: Vec<Task> = Vec::new();
    channel.opened().await?;
    loop {
        changes.borrow_and_update();
        let mut now = match &only {
            Some(id) => vec![front.engine.task(id)?],
            None => front.engine.tasks(),
        };
        let news = now
            .iter()
            .filter(|task| !told.contains(task))
            .map(|one| task::shown_to(one, sees_values))
            .collect::<Vec<_>>();
        if !news.is_empty() {
            channel.data(0, Data::Tasks(news)).await?;
        }
        std::mem::swap(&mut told, &mut now);
        if only.is_some() && told.iter().all(|task| task.state.is_over()) {
            return Ok("the task is over".to_owned());
        }
        tokio::time::sleep(PAUSE).await;
        if changes.changed().await.is_err() {
            return Ok(server_ends());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(seq: u64, bytes: usize) -> LogLine {
        LogLine {
            seq,
            first_seq: seq,
            time: model::Timestamp::from_unix_nanos(0),
            stream: engine::LogStream::Stdout,
            partial: false,
            end_of_stream: false,
            dropped: None,
            text: vec![b'x'; bytes],
        }
    }

    #[test]
    fn many_or_long_lines_become_several_frames_in_order() {
        let lines: Vec<LogLine> = (0..600)
            .map(|seq| line(seq, 10))
            .chain((600..640).map(|seq| line(seq, 16 << 10)))
            .collect();
        let parts = parts(lines);
        let seqs: Vec<u64> = parts.iter().flatten().map(|line| line.seq).collect();
        assert_eq!(seqs, (0..640).collect::<Vec<_>>());
        let bytes = |part: &Vec<LogLine>| part.iter().map(|line| line.text.len()).sum::<usize>();
        assert!(
            parts
                .iter()
                .all(|part| part.len() <= LINES && bytes(part) <= LINE_BYTES)
        );
    }
}
