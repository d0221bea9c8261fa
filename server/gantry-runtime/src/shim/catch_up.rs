//! Readers that fell behind read the log instead of the live output, and come back
//! to it without a byte lost or doubled.
//!
//! That works because the log is init's output byte for byte: a record's text, and
//! a newline unless it is partial. What a reader got last may lie inside a line,
//! so the bytes of each stream's unfinished line that it already has are skipped
//! in that stream's next records: a record can be shorter than the unfinished line
//! was, since a line is cut between characters.

use super::attach::send_output;
use super::connection::Role;
use super::event_loop::Shim;
use super::log::Log;
use log_store::{Reader, Stream};

/// No more is fetched for a reader while this much waits for it.
const ENOUGH_BYTES: usize = 128 << 10;
const RECORDS: usize = 256;

#[derive(Debug)]
pub(super) struct CatchUp {
    next_seq: u64,
    /// Bytes of the next record of stdout and stderr that were sent already.
    skip: [usize; 2],
    reader: Option<Reader>,
}

fn place(stream: Stream) -> usize {
    match stream {
        Stream::Stdout => 0,
        Stream::Stderr => 1,
    }
}

impl CatchUp {
    /// Begins where the log is now: all it holds has been sent.
    pub(super) fn begin(log: &Log) -> Self {
        Self {
            next_seq: log.next_seq(),
            skip: [Stream::Stdout, Stream::Stderr].map(|stream| log.unfinished(stream).len()),
            reader: None,
        }
    }
}

impl Shim {
    /// Feeds a reader that is behind from the log; puts it back to live output when
    /// it has everything. False when it can not be served any more: records it
    /// needs were dropped or rotated away.
    pub(super) fn catch_up(&mut self, token: u64) -> bool {
        loop {
            let Some(connection) = self.connections.get_mut(&token) else {
                return true;
            };
            let enough = connection.pending() > ENOUGH_BYTES;
            let Role::Raw(raw) = &mut connection.role else {
                return true;
            };
            let Some(state) = &mut raw.catch_up else { return true };
            if enough {
                return true;
            }
            let end = self.log.committed_seq();
            if state.next_seq >= end {
                // Lines in the making reach no record until they end, or the process does.
                if self.log.next_seq() > end {
                    return true;
                }
                let skip = state.skip;
                raw.catch_up = None;
                for stream in [Stream::Stdout, Stream::Stderr] {
                    let rest = self.log.unfinished(stream).get(skip[place(stream)]..).unwrap_or(&[]);
                    if send_output(connection, stream, rest).is_err() {
                        return false;
                    }
                }
                return true;
            }
            let mut reader = match state.reader.take() {
                Some(reader) => reader,
                None => match Reader::open(&self.launch.log.dir) {
                    Ok(reader) => reader,
                    Err(_) => return false,
                },
            };
            let Ok(records) = reader.records(state.next_seq, RECORDS) else {
                return false;
            };
            state.reader = Some(reader);
            let wanted = state.next_seq;
            if records.first().is_none_or(|first| first.seq != wanted) {
                return false;
            }
            for record in records.iter().take_while(|record| record.seq < end) {
                if record.dropped.is_some() {
                    return false;
                }
                let Role::Raw(raw) = &mut connection.role else {
                    return true;
                };
                let Some(state) = &mut raw.catch_up else { return true };
                let skip = &mut state.skip[place(record.stream)];
                let sent = record.text.len().min(*skip);
                *skip -= sent;
                state.next_seq = record.seq + 1;
                let mut bytes = record.text[sent..].to_vec();
                if !record.partial {
                    bytes.push(b'\n');
                }
                if send_output(connection, record.stream, &bytes).is_err() {
                    return false;
                }
            }
        }
    }

    /// After new records were written (`kept`) or dropped: serves those who wait
    /// for them.
    pub(super) fn serve_those_behind(&mut self, kept: bool) {
        let behind: Vec<u64> = self
            .connections
            .iter()
            .filter(|(_, connection)| matches!(&connection.role, Role::Raw(raw) if raw.catch_up.is_some()))
            .map(|(token, _)| *token)
            .collect();
        for token in behind {
            if kept {
                self.advance(token);
            } else {
                // The numbers it waits for will belong to other records.
                self.disconnect(token);
            }
        }
    }
}
