//! A container's log, by line number.

use crate::native::body::{Path, Query, within};
use crate::native::front::Front;
use crate::native::problem::{Answer, Failure};
use crate::native::stream;
use crate::native::words::stopped_by;
use axum::Json;
use axum::extract::State;
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE, HeaderName, HeaderValue};
use axum::response::Response;
use engine::{HitRange, LogBatch, LogLine, LogPage, LogQuery, LogStream};
use model::Timestamp;
use serde::Deserialize;
use shared::logs::{Hits, Line, Page, Position, Run, Stream};
use std::time::Duration;

/// Lines of one page at most.
const MOST: usize = 10_000;
const USUAL: usize = 1_000;
/// Lines read at once for a file.
const BLOCK: usize = 2_000;
const MOST_HITS: usize = 10_000;
const SEARCH_PATIENCE: Duration = Duration::from_secs(20);

pub(in crate::native) fn line(line: LogLine) -> Line {
    let (stream, text) = match (line.dropped, line.stream) {
        (Some(count), _) => (Stream::Marker, dropped_words(count)),
        (None, LogStream::Stdout) => (Stream::Stdout, words(line.text)),
        (None, LogStream::Stderr) => (Stream::Stderr, words(line.text)),
    };
    Line {
        seq: line.seq,
        first_seq: (line.first_seq < line.seq).then_some(line.first_seq),
        time: line.time.to_string(),
        stream,
        text,
        partial: line.partial,
    }
}

fn words(text: Vec<u8>) -> String {
    String::from_utf8(text).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}

fn dropped_words(count: u64) -> String {
    format!("{count} lines could not be written and are missing here")
}

#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(in crate::native) struct Read {
    /// Number of the first line.
    from: Option<u64>,
    /// Returns only lines with a lower number.
    before: Option<u64>,
    /// Maximum number of lines, 1 to 10,000. Default: 1,000.
    max: Option<usize>,
    /// Returns the newest lines instead: how many, at most 10,000.
    tail: Option<usize>,
    /// Returns lines written at or after this time. RFC 3339.
    since: Option<String>,
    /// Returns lines written at or before this time. RFC 3339.
    until: Option<String>,
    /// `stdout` or `stderr`. Default: both.
    stream: Option<String>,
}

/// Returns log lines from `from`, or the newest lines.
///
/// Lines of other streams are filtered out after reading: a page may have fewer lines than
/// requested while more lines follow. A line longer than 16 KiB is stored in several records and
/// returned as one line, up to about 1 MiB.
#[utoipa::path(get, path = "/containers/{id}/logs", tag = "logs", params(("id" = String, Path), Read), responses((status = 200, body = Page)))]
pub(super) async fn read(
    State(front): State<Front>,
    Path(id): Path<String>,
    Query(asked): Query<Read>,
) -> Answer<Json<Page>> {
    let id = front.engine.find(&id)?;
    let logs = front.engine.logs(&id)?;
    let max = within("max", asked.max, USUAL, 1..=MOST)?;
    let tail = asked
        .tail
        .map(|tail| within("tail", Some(tail), 0, 0..=MOST))
        .transpose()?;
    let since = time("since", asked.since.as_deref())?;
    let until = time("until", asked.until.as_deref())?;
    let stream = stream_asked(asked.stream.as_deref())?;
    let before = asked.before.unwrap_or(u64::MAX);
    let LogPage {
        mut lines,
        next: read_to,
    } = match (tail, asked.from, since) {
        (Some(tail), _, _) => {
            let lines = logs.tail(tail).await?;
            let next = lines.last().map_or(0, |line| line.seq + 1);
            LogPage { lines, next }
        }
        (None, Some(from), _) => logs.lines(from, before, max).await?,
        (None, None, Some(since)) => logs.lines(logs.seq_at(since).await?, before, max).await?,
        (None, None, None) => logs.lines(0, before, max).await?,
    };
    lines.retain(|line| {
        since.is_none_or(|since| line.time >= since)
            && until.is_none_or(|until| line.time <= until)
            && stream.is_none_or(|stream| line.dropped.is_some() || line.stream == stream)
    });
    // After the lines, so that `next` is never before the last of them.
    let range = logs.range().await?;
    Ok(Json(Page {
        lines: lines.into_iter().map(line).collect(),
        first: range.first,
        next: range.next,
        read_to,
        runs: runs(&front, &id, range.first).await?,
    }))
}

/// The runs that began within what is kept.
pub(in crate::native) async fn runs(front: &Front, id: &model::container::ContainerId, first: u64) -> Answer<Vec<Run>> {
    let runs = front.engine.runs(id).await?;
    Ok(runs
        .into_iter()
        .filter(|run| run.first_line >= first)
        .map(|run| Run {
            number: run.run,
            first_seq: run.first_line,
            started: run.started.to_string(),
            ended: run.ended.map(|at| at.to_string()),
            exit_code: run.exit_code,
            oom_killed: run.oom_killed,
            stopped_by: run.stopped_by.as_ref().map(stopped_by),
        })
        .collect())
}

fn time(field: &str, text: Option<&str>) -> Answer<Option<Timestamp>> {
    let read = |text: &str| {
        Timestamp::parse_rfc3339(text)
            .ok_or_else(|| Failure::mistake(field, format!("`{text}` is not a time such as 2026-01-31T12:00:00Z")))
    };
    text.map(read).transpose()
}

fn stream_asked(word: Option<&str>) -> Answer<Option<LogStream>> {
    Ok(Some(match word {
        None => return Ok(None),
        Some("stdout") => LogStream::Stdout,
        Some("stderr") => LogStream::Stderr,
        Some(other) => {
            return Err(Failure::mistake(
                "stream",
                format!("`{other}` is neither `stdout` nor `stderr`"),
            ));
        }
    }))
}

#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(in crate::native) struct Search {
    q: String,
    /// Interprets `q` as a regular expression instead of plain text.
    #[serde(default)]
    regex: bool,
    /// Matches case-sensitively.
    #[serde(default)]
    case: bool,
    /// `stdout` or `stderr`. Default: both.
    stream: Option<String>,
    /// Maximum number of line numbers in the response, up to 10,000. Default: 1,000.
    max: Option<usize>,
    /// Skips this number of matching lines.
    skip: Option<u64>,
    /// Returns the first matching lines with this number or a higher one.
    from: Option<u64>,
    /// Returns the last matching lines with a lower number.
    before: Option<u64>,
    /// `false` ends the search at the last returned line, without counting the remaining matches.
    count: Option<bool>,
}

/// Searches the whole stored log and returns the numbers of matching lines.
///
/// The search matches the text as a terminal displays it: without escape sequences and overwritten
/// characters.
#[utoipa::path(get, path = "/containers/{id}/logs/search", tag = "logs", params(("id" = String, Path), Search), responses((status = 200, body = Hits)))]
pub(super) async fn search(
    State(front): State<Front>,
    Path(id): Path<String>,
    Query(asked): Query<Search>,
) -> Answer<Json<Hits>> {
    let logs = front.engine.logs(&front.engine.find(&id)?)?;
    let hits = match (asked.skip, asked.from, asked.before) {
        (None, None, None) => HitRange::Skip(0),
        (Some(skip), None, None) => HitRange::Skip(skip),
        (None, Some(from), None) => HitRange::From(from),
        (None, None, Some(before)) => HitRange::Before(before),
        _ => {
            return Err(Failure::mistake(
                "skip",
                "only one of `skip`, `from` and `before` can be given".to_owned(),
            ));
        }
    };
    let query = LogQuery {
        pattern: asked.q,
        regex: asked.regex,
        ignore_case: !asked.case,
        stream: stream_asked(asked.stream.as_deref())?,
        hits,
        limit: within("max", asked.max, USUAL, 0..=MOST_HITS)?,
        count: asked.count.unwrap_or(true),
        patience: Some(SEARCH_PATIENCE),
    };
    let found = logs.search(query).await?;
    Ok(Json(Hits {
        total: found.total.unwrap_or(found.seqs.len() as u64),
        seqs: found.seqs,
        rank: found.rank,
        incomplete: found.is_cut_short,
    }))
}

#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(in crate::native) struct At {
    /// RFC 3339.
    time: String,
}

/// Returns the number of the first line written at or after a given time.
#[utoipa::path(get, path = "/containers/{id}/logs/at", tag = "logs", params(("id" = String, Path), At), responses((status = 200, body = Position)))]
pub(super) async fn at(
    State(front): State<Front>,
    Path(id): Path<String>,
    Query(at): Query<At>,
) -> Answer<Json<Position>> {
    let logs = front.engine.logs(&front.engine.find(&id)?)?;
    let wanted = time("time", Some(&at.time))?.unwrap_or(Timestamp::from_unix_nanos(0));
    Ok(Json(Position {
        seq: logs.seq_at(wanted).await?,
    }))
}

#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(in crate::native) struct Download {
    /// `text` or `json` (NDJSON). Default: `text`.
    format: Option<String>,
    /// Prefixes each line of text with its timestamp.
    #[serde(default)]
    timestamps: bool,
    /// Number of the first line. Default: the oldest line.
    from: Option<u64>,
    /// Number of the last line. Default: the newest line.
    to: Option<u64>,
    /// `stdout` or `stderr`. Default: both.
    stream: Option<String>,
}

/// Downloads the current log, or a range of its lines, as a file.
#[utoipa::path(get, path = "/containers/{id}/logs/download", tag = "logs", params(("id" = String, Path), Download), responses((status = 200, body = String, content_type = "text/plain")))]
pub(super) async fn download(
    State(front): State<Front>,
    Path(id): Path<String>,
    Query(asked): Query<Download>,
) -> Answer<Response> {
    let id = front.engine.find(&id)?;
    let logs = front.engine.logs(&id)?;
    let name = front.engine.inspect(&id)?.spec.name.as_str().to_owned();
    let (is_json, extension, media_type) = match asked.format.as_deref() {
        None | Some("text") => (false, "log", "text/plain; charset=utf-8"),
        Some("json") => (true, "jsonl", "application/x-ndjson"),
        Some(other) => {
            return Err(Failure::mistake(
                "format",
                format!("`{other}` is neither `text` nor `json`"),
            ));
        }
    };
    let stream = stream_asked(asked.stream.as_deref())?;
    let range = logs.range().await?;
    let end = asked.to.map_or(range.next, |to| range.next.min(to.saturating_add(1)));
    let mut next = asked.from.unwrap_or(range.first).max(range.first);
    let mut text = TextFile {
        timestamps: asked.timestamps,
        ..TextFile::default()
    };
    let body = stream::body(move |sender| async move {
        while next < end {
            let page = logs.lines(next, end, BLOCK).await?;
            if page.next <= next {
                break;
            }
            next = page.next;
            let wanted = |line: &&LogLine| stream.is_none_or(|stream| line.dropped.is_some() || line.stream == stream);
            let mut bytes = Vec::new();
            for line in page.lines.iter().filter(wanted) {
                if is_json {
                    write_json(line, &mut bytes);
                } else {
                    text.write(line, &mut bytes);
                }
            }
            sender.send(bytes).await?;
        }
        Ok(())
    });
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
    // A container's name has no letter that would need quoting.
    if let Ok(value) = HeaderValue::from_str(&format!("attachment; filename=\"{name}.{extension}\"")) {
        headers.insert(CONTENT_DISPOSITION, value);
    }
    Ok(response)
}

/// Lines as a text file.
#[derive(Debug, Default)]
struct TextFile {
    timestamps: bool,
    /// The part of a line that was written last has no newline.
    open: Option<Open>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Open {
    /// The next part of this stream belongs to it.
    Goes(LogStream),
    /// Nothing does.
    Ended,
}

impl TextFile {
    fn write(&mut self, line: &LogLine, out: &mut Vec<u8>) {
        let continues = self.open == Some(Open::Goes(line.stream)) && line.dropped.is_none();
        if !continues {
            if self.open.is_some() {
                out.push(b'\n');
            }
            if self.timestamps {
                out.extend_from_slice(line.time.to_string().as_bytes());
                out.push(b' ');
            }
        }
        match line.dropped {
            Some(count) => out.extend_from_slice(dropped_words(count).as_bytes()),
            None => out.extend_from_slice(&line.text),
        }
        self.open = match (line.partial, line.end_of_stream) {
            (false, _) => {
                out.push(b'\n');
                None
            }
            (true, false) => Some(Open::Goes(line.stream)),
            (true, true) => Some(Open::Ended),
        };
    }
}

fn write_json(log_line: &LogLine, out: &mut Vec<u8>) {
    if serde_json::to_writer(&mut *out, &line(log_line.clone())).is_ok() {
        out.push(b'\n');
    }
}

#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(in crate::native) struct Follow {
    /// Number of the first line. Default: the next line written.
    from: Option<u64>,
}

/// Streams log lines as NDJSON until the container is removed.
#[utoipa::path(get, path = "/containers/{id}/logs/follow", tag = "logs", params(("id" = String, Path), Follow), responses((status = 200, body = Line, content_type = "application/x-ndjson")))]
pub(super) async fn follow(
    State(front): State<Front>,
    Path(id): Path<String>,
    Query(asked): Query<Follow>,
) -> Answer<([(HeaderName, HeaderValue); 1], axum::body::Body)> {
    let logs = front.engine.logs(&front.engine.find(&id)?)?;
    let from = match asked.from {
        Some(from) => from,
        None => logs.range().await?.next,
    };
    let mut follower = logs.follow(from)?;
    let mut joiner = logs.joiner(from).await?;
    Ok(stream::lines(&front, move |sender| async move {
        while let Some(batch) = follower.next().await {
            match batch {
                LogBatch::Lines(records) => {
                    let lines = records.into_iter().filter_map(|record| joiner.push(record));
                    sender.objects(lines.map(line)).await?;
                }
                LogBatch::Skipped(count) => {
                    joiner = logs.joiner(follower.next_seq()).await?;
                    let marker = Line {
                        seq: follower.next_seq(),
                        first_seq: None,
                        time: crate::now().to_string(),
                        stream: Stream::Marker,
                        text: format!("{count} lines were rotated away before they could be read"),
                        partial: false,
                    };
                    sender.objects([marker]).await?;
                }
            }
        }
        Ok(())
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(stream: LogStream, text: &str, partial: bool, end_of_stream: bool) -> LogLine {
        LogLine {
            seq: 1,
            first_seq: 1,
            time: Timestamp::from_unix_nanos(0),
            stream,
            partial,
            end_of_stream,
            dropped: None,
            text: text.as_bytes().to_vec(),
        }
    }

    #[test]
    fn a_line_in_parts_has_one_time_and_the_end_of_a_run_is_the_end_of_a_line() {
        let mut file = TextFile {
            timestamps: true,
            ..TextFile::default()
        };
        let mut out = Vec::new();
        for line in [
            part(LogStream::Stdout, "a", true, false),
            part(LogStream::Stdout, "b", false, false),
            part(LogStream::Stdout, "no newline", true, true),
            part(LogStream::Stdout, "next run", true, false),
            part(LogStream::Stderr, "err", false, false),
        ] {
            file.write(&line, &mut out);
        }
        let time = "1970-01-01T00:00:00.000000000Z";
        let wanted = format!("{time} ab\n{time} no newline\n{time} next run\n{time} err\n");
        assert_eq!(String::from_utf8(out).expect("text"), wanted);
    }
}
