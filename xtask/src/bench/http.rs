//! The barest HTTP client: one connection, one request after the other, so that
//! what is timed is the server.

use anyhow::{Context as _, Result, bail};
use serde_json::Value;
use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

const LIMIT: Duration = Duration::from_secs(60);
/// A connection on which nothing was asked for so long may have been closed at the other
/// end: another is opened.
const IDLE: Duration = Duration::from_secs(5);

trait Stream: Read + Write {}
impl Stream for UnixStream {}
impl Stream for TcpStream {}

type Connect = Box<dyn Fn() -> Result<Box<dyn Stream>>>;

pub(super) struct Client {
    connect: Connect,
    stream: BufReader<Box<dyn Stream>>,
    used: Instant,
    /// Sent with every request.
    headers: String,
    prefix: &'static str,
}

#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) headers: Vec<String>,
    pub(super) body: Vec<u8>,
}

impl Client {
    pub(super) fn unix(socket: &Path) -> Result<Self> {
        let socket = socket.to_owned();
        let connect = move || -> Result<Box<dyn Stream>> {
            let stream = UnixStream::connect(&socket)
                .with_context(|| format!("cannot reach a server at {}", socket.display()))?;
            stream.set_read_timeout(Some(LIMIT))?;
            Ok(Box::new(stream))
        };
        Self::over(Box::new(connect), "")
    }

    pub(super) fn tcp(address: &str, prefix: &'static str) -> Result<Self> {
        let address = address.to_owned();
        let connect = move || -> Result<Box<dyn Stream>> {
            let stream = TcpStream::connect(&address).with_context(|| format!("cannot reach a server at {address}"))?;
            stream.set_read_timeout(Some(LIMIT))?;
            stream.set_nodelay(true)?;
            Ok(Box::new(stream))
        };
        Self::over(Box::new(connect), prefix)
    }

    fn over(connect: Connect, prefix: &'static str) -> Result<Self> {
        Ok(Self {
            stream: BufReader::new(connect()?),
            connect,
            used: Instant::now(),
            headers: String::new(),
            prefix,
        })
    }

    pub(super) fn with_token(mut self, token: &str) -> Self {
        self.headers = format!("Authorization: Bearer {token}\r\n");
        self
    }

    pub(super) fn ask(&mut self, method: &str, path: &str, kind: &str, body: &[u8]) -> Result<Answer> {
        let mut request = format!(
            "{method} {}{path} HTTP/1.1\r\nHost: localhost\r\n{}Content-Length: {}\r\n",
            self.prefix,
            self.headers,
            body.len()
        );
        if !body.is_empty() {
            let _ = write!(request, "Content-Type: {kind}\r\n");
        }
        request += "\r\n";
        let mut bytes = request.into_bytes();
        bytes.extend_from_slice(body);
        if self.used.elapsed() > IDLE {
            self.stream = BufReader::new((self.connect)()?);
        }
        let stream = self.stream.get_mut();
        stream.write_all(&bytes)?;
        stream.flush()?;
        let answer = self
            .read_answer()
            .with_context(|| format!("no whole answer to {method} {path}"));
        self.used = Instant::now();
        answer
    }

    /// JSON both ways; an answer that tells of a failure is one.
    pub(super) fn json(&mut self, method: &str, path: &str, body: Option<&Value>) -> Result<Value> {
        let sent = body.map(Value::to_string).unwrap_or_default();
        let answer = self.ask(method, path, "application/json", sent.as_bytes())?;
        if !(200..400).contains(&answer.status) {
            let text = String::from_utf8_lossy(&answer.body).into_owned();
            bail!("{method} {path} answers {}: {}", answer.status, text.trim());
        }
        Ok(serde_json::from_slice(&answer.body).unwrap_or(Value::Null))
    }

    fn line(&mut self) -> Result<String> {
        let mut line = String::new();
        if self.stream.read_line(&mut line)? == 0 {
            bail!("the server closed the connection");
        }
        Ok(line.trim_end().to_owned())
    }

    fn read_answer(&mut self) -> Result<Answer> {
        let first = self.line()?;
        let status = first.split(' ').nth(1).and_then(|status| status.parse().ok());
        let status: u16 = status.with_context(|| format!("`{first}` is no status line"))?;
        let mut headers = Vec::new();
        loop {
            let line = self.line()?;
            if line.is_empty() {
                break;
            }
            headers.push(line);
        }
        let value_of = |name: &str| {
            headers.iter().find_map(|line| {
                let (key, value) = line.split_once(':')?;
                key.eq_ignore_ascii_case(name).then(|| value.trim().to_owned())
            })
        };
        let mut body = Vec::new();
        if value_of("transfer-encoding").is_some() {
            loop {
                let size = self.line()?;
                let size = usize::from_str_radix(size.split(';').next().unwrap_or_default(), 16)
                    .with_context(|| format!("`{size}` is no chunk's size"))?;
                let start = body.len();
                body.resize(start + size, 0);
                self.stream.read_exact(&mut body[start..])?;
                self.line()?;
                if size == 0 {
                    break;
                }
            }
        } else if let Some(length) = value_of("content-length").and_then(|text| text.parse().ok()) {
            body.resize(length, 0);
            self.stream.read_exact(&mut body)?;
        }
        Ok(Answer { status, headers, body })
    }
}
