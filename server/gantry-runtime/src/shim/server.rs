//! The shim's socket: who comes, and what they turn out to be.

use super::complain;
use super::connection::{Connection, Role};
use super::console::problem;
use super::event_loop::{Shim, Source};
use anyhow::Context as _;
use shim_protocol::{CONTROL_BUFFER_BYTES, FrameError, FromShim, Hello, Inbox, Problem, Reply, Request};
use std::io;
use std::os::unix::net::UnixStream;
use sys::epoll::Interest;

/// More at once are turned away: descriptors are needed for execs too.
const MOST_CONNECTIONS: usize = 256;

impl Shim {
    pub(super) fn accept(&mut self) {
        loop {
            match self.listener.accept() {
                Ok((stream, _)) => {
                    // The socket's mode keeps strangers out; this says so a second time.
                    let known = sys::unix_socket::peer_uid(&stream).is_ok_and(|uid| uid == sys::unix_socket::own_uid());
                    let room = self.connections.len() < MOST_CONNECTIONS;
                    if known
                        && room
                        && let Err(error) = self.adopt(stream, Role::New(Inbox::default()))
                    {
                        complain(&error);
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(error) => {
                    complain(&anyhow::Error::new(error).context("cannot accept a connection"));
                    return;
                }
            }
        }
    }

    /// Takes a connection into the loop.
    pub(super) fn adopt(&mut self, stream: UnixStream, role: Role) -> anyhow::Result<u64> {
        let connection = Connection::new(stream, role).context("cannot use a connection")?;
        let token = self.watch(connection.stream(), Source::Connection, Interest::READ)?;
        self.connections.insert(token, connection);
        Ok(token)
    }

    pub(super) fn connection_ready(&mut self, token: u64, ready: sys::epoll::Ready) {
        if ready.write {
            self.advance(token);
        }
        let Some(connection) = self.connections.get(&token) else {
            return;
        };
        match connection.role {
            Role::Raw(_) if ready.read => self.read_raw(token, ready.hung_up),
            Role::New(_) | Role::Control(_) if ready.read => self.read_frames(token),
            _ => {}
        }
    }

    fn read_frames(&mut self, token: u64) {
        let mut buffer = std::mem::take(&mut self.buffer);
        let received = self
            .connections
            .get_mut(&token)
            .and_then(|connection| connection.receive(&mut buffer));
        match received {
            None => {}
            Some(0) => self.disconnect(token),
            Some(length) => {
                if let Some(connection) = self.connections.get_mut(&token)
                    && let Role::New(inbox) | Role::Control(inbox) = &mut connection.role
                {
                    inbox.push(&buffer[..length]);
                }
            }
        }
        self.buffer = buffer;
        if let Err(error) = self.handle_frames(token) {
            complain(&anyhow::Error::new(error).context("a connection was closed"));
            self.disconnect(token);
        }
    }

    /// Deals with the complete frames a connection has brought.
    fn handle_frames(&mut self, token: u64) -> Result<(), FrameError> {
        loop {
            let Some(connection) = self.connections.get_mut(&token) else {
                return Ok(());
            };
            match &mut connection.role {
                Role::New(inbox) => {
                    let Some(hello) = inbox.take::<Hello>()? else {
                        return Ok(());
                    };
                    let inbox = std::mem::take(inbox);
                    self.greet(token, hello, inbox);
                }
                Role::Control(inbox) => {
                    let Some(request) = inbox.take::<Request>()? else {
                        return Ok(());
                    };
                    let reply = self.answer(&request);
                    self.send_message(token, &FromShim::Reply(reply));
                }
                Role::Raw(_) => return Ok(()),
            }
        }
    }

    fn greet(&mut self, token: u64, hello: Hello, inbox: Inbox) {
        let detach = matches!(&hello, Hello::Exec(exec) if exec.detach);
        let outcome = match hello {
            Hello::Control => {
                if let Some(connection) = self.connections.get_mut(&token) {
                    connection.role = Role::Control(inbox);
                }
                return;
            }
            Hello::Attach(attach) => self.attach(token, &attach).map(|()| None),
            Hello::Exec(exec) => self.begin_exec(token, &exec).map(Some),
            Hello::Unknown => Err(problem("", "this shim does not know what the connection is for")),
        };
        let refused = outcome.is_err();
        let reply = match outcome {
            Ok(process) => Reply {
                process,
                ..Reply::ok(0)
            },
            Err(problem) => Reply::refuse(0, problem),
        };
        self.send_message(token, &FromShim::Reply(reply));
        if refused || detach {
            if let Some(connection) = self.connections.get_mut(&token) {
                connection.closing = true;
            }
            self.advance(token);
            return;
        }
        // What followed the frame is input already.
        let Some(connection) = self.connections.get(&token) else {
            return;
        };
        if let Role::Raw(raw) = &connection.role
            && raw.stdin
        {
            let process = raw.process;
            self.push_input(process, &inbox.into_rest());
        }
    }

    pub(super) fn send_message(&mut self, token: u64, message: &FromShim) {
        let bytes = match shim_protocol::encode(message) {
            Ok(bytes) => bytes,
            Err(FrameError::TooLong(length)) => {
                let FromShim::Reply(reply) = message else { return };
                let refusal = too_long(reply.seq, length);
                shim_protocol::encode(&FromShim::Reply(refusal)).unwrap_or_default()
            }
            Err(error) => {
                complain(&error.into());
                return;
            }
        };
        let Some(connection) = self.connections.get_mut(&token) else {
            return;
        };
        if connection.send(&bytes).is_err() || connection.pending() > CONTROL_BUFFER_BYTES {
            self.disconnect(token);
        } else {
            self.rearm(token);
        }
    }
}

fn too_long(seq: u64, length: usize) -> Reply {
    let problem: Problem = problem("", format!("the answer would take {length} bytes"));
    Reply::refuse(seq, problem)
}
