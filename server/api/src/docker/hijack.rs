//! A connection that stops being HTTP: raw bytes both ways, for attach and exec.

use super::client::Client;
use super::problem::Failure;
use axum::body::Body;
use axum::extract::Request;
use axum::http::header::{CONNECTION, CONTENT_TYPE, UPGRADE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use engine::Attached;
use futures_util::{StreamExt as _, stream};
use hyper::upgrade::OnUpgrade;
use std::io;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio_util::io::ReaderStream;

/// A client that does not close its side after the end, or a command whose client
/// has, is not waited for any longer.
const HEARD_WITHIN: Duration = Duration::from_secs(2);

/// What is done with a client's bytes.
#[derive(Debug, Clone)]
pub(super) struct Input {
    /// Without it they are read and dropped.
    pub(super) wanted: bool,
    /// The client's end is the end of the command's standard input; else it ends the joining.
    pub(super) closes: bool,
    /// Pressed in this order they end the joining; empty without a terminal.
    pub(super) detach_keys: Vec<u8>,
}

/// The connection, when the client asked to have it.
pub(super) fn asked(request: &mut Request) -> Option<OnUpgrade> {
    let wanted = request.headers().contains_key(UPGRADE);
    wanted.then(|| hyper::upgrade::on(request))
}

pub(super) fn content_type(terminal: bool) -> HeaderValue {
    HeaderValue::from_static(if terminal {
        "application/vnd.docker.raw-stream"
    } else {
        "application/vnd.docker.multiplexed-stream"
    })
}

/// 101, after which `then` has the connection.
pub(super) fn take_over<F>(
    upgrade: OnUpgrade,
    terminal: bool,
    then: impl FnOnce(Client) -> F + Send + 'static,
) -> Response
where
    F: Future<Output = io::Result<()>> + Send,
{
    tokio::spawn(async move {
        let client = upgrade.await.map_err(io::Error::other).and_then(Client::new);
        match client {
            Ok(client) => {
                if let Err(error) = then(client).await {
                    tracing::debug!(%error, "a joined connection broke");
                }
            }
            Err(error) => tracing::debug!(%error, "a connection was not handed over"),
        }
    });
    let mut response = StatusCode::SWITCHING_PROTOCOLS.into_response();
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, content_type(terminal));
    headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(UPGRADE, HeaderValue::from_static("tcp"));
    response
}

/// For clients that only listen and did not ask for the connection. The answer ends
/// when `settled` has.
pub(super) fn plain(
    attached: Attached,
    terminal: bool,
    settled: impl Future<Output = ()> + Send + 'static,
) -> Response {
    let end = stream::once(settled).filter_map(async |()| None);
    let body = Body::from_stream(ReaderStream::new(attached).chain(end));
    ([(CONTENT_TYPE, content_type(terminal))], body).into_response()
}

/// A client that wants to write must ask for the connection.
pub(super) fn must_upgrade() -> Failure {
    Failure::invalid("standard input needs the connection: send `Connection: Upgrade` and `Upgrade: tcp`")
}

/// Says the end, and listens on until the client has heard it: what it sent
/// meanwhile, left unread, would make the kernel reset the connection and lose the
/// last of the output. unix(7)
pub(super) async fn end(mut client: impl AsyncRead + AsyncWrite + Unpin) -> io::Result<()> {
    client.shutdown().await?;
    let listen = async { tokio::io::copy(&mut client, &mut tokio::io::sink()).await };
    match tokio::time::timeout(HEARD_WITHIN, listen).await {
        Ok(heard) => heard.map(drop),
        Err(_) => Ok(()),
    }
}

/// Who ended a joining.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ended {
    /// All that the command wrote was sent.
    ByOutput,
    /// The client left or detached; the command runs on.
    ByClient,
}

/// Joins both until the command's output ends, the client leaves or detaches.
pub(super) async fn join(
    client: &mut (impl AsyncRead + AsyncWrite + Unpin),
    attached: impl AsyncRead + AsyncWrite + Unpin,
    input: Input,
) -> io::Result<Ended> {
    let (client_reads, mut client_writes) = tokio::io::split(client);
    let (mut output, command_input) = tokio::io::split(attached);
    let mut sending = std::pin::pin!(send(client_reads, command_input, input));
    let mut receiving = std::pin::pin!(tokio::io::copy(&mut output, &mut client_writes));
    tokio::select! {
        received = &mut receiving => { received?; }
        sent = &mut sending => match sent? {
            InputEnd::Input => { receiving.await?; }
            // Half closed or gone looks the same: a command that is about to end is heard out.
            InputEnd::Client => match tokio::time::timeout(HEARD_WITHIN, &mut receiving).await {
                Ok(received) => { received?; }
                Err(_) => return Ok(Ended::ByClient),
            },
            InputEnd::Joining => return Ok(Ended::ByClient),
        },
    }
    Ok(Ended::ByOutput)
}

/// What has ended when a client says no more.
enum InputEnd {
    /// The command's input has ended too.
    Input,
    /// The client will say no more; the command's input stays open.
    Client,
    /// The client detached.
    Joining,
}

async fn send(
    mut client: impl AsyncRead + Unpin,
    mut command: impl AsyncWrite + Unpin,
    input: Input,
) -> io::Result<InputEnd> {
    let mut escape = Escape::new(input.detach_keys);
    let mut buffer = vec![0; 16 << 10];
    loop {
        let length = client.read(&mut buffer).await?;
        if length == 0 && !input.wanted {
            // Many clients close their side at once when they have nothing to say.
            return Ok(InputEnd::Input);
        }
        if length == 0 && input.closes {
            command.shutdown().await?;
            return Ok(InputEnd::Input);
        }
        if length == 0 {
            return Ok(InputEnd::Client);
        }
        if !input.wanted {
            continue;
        }
        let (bytes, detached) = escape.pass(&buffer[..length]);
        command.write_all(&bytes).await?;
        command.flush().await?;
        if detached {
            return Ok(InputEnd::Joining);
        }
    }
}

/// Holds back what may be the beginning of the detach keys.
struct Escape {
    keys: Vec<u8>,
    matched: usize,
}

impl Escape {
    fn new(keys: Vec<u8>) -> Self {
        Self { keys, matched: 0 }
    }

    /// What the command gets of these bytes, and whether the keys were complete.
    fn pass(&mut self, bytes: &[u8]) -> (Vec<u8>, bool) {
        let mut out = Vec::with_capacity(bytes.len());
        if self.keys.is_empty() {
            return (bytes.to_vec(), false);
        }
        for &byte in bytes {
            if byte == self.keys[self.matched] {
                self.matched += 1;
                if self.matched == self.keys.len() {
                    return (out, true);
                }
                continue;
            }
            out.extend_from_slice(&self.keys[..self.matched]);
            self.matched = usize::from(byte == self.keys[0]);
            if self.matched == 0 {
                out.push(byte);
            }
        }
        (out, false)
    }
}

/// `ctrl-p,ctrl-q`, `a`, `ctrl-@`: one key after the other.
pub(super) fn parse_keys(text: &str) -> Result<Vec<u8>, Failure> {
    text.split(',')
        .map(|key| match key.as_bytes() {
            [byte] => Some(*byte),
            [b'c', b't', b'r', b'l', b'-', byte] => match byte {
                b'a'..=b'z' => Some(byte - b'a' + 1),
                b'@' => Some(0),
                b'[' => Some(27),
                b'\\' => Some(28),
                b']' => Some(29),
                b'^' => Some(30),
                b'_' => Some(31),
                _ => None,
            },
            _ => None,
        })
        .collect::<Option<_>>()
        .ok_or_else(|| Failure::invalid(format!("Invalid detach keys ({text}) provided")))
}

/// The keys for a joined terminal: those asked for, else `ctrl-p,ctrl-q`.
pub(super) fn keys_for(terminal: bool, asked: Option<&str>) -> Result<Vec<u8>, Failure> {
    if terminal {
        parse_keys(asked.unwrap_or("ctrl-p,ctrl-q"))
    } else {
        Ok(Vec::new())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn detach_keys_are_found_across_reads_and_else_passed_on() {
        let mut escape = Escape::new(parse_keys("ctrl-p,ctrl-q").expect("valid"));
        assert_eq!(escape.pass(b"ab\x10"), (b"ab".to_vec(), false));
        assert_eq!(escape.pass(b"c"), (b"\x10c".to_vec(), false));
        assert_eq!(escape.pass(b"\x10\x10"), (b"\x10".to_vec(), false));
        assert_eq!(escape.pass(b"\x11rest"), (Vec::new(), true));
    }

    #[test]
    fn keys_are_named() {
        assert_eq!(parse_keys("ctrl-a,b,ctrl-]").expect("valid"), [1, b'b', 29]);
        assert!(parse_keys("ctrl-1").is_err() && parse_keys("alt-x").is_err());
    }

    fn input(wanted: bool, closes: bool) -> Input {
        Input {
            wanted,
            closes,
            detach_keys: Vec::new(),
        }
    }

    /// Joins while a client says `words` and closes its side, and a command
    /// answers when its input ends, or at once.
    async fn talk(words: &[u8], input: Input, waits: bool) -> (Ended, Vec<u8>, Vec<u8>) {
        let (mut near, mut client) = tokio::io::duplex(64);
        let (command, attached) = tokio::io::duplex(64);
        let joining = async {
            let ended = join(&mut near, attached, input).await.expect("nothing breaks");
            near.shutdown().await.expect("nothing breaks");
            drop(near);
            ended
        };
        let speaking = async {
            client.write_all(words).await.expect("read");
            client.shutdown().await.expect("read");
            let mut heard = Vec::new();
            client.read_to_end(&mut heard).await.expect("ends");
            heard
        };
        let answering = async {
            let (mut reads, mut writes) = tokio::io::split(command);
            let mut got = Vec::new();
            if waits {
                reads.read_to_end(&mut got).await.expect("ends");
            }
            let _ = writes.write_all(b"answer").await;
            let _ = writes.shutdown().await;
            got
        };
        let all = async { tokio::join!(joining, speaking, answering) };
        tokio::time::timeout(std::time::Duration::from_secs(5), all)
            .await
            .expect("ends")
    }

    #[tokio::test]
    async fn the_end_of_the_clients_words_ends_the_commands_input() {
        let (ended, heard, got) = talk(b"words", input(true, true), true).await;
        assert_eq!(
            (ended, heard, got),
            (Ended::ByOutput, b"answer".to_vec(), b"words".to_vec())
        );
    }

    #[tokio::test]
    async fn a_client_without_words_hears_the_answer_still() {
        let (ended, heard, _) = talk(b"", input(false, false), false).await;
        assert_eq!((ended, heard), (Ended::ByOutput, b"answer".to_vec()));
    }

    #[tokio::test]
    async fn an_input_that_stays_open_ends_the_joining_alone() {
        let (ended, _, _) = talk(b"words", input(true, false), true).await;
        assert_eq!(ended, Ended::ByClient);
    }
}
