//! Logging that never waits: the records go through a buffer of fixed size to a
//! clerk, a second small process that writes them. When the disk is slower than
//! the container for longer than the buffer lasts, new records are dropped,
//! counted, and the count goes into the log in their place.
//!
//! Only containers that ask for it have a clerk. A thread would do the same, but a
//! process with threads may not clone.
//!
//! Between the two, on a unix stream: length of the rest (4 bytes), kind (1), time
//! (8), text; little-endian. The clerk says one byte when the log is open and
//! closes when all is on disk.

use super::complain;
use super::packer::Packer;
use anyhow::{Context as _, Result, bail};
use log_store::{Options, Stream, Writer};
use model::Timestamp;
use std::io::{self, Read as _, Write as _};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};
use sys::children::Deaths;
use sys::epoll::{Interest, Poll};

/// The first argument that makes this program a clerk.
pub(crate) const ARGUMENT: &str = "shim-log";

const OPEN: u8 = b'o';
/// Bits of a record's kind.
const STDERR: u8 = 1;
const PARTIAL: u8 = 2;
const LAST: u8 = 4;
/// A message that is not a record.
const DROPPED: u8 = 8;
const HEADER_BYTES: usize = 4 + 1 + 8;
/// Any buffer holds a few of the longest records.
const LEAST_BUFFER_BYTES: usize = 64 << 10;
/// How long opening may take, and at the end writing what is left.
const PATIENCE: Duration = Duration::from_secs(2);
/// What the clerk waits for.
const SOCKET: u64 = 0;
const DEATHS: u64 = 1;
/// How long the last records are tried to be written.
const LAST_TRIES: Duration = Duration::from_secs(10);
const WHY: &str = "they came faster than the disk takes them";

/// The shim's side.
#[derive(Debug)]
pub(super) struct Clerk {
    dir: PathBuf,
    options: Options,
    compress: bool,
    limit: usize,
    socket: UnixStream,
    hired: Instant,
    buffer: Vec<u8>,
    sent: usize,
    /// Dropped and not yet told.
    untold: u64,
    pub(super) dropped: u64,
}

impl Clerk {
    pub(super) fn hire(dir: &Path, options: Options, compress: bool, buffer_bytes: u64) -> Result<Self> {
        Ok(Self {
            socket: spawn(dir, options, compress)?,
            dir: dir.to_owned(),
            options,
            compress,
            limit: usize::try_from(buffer_bytes)
                .unwrap_or(usize::MAX)
                .max(LEAST_BUFFER_BYTES),
            hired: Instant::now(),
            buffer: Vec::new(),
            sent: 0,
            untold: 0,
            dropped: 0,
        })
    }

    pub(super) fn record(&mut self, time: Timestamp, stream: Stream, text: &[u8], partial: bool) {
        self.send(time, stream, text, if partial { PARTIAL } else { 0 });
    }

    /// The last record of a stream that was closed without a newline.
    pub(super) fn last(&mut self, time: Timestamp, stream: Stream, text: &[u8]) {
        self.send(time, stream, text, LAST);
    }

    fn send(&mut self, time: Timestamp, stream: Stream, text: &[u8], ending: u8) {
        let waiting = self.buffer.len() - self.sent;
        if waiting + text.len() + 3 * HEADER_BYTES > self.limit {
            self.untold += 1;
            self.dropped += 1;
            return;
        }
        self.tell_dropped(time);
        let stream = match stream {
            Stream::Stdout => 0,
            Stream::Stderr => STDERR,
        };
        self.push(stream | ending, time, text);
    }

    fn tell_dropped(&mut self, time: Timestamp) {
        if self.untold > 0 {
            let count = std::mem::take(&mut self.untold).to_le_bytes();
            self.push(DROPPED, time, &count);
        }
    }

    fn push(&mut self, kind: u8, time: Timestamp, text: &[u8]) {
        let length = u32::try_from(1 + 8 + text.len()).expect("records are cut at 16 KiB");
        self.buffer.extend_from_slice(&length.to_le_bytes());
        self.buffer.push(kind);
        self.buffer.extend_from_slice(&time.as_unix_nanos().to_le_bytes());
        self.buffer.extend_from_slice(text);
    }

    pub(super) fn is_waiting(&self) -> bool {
        self.sent < self.buffer.len()
    }

    /// Sends what the clerk takes.
    pub(super) fn flush(&mut self) {
        while self.sent < self.buffer.len() {
            match self.socket.write(&self.buffer[self.sent..]) {
                Ok(length) => self.sent += length,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    if self.sent > self.buffer.len() / 2 {
                        self.buffer.drain(..self.sent);
                        self.sent = 0;
                    }
                    return;
                }
                // It is gone; the loop hears of it by the hang-up.
                Err(_) => return,
            }
        }
        self.buffer.clear();
        self.buffer.shrink_to(4096);
        self.sent = 0;
    }

    /// Somebody killed the clerk: takes another one. What was on its way is lost.
    pub(super) fn replace(&mut self) -> Result<()> {
        if self.hired.elapsed() < Duration::from_secs(1) {
            bail!("the process that writes the log ends as soon as it begins");
        }
        self.socket = spawn(&self.dir, self.options, self.compress)?;
        self.hired = Instant::now();
        // A record cut in the middle would be read as something else.
        self.buffer.clear();
        self.sent = 0;
        Ok(())
    }

    /// Sends what is left and waits until it is on disk, if the disk is quick enough.
    pub(super) fn finish(mut self, time: Timestamp) -> Result<()> {
        self.tell_dropped(time);
        self.socket.set_nonblocking(false)?;
        self.socket.set_write_timeout(Some(PATIENCE))?;
        self.socket.set_read_timeout(Some(PATIENCE))?;
        self.socket
            .write_all(&self.buffer[self.sent..])
            .context("the log's last records were not written")?;
        self.socket.shutdown(std::net::Shutdown::Write)?;
        let end = self.socket.read(&mut [0]).context("the log is not on disk yet")?;
        if end != 0 {
            bail!("the process that writes the log does not end");
        }
        Ok(())
    }
}

impl AsFd for Clerk {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

fn spawn(dir: &Path, options: Options, compress: bool) -> Result<UnixStream> {
    let (near, far) = UnixStream::pair().context("cannot make a socket pair")?;
    // Not waited for: the shim reaps whatever child ends.
    Command::new("/proc/self/exe")
        .arg(ARGUMENT)
        .arg(dir)
        .arg(options.segment_bytes.to_string())
        .arg(options.segments.to_string())
        .arg(compress.to_string())
        .stdin(OwnedFd::from(far))
        .spawn()
        .context("cannot start the process that writes the log")?;
    near.set_read_timeout(Some(PATIENCE))?;
    let mut word = [0];
    match (&near).read(&mut word) {
        Ok(1) if word[0] == OPEN => {}
        _ => bail!("the log in `{}` cannot be opened", dir.display()),
    }
    near.set_nonblocking(true)?;
    Ok(near)
}

/// The clerk itself: writes what comes on its standard input until that ends.
pub(crate) fn run(mut arguments: impl Iterator<Item = std::ffi::OsString>) -> ExitCode {
    sys::allocator::stay_small();
    let options = (|| {
        let dir = PathBuf::from(arguments.next()?);
        let mut number = || arguments.next()?.to_str()?.parse::<u64>().ok();
        let segment_bytes = number()?;
        let segments = u32::try_from(number()?).ok()?;
        let options = Options {
            segment_bytes,
            segments,
        };
        let compress: bool = arguments.next()?.to_str()?.parse().ok()?;
        Some((compress.then(|| Packer::new(&dir)), dir, options))
    })();
    let Some((packer, dir, options)) = options else {
        return ExitCode::FAILURE;
    };
    match write(&dir, options, packer) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            complain(&error.context("the log's writer ends"));
            ExitCode::FAILURE
        }
    }
}

fn write(dir: &Path, options: Options, mut packer: Option<Packer>) -> Result<()> {
    let mut socket = UnixStream::from(sys::session::take_stdin()?);
    let mut writer = Writer::open(dir, options)?;
    let deaths = Deaths::watch()?;
    let poll = Poll::new()?;
    poll.add(&socket, SOCKET, Interest::READ)?;
    poll.add(&deaths, DEATHS, Interest::READ)?;
    socket.write_all(&[OPEN])?;
    let mut buffer = vec![0; 64 << 10];
    let mut filled = 0;
    let mut troubled = false;
    let mut ready = Vec::new();
    loop {
        ready.clear();
        poll.wait(&mut ready, None)?;
        if ready.iter().any(|event| event.token == DEATHS) {
            deaths.clear();
            while let Ok(Some((pid, _))) = sys::children::reap() {
                if let Some(packer) = &mut packer {
                    packer.ended(pid);
                }
            }
        }
        if ready.iter().all(|event| event.token != SOCKET) {
            continue;
        }
        let length = match socket.read(&mut buffer[filled..]) {
            Ok(length) => length,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error.into()),
        };
        if length == 0 {
            return finish(&mut writer);
        }
        filled += length;
        let taken = take(&buffer[..filled], &mut writer);
        buffer.copy_within(taken..filled, 0);
        filled -= taken;
        match writer.commit() {
            Ok(()) => troubled = false,
            Err(error) => {
                if !std::mem::replace(&mut troubled, true) {
                    complain(&anyhow::Error::new(error).context("log records are being dropped"));
                }
            }
        }
        if writer.take_closed()
            && let Some(packer) = &mut packer
        {
            packer.begin();
        }
    }
}

/// A disk that is full may have room again in a moment, for the mark at least.
fn finish(writer: &mut Writer) -> Result<()> {
    let end = Instant::now() + LAST_TRIES;
    loop {
        match writer.finish() {
            Err(_) if Instant::now() < end => std::thread::sleep(Duration::from_millis(200)),
            outcome => return Ok(outcome?),
        }
    }
}

/// Gives the complete messages to the writer; tells how many bytes they took.
fn take(bytes: &[u8], writer: &mut Writer) -> usize {
    let mut rest = bytes;
    while let Some((length, after)) = rest.split_first_chunk() {
        let length = u32::from_le_bytes(*length) as usize;
        let Some((message, next)) = after.split_at_checked(length) else {
            break;
        };
        rest = next;
        let Some((kind, message)) = message.split_first() else {
            continue;
        };
        let Some((time, text)) = message.split_first_chunk() else {
            continue;
        };
        let time = Timestamp::from_unix_nanos(i64::from_le_bytes(*time));
        match kind {
            &DROPPED => {
                let count = text.first_chunk().map_or(0, |count| u64::from_le_bytes(*count));
                writer.drop_records(count, time, WHY);
            }
            kind => {
                let stream = if kind & STDERR == 0 {
                    Stream::Stdout
                } else {
                    Stream::Stderr
                };
                if kind & LAST == 0 {
                    writer.append(time, stream, text, kind & PARTIAL != 0);
                } else {
                    writer.append_last(time, stream, text);
                }
            }
        }
    }
    bytes.len() - rest.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    const OPTIONS: Options = Options {
        segment_bytes: 1 << 20,
        segments: 4,
    };

    fn clerk(socket: UnixStream) -> Clerk {
        socket.set_nonblocking(true).unwrap();
        Clerk {
            dir: PathBuf::new(),
            options: OPTIONS,
            compress: false,
            limit: LEAST_BUFFER_BYTES,
            socket,
            hired: Instant::now(),
            buffer: Vec::new(),
            sent: 0,
            untold: 0,
            dropped: 0,
        }
    }

    #[test]
    fn what_a_stalled_disk_cannot_take_is_counted_and_marked_in_its_place() {
        let (near, mut far) = UnixStream::pair().unwrap();
        let mut clerk = clerk(near);
        let time = Timestamp::from_unix_nanos(1);
        // Nobody reads: the socket fills, then the buffer.
        for number in 0..5000u32 {
            clerk.record(time, Stream::Stdout, format!("{number:0200}").as_bytes(), false);
            clerk.flush();
        }
        assert!(clerk.dropped > 0);
        let dropped = clerk.dropped;
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().to_owned();
        let reading = std::thread::spawn(move || {
            let mut writer = Writer::open(path, OPTIONS).unwrap();
            let mut bytes = Vec::new();
            far.read_to_end(&mut bytes).unwrap();
            assert_eq!(take(&bytes, &mut writer), bytes.len());
            writer.finish().unwrap();
        });
        clerk.finish(time).unwrap();
        reading.join().unwrap();
        let records = log_store::Reader::open(dir.path()).unwrap().records(1, 10_000).unwrap();
        let marked: u64 = records.iter().filter_map(|record| record.dropped).sum();
        assert_eq!(marked, dropped);
        assert_eq!(
            records.iter().filter(|record| record.dropped.is_none()).count() as u64,
            5000 - dropped
        );
    }
}
