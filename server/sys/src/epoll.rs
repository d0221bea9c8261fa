//! Waiting for many descriptors at once. epoll(7), level-triggered.

use rustix::event::{Timespec, epoll};
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

/// What a descriptor is waited for. Errors and hang-ups are always told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Interest {
    pub read: bool,
    pub write: bool,
    /// Exceptional conditions, as cgroup event files have them. `EPOLLPRI`
    pub priority: bool,
}

impl Interest {
    pub const READ: Self = Self {
        read: true,
        write: false,
        priority: false,
    };
    pub const WRITE: Self = Self {
        read: false,
        write: true,
        priority: false,
    };

    fn flags(self) -> epoll::EventFlags {
        let mut flags = epoll::EventFlags::empty();
        flags.set(epoll::EventFlags::IN | epoll::EventFlags::RDHUP, self.read);
        flags.set(epoll::EventFlags::OUT, self.write);
        flags.set(epoll::EventFlags::PRI, self.priority);
        flags
    }
}

/// Something that happened on the descriptor added under `token`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ready {
    pub token: u64,
    /// Reading will not block: there are bytes, an end or an error.
    pub read: bool,
    pub write: bool,
    /// The other side is gone altogether. `EPOLLHUP`, `EPOLLERR`
    pub hung_up: bool,
}

/// A set of descriptors.
#[derive(Debug)]
pub struct Poll {
    epoll: OwnedFd,
}

impl Poll {
    pub fn new() -> io::Result<Self> {
        Ok(Self {
            epoll: epoll::create(epoll::CreateFlags::CLOEXEC)?,
        })
    }

    pub fn add(&self, descriptor: impl AsFd, token: u64, interest: Interest) -> io::Result<()> {
        Ok(epoll::add(
            &self.epoll,
            descriptor,
            epoll::EventData::new_u64(token),
            interest.flags(),
        )?)
    }

    pub fn modify(&self, descriptor: impl AsFd, token: u64, interest: Interest) -> io::Result<()> {
        Ok(epoll::modify(
            &self.epoll,
            descriptor,
            epoll::EventData::new_u64(token),
            interest.flags(),
        )?)
    }

    /// Must happen before the descriptor is closed if others share its open file.
    pub fn remove(&self, descriptor: impl AsFd) -> io::Result<()> {
        Ok(epoll::delete(&self.epoll, descriptor)?)
    }

    /// Waits until something is ready or `timeout` is over, and adds what is to
    /// `ready`, at most 64 at a time. A signal ends the wait early.
    pub fn wait(&self, ready: &mut Vec<Ready>, timeout: Option<Duration>) -> io::Result<()> {
        let timeout = timeout.map(|timeout| Timespec {
            tv_sec: timeout.as_secs() as i64,
            tv_nsec: i64::from(timeout.subsec_nanos()),
        });
        let mut events = [MaybeUninit::<epoll::Event>::uninit(); 64];
        let (events, _) = match epoll::wait(&self.epoll, &mut events, timeout.as_ref()) {
            Err(rustix::io::Errno::INTR) => return Ok(()),
            outcome => outcome?,
        };
        ready.extend(events.iter().map(|event| {
            // The struct is packed on x86-64: its fields are copied, not borrowed.
            let (flags, data) = (event.flags, event.data);
            let gone = epoll::EventFlags::HUP | epoll::EventFlags::ERR;
            Ready {
                token: data.u64(),
                read: flags
                    .intersects(epoll::EventFlags::IN | epoll::EventFlags::RDHUP | epoll::EventFlags::PRI | gone),
                write: flags.intersects(epoll::EventFlags::OUT | gone),
                hung_up: flags.intersects(gone),
            }
        }));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;
    use std::os::unix::net::UnixStream;

    #[test]
    fn readiness_carries_the_token() {
        let (near, mut far) = UnixStream::pair().unwrap();
        let poll = Poll::new().unwrap();
        poll.add(&near, 7, Interest::READ).unwrap();
        let mut ready = Vec::new();
        poll.wait(&mut ready, Some(Duration::ZERO)).unwrap();
        assert_eq!(ready, []);
        far.write_all(b"x").unwrap();
        poll.wait(&mut ready, None).unwrap();
        assert_eq!(
            ready,
            [Ready {
                token: 7,
                read: true,
                write: false,
                hung_up: false
            }]
        );
        poll.modify(&near, 8, Interest::WRITE).unwrap();
        ready.clear();
        drop(far);
        poll.wait(&mut ready, None).unwrap();
        assert!(ready[0].token == 8 && ready[0].hung_up);
    }
}
