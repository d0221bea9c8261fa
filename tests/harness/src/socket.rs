use futures_util::{SinkExt as _, StreamExt as _};
use shared::socket::{ClientFrame, Data, Message, ServerFrame, Topic};
use std::time::Duration;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::protocol::Message as Frame;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

const LIMIT: Duration = Duration::from_secs(20);
/// Enough for a test.
const CREDIT: u32 = 50_000;

/// The one WebSocket of a client.
pub struct Socket {
    stream: WebSocketStream<MaybeTlsStream<TcpStream>>,
    last: u32,
}

/// What came.
#[derive(Debug)]
pub enum Heard {
    Frame(ServerFrame),
    Bytes(u32, Vec<u8>),
}

impl Socket {
    pub(crate) async fn open(url: &str, token: Option<&str>) -> Self {
        let mut request = url.into_client_request().expect("an address");
        if let Some(token) = token {
            let value = format!("Bearer {token}").parse().expect("a header");
            request.headers_mut().insert("authorization", value);
        }
        let (stream, _) = tokio_tungstenite::connect_async(request)
            .await
            .expect("the socket opens");
        Self { stream, last: 0 }
    }

    pub async fn channel(&mut self, topic: Topic, from: Option<u64>) -> u32 {
        self.channel_with(topic, from, CREDIT).await
    }

    pub async fn channel_with(&mut self, topic: Topic, from: Option<u64>, credit: u32) -> u32 {
        self.last += 1;
        let ch = self.last;
        self.say(&ClientFrame::Open {
            ch,
            topic,
            from,
            credit,
        })
        .await;
        ch
    }

    pub async fn say(&mut self, frame: &ClientFrame) {
        let text = serde_json::to_string(frame).expect("a frame");
        self.stream
            .send(Frame::Text(text.into()))
            .await
            .expect("the socket is open");
    }

    pub async fn send(&mut self, ch: u32, message: Message) {
        self.say(&ClientFrame::Send { ch, message }).await;
    }

    pub async fn write(&mut self, ch: u32, bytes: &[u8]) {
        let frame = [&ch.to_be_bytes(), bytes].concat();
        self.stream
            .send(Frame::Binary(frame.into()))
            .await
            .expect("the socket is open");
    }

    /// The next thing that comes; panics when nothing does.
    pub async fn next(&mut self) -> Heard {
        loop {
            let next = tokio::time::timeout(LIMIT, self.stream.next()).await;
            let frame = next.expect("something comes in time").expect("the socket stays open");
            match frame.expect("the socket works") {
                Frame::Text(text) => {
                    let frame = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error} in: {text}"));
                    return Heard::Frame(frame);
                }
                Frame::Binary(bytes) => {
                    let (number, rest) = bytes.split_first_chunk::<4>().expect("a channel's number");
                    return Heard::Bytes(u32::from_be_bytes(*number), rest.to_vec());
                }
                _ => {}
            }
        }
    }

    /// Takes data of a channel until `enough` says so.
    pub async fn data_until(&mut self, ch: u32, mut enough: impl FnMut(Data) -> bool) {
        loop {
            let data = match self.next().await {
                Heard::Frame(ServerFrame::Data { ch: of, data, .. }) if of == ch => data,
                Heard::Frame(frame @ (ServerFrame::Problem { .. } | ServerFrame::Closed { .. })) => {
                    panic!("the channel ended: {frame:?}")
                }
                _ => continue,
            };
            if enough(data) {
                return;
            }
        }
    }

    /// Takes a console's bytes until they contain `text`, and gives all of them.
    pub async fn console_until(&mut self, ch: u32, text: &str) -> String {
        let mut seen = Vec::new();
        loop {
            match self.next().await {
                Heard::Bytes(of, bytes) if of == ch => {
                    seen.extend(bytes);
                    let shown = String::from_utf8_lossy(&seen);
                    if shown.contains(text) {
                        return shown.into_owned();
                    }
                }
                Heard::Frame(frame @ (ServerFrame::Problem { .. } | ServerFrame::Closed { .. })) => {
                    panic!("the console ended: {frame:?}, after {}", String::from_utf8_lossy(&seen))
                }
                _ => {}
            }
        }
    }
}
