//! A connection to systemd's manager. org.freedesktop.systemd1(5); D-Bus Specification,
//! "Authentication Protocol"

use super::SystemdError;
use super::message::{self, ANSWER, Body, FAILURE, Incoming, Method, SIGNAL};
use std::io::{self, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::time::Duration;

/// Of the bus, and of systemd itself, which answers root where no bus runs.
const SOCKETS: [(&str, Peer); 2] = [
    ("/run/dbus/system_bus_socket", Peer::Bus),
    ("/run/systemd/private", Peer::Manager),
];

/// How long an answer, or the end of a job, may take. systemd itself gives jobs more, but
/// a scope has nothing to wait for.
const PATIENCE: Duration = Duration::from_secs(30);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Peer {
    Bus,
    Manager,
}

#[derive(Debug)]
pub(super) struct Connection {
    stream: UnixStream,
    serial: u32,
    /// What came and was not looked at.
    bytes: Vec<u8>,
    /// Jobs that have ended, and how, since the connection was made.
    ended: Vec<(String, String)>,
}

const fn of_bus(name: &'static str, signature: &'static str) -> Method {
    Method {
        destination: "org.freedesktop.DBus",
        path: "/org/freedesktop/DBus",
        interface: "org.freedesktop.DBus",
        name,
        signature,
    }
}

const fn of_manager(name: &'static str, signature: &'static str) -> Method {
    Method {
        destination: "org.freedesktop.systemd1",
        path: "/org/freedesktop/systemd1",
        interface: "org.freedesktop.systemd1.Manager",
        name,
        signature,
    }
}

const HELLO: Method = of_bus("Hello", "");
const ADD_MATCH: Method = of_bus("AddMatch", "s");
const SUBSCRIBE: Method = of_manager("Subscribe", "");
pub(super) const START_TRANSIENT_UNIT: Method = of_manager("StartTransientUnit", "ssa(sv)a(sa(sv))");
pub(super) const STOP_UNIT: Method = of_manager("StopUnit", "ss");
pub(super) const SET_UNIT_PROPERTIES: Method = of_manager("SetUnitProperties", "sba(sv)");

const JOB_REMOVED: &str = "JobRemoved";
const JOBS: &str = "type='signal',interface='org.freedesktop.systemd1.Manager',member='JobRemoved'";

impl Connection {
    pub(super) fn open() -> Result<Self, SystemdError> {
        let mut refused = None;
        for (path, peer) in SOCKETS {
            match UnixStream::connect(path) {
                Ok(stream) => {
                    return Self::begin(stream, peer).map_err(|source| SystemdError::Connection { source });
                }
                Err(error) => refused = refused.or(Some(error)),
            }
        }
        let source = refused.unwrap_or_else(|| io::ErrorKind::NotFound.into());
        Err(SystemdError::Connection { source })
    }

    fn begin(stream: UnixStream, peer: Peer) -> io::Result<Self> {
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        let mut connection = Self {
            stream,
            serial: 0,
            bytes: Vec::new(),
            ended: Vec::new(),
        };
        connection.authenticate()?;
        let plain = |outcome: Result<Incoming, SystemdError>| match outcome {
            Ok(_) => Ok(()),
            Err(SystemdError::Connection { source }) => Err(source),
            Err(error) => Err(io::Error::other(error.to_string())),
        };
        if peer == Peer::Bus {
            plain(connection.call(HELLO, &Body::default()))?;
            let mut rule = Body::default();
            rule.text(JOBS);
            plain(connection.call(ADD_MATCH, &rule))?;
        }
        plain(connection.call(SUBSCRIBE, &Body::default()))?;
        Ok(connection)
    }

    /// `EXTERNAL`: the kernel tells the other side who this is.
    fn authenticate(&mut self) -> io::Result<()> {
        let (user, _) = sys::user::own_ids();
        // The number's digits, each as the hexadecimal code of its letter: `30` is 0.
        let mut digits = String::new();
        for digit in user.to_string().chars() {
            digits.push('3');
            digits.push(digit);
        }
        self.stream
            .write_all(format!("\0AUTH EXTERNAL {digits}\r\n").as_bytes())?;
        let mut line = Vec::new();
        while !line.ends_with(b"\r\n") {
            let mut byte = [0];
            self.stream.read_exact(&mut byte)?;
            line.push(byte[0]);
            if line.len() > 1024 {
                return Err(io::Error::other("it speaks no D-Bus"));
            }
        }
        if !line.starts_with(b"OK ") {
            let said = String::from_utf8_lossy(&line);
            return Err(io::Error::other(format!(
                "it does not let this user in: {}",
                said.trim()
            )));
        }
        self.stream.write_all(b"BEGIN\r\n")
    }

    /// Calls and waits for the answer.
    pub(super) fn call(&mut self, method: Method, body: &Body) -> Result<Incoming, SystemdError> {
        self.serial += 1;
        let bytes = message::call(method, self.serial, body);
        let failed = |source| SystemdError::Connection { source };
        self.stream.write_all(&bytes).map_err(failed)?;
        loop {
            let message = self.receive().map_err(failed)?;
            if message.reply_to != self.serial {
                continue;
            }
            match message.kind {
                ANSWER => return Ok(message),
                FAILURE => {
                    let said = message.reader().text().unwrap_or_default();
                    return Err(SystemdError::Refused {
                        method: method.name,
                        name: message.error,
                        said,
                    });
                }
                _ => {}
            }
        }
    }

    /// Calls what begins a job, and waits for its end.
    pub(super) fn do_job(&mut self, method: Method, body: &Body) -> Result<(), SystemdError> {
        self.ended.clear();
        let answer = self.call(method, body)?;
        let job = answer.reader().text().unwrap_or_default();
        loop {
            if let Some((_, result)) = self.ended.iter().find(|(ended, _)| *ended == job) {
                return match result.as_str() {
                    "done" | "skipped" => Ok(()),
                    result => Err(SystemdError::Job {
                        method: method.name,
                        result: result.to_owned(),
                    }),
                };
            }
            self.receive().map_err(|source| SystemdError::Connection { source })?;
        }
    }

    /// The next message; of signals the ends of jobs are kept.
    fn receive(&mut self) -> io::Result<Incoming> {
        let message = loop {
            if let Some(message) = Incoming::take(&mut self.bytes).map_err(io::Error::other)? {
                break message;
            }
            let mut piece = [0; 4096];
            match self.stream.read(&mut piece) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(length) => self.bytes.extend(&piece[..length]),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    let why = format!("it said nothing for {} s", PATIENCE.as_secs());
                    return Err(io::Error::new(io::ErrorKind::TimedOut, why));
                }
                Err(error) => return Err(error),
            }
        };
        if message.kind == SIGNAL && message.member == JOB_REMOVED {
            let mut reader = message.reader();
            if let (Some(_), Some(job), Some(_), Some(result)) =
                (reader.u32(), reader.text(), reader.text(), reader.text())
            {
                self.ended.push((job, result));
            }
        }
        Ok(message)
    }
}
