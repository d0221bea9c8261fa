//! Init's output on its way to the log.

use super::clerk::Clerk;
use super::packer::Packer;
use super::{complain, now_ns};
use anyhow::{Context as _, Result};
use log_store::{Lines, Options, Stream, Writer};
use model::Timestamp;
use shim_protocol::LogMode;
use std::os::fd::{AsFd as _, BorrowedFd};

#[derive(Debug)]
pub(super) struct Log {
    sink: Sink,
    stdout: Lines,
    stderr: Lines,
    /// Whether the present trouble has been complained about.
    troubled: bool,
    /// Where closed segments are to be packed, by us.
    packer: Option<Packer>,
    next_seq: u64,
    dropped: u64,
}

#[derive(Debug)]
enum Sink {
    /// Written here: the container waits for the disk.
    Writer(Writer),
    Clerk(Clerk),
    /// After the end, or where nothing is to be kept.
    Closed,
}

impl Sink {
    fn record(&mut self, time: Timestamp, stream: Stream, text: &[u8], partial: bool) {
        match self {
            Self::Writer(writer) => writer.append(time, stream, text, partial),
            Self::Clerk(clerk) => clerk.record(time, stream, text, partial),
            Self::Closed => {}
        }
    }

    fn last(&mut self, time: Timestamp, stream: Stream, text: &[u8]) {
        match self {
            Self::Writer(writer) => writer.append_last(time, stream, text),
            Self::Clerk(clerk) => clerk.last(time, stream, text),
            Self::Closed => {}
        }
    }
}

impl Log {
    pub(super) fn open(settings: &shim_protocol::Log) -> Result<Self> {
        let options = Options {
            segment_bytes: settings.segment_bytes,
            segments: settings.segments,
        };
        let sink = match settings.mode {
            LogMode::Off => Sink::Closed,
            LogMode::Blocking => Sink::Writer(Writer::open(&settings.dir, options)?),
            LogMode::NonBlocking { buffer_bytes } => {
                Sink::Clerk(Clerk::hire(&settings.dir, options, settings.compress, buffer_bytes)?)
            }
        };
        let packs = settings.compress && matches!(sink, Sink::Writer(_));
        let next_seq = match &sink {
            Sink::Writer(writer) => writer.next_seq(),
            Sink::Clerk(_) | Sink::Closed => 0,
        };
        Ok(Self {
            sink,
            stdout: Lines::default(),
            stderr: Lines::default(),
            troubled: false,
            packer: packs.then(|| Packer::new(&settings.dir)),
            next_seq,
            dropped: 0,
        })
    }

    /// Takes what was read from a stream.
    pub(super) fn push(&mut self, stream: Stream, bytes: &[u8]) {
        let time = Timestamp::from_unix_nanos(now_ns());
        let Self {
            sink, stdout, stderr, ..
        } = self;
        let lines = match stream {
            Stream::Stdout => stdout,
            Stream::Stderr => stderr,
        };
        lines.push(bytes, |text, partial| sink.record(time, stream, text, partial));
    }

    /// Writes what was taken; tells whether all of it is kept. What is not has been
    /// counted and will be marked.
    pub(super) fn commit(&mut self) -> bool {
        let writer = match &mut self.sink {
            Sink::Writer(writer) => writer,
            Sink::Clerk(clerk) => {
                clerk.flush();
                self.dropped = clerk.dropped;
                return true;
            }
            Sink::Closed => return true,
        };
        let dropped_before = self.dropped;
        let outcome = writer.commit();
        self.next_seq = writer.next_seq();
        self.dropped = writer.dropped();
        if writer.take_closed()
            && let Some(packer) = &mut self.packer
        {
            packer.begin();
        }
        match outcome {
            Ok(()) => self.troubled = false,
            Err(error) => {
                if !std::mem::replace(&mut self.troubled, true) {
                    complain(&anyhow::Error::new(error).context("log records are being dropped"));
                }
            }
        }
        self.dropped == dropped_before
    }

    /// Writes unfinished lines too and waits for the disk. May be tried again where
    /// the disk is full, since the mark for what was lost is to get there.
    pub(super) fn finish(&mut self) -> Result<()> {
        let time = Timestamp::from_unix_nanos(now_ns());
        // Nothing may be written where the container's files are removed next.
        self.packer = None;
        let Self {
            sink, stdout, stderr, ..
        } = self;
        for (lines, stream) in [(stdout, Stream::Stdout), (stderr, Stream::Stderr)] {
            lines.finish(|text, _| sink.last(time, stream, text));
        }
        if let Sink::Writer(writer) = sink {
            let outcome = writer.finish().context("cannot finish the log");
            self.next_seq = writer.next_seq();
            self.dropped = writer.dropped();
            return outcome;
        }
        match std::mem::replace(sink, Sink::Closed) {
            Sink::Clerk(clerk) => clerk.finish(time).context("cannot finish the log"),
            Sink::Writer(_) | Sink::Closed => Ok(()),
        }
    }

    /// Lets go of the log, for the next run to write on.
    pub(super) fn close(&mut self) {
        self.sink = Sink::Closed;
    }

    /// Whether every record stays in the log, so that a slow reader may read there.
    pub(super) fn is_complete(&self) -> bool {
        matches!(self.sink, Sink::Writer(_))
    }

    /// The number of the next record, including those not committed yet.
    pub(super) fn next_seq(&self) -> u64 {
        match &self.sink {
            Sink::Writer(writer) => writer.next_seq(),
            Sink::Clerk(_) | Sink::Closed => self.next_seq,
        }
    }

    /// The number behind the last record on disk.
    pub(super) fn committed_seq(&self) -> u64 {
        self.next_seq
    }

    /// The beginning of a line that has not ended yet; no record has it.
    pub(super) fn unfinished(&self, stream: Stream) -> &[u8] {
        match stream {
            Stream::Stdout => self.stdout.unfinished(),
            Stream::Stderr => self.stderr.unfinished(),
        }
    }

    pub(super) fn dropped(&self) -> u64 {
        self.dropped
    }

    /// The way to the clerk, when there is one.
    pub(super) fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        match &self.sink {
            Sink::Clerk(clerk) => Some(clerk.as_fd()),
            Sink::Writer(_) | Sink::Closed => None,
        }
    }

    /// Whether records wait for the clerk.
    pub(super) fn is_waiting(&self) -> bool {
        matches!(&self.sink, Sink::Clerk(clerk) if clerk.is_waiting())
    }

    /// A child has ended that is no process of the container.
    pub(super) fn child_ended(&mut self, pid: i32) {
        if let Some(packer) = &mut self.packer {
            packer.ended(pid);
        }
    }

    /// The clerk is gone. Without one records are counted as dropped by nobody, so
    /// the log is closed where none can be had.
    pub(super) fn replace_clerk(&mut self) {
        if let Sink::Clerk(clerk) = &mut self.sink
            && let Err(error) = clerk.replace()
        {
            complain(&error.context("the log is closed"));
            self.sink = Sink::Closed;
        }
    }
}
