//! The one WebSocket of the tab, shared by everything live.
//!
//! Channels outlive the connection: after a cut each is opened again from where it
//! stood. The server keeps the screen of an exec and sends it again; the main process
//! has none, so a channel joined to it ends with the connection.

use super::decode;
use crate::table::Table;
use js_sys::{ArrayBuffer, Uint8Array};
use leptos::prelude::{set_interval, set_timeout};
use shared::socket::{ClientFrame, Data, Message, ServerFrame, Topic};
use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;
use wasm_bindgen::JsCast;
use wasm_bindgen::closure::Closure;
use web_sys::{BinaryType, MessageEvent, WebSocket};

/// Data frames a channel may receive before it grants more.
const CREDIT: u32 = 64;
const RETRIES_MS: [u32; 6] = [500, 1_000, 2_000, 4_000, 8_000, 15_000];
/// Somebody who looks at the page waits no longer than this for the next try.
const LONGEST_SEEN_MS: f64 = 2_000.0;
/// How often the connection is looked at.
const WATCH: Duration = Duration::from_secs(1);
/// Silence for this long is answered with a ping.
const PING_AFTER_MS: f64 = 4_000.0;
/// Silence for this long means the connection is dead, or the server is frozen.
const DEAD_MS: f64 = 20_000.0;
/// A frame of console input; the server takes messages of up to a mebibyte.
const INPUT_BYTES: usize = 256 << 10;

/// What a channel brings to its listener.
#[derive(Debug, Clone)]
pub enum Heard {
    Opened,
    Data(Data),
    Bytes(Vec<u8>),
    Gap(u64),
    Reset,
    Closed(String),
    Problem(String),
}

type Listener = Rc<dyn Fn(Heard)>;

struct Channel {
    topic: Topic,
    from: Option<u64>,
    listener: Listener,
    /// Data frames received since credit was last granted.
    used: u32,
}

impl Channel {
    /// What it brought cannot be asked for again.
    fn ends_with_connection(&self) -> bool {
        matches!(self.topic, Topic::Attach { .. })
    }
}

#[derive(Default)]
struct Inner {
    wanted: bool,
    socket: Option<WebSocket>,
    handlers: Option<Handlers>,
    open: bool,
    channels: Table<u32, Channel>,
    last_channel: u32,
    failures: usize,
    heard_at: f64,
    pinged_at: f64,
    /// Counts connections, so that a late event of an old one is ignored.
    generation: u32,
    on_change: Option<Rc<dyn Fn(bool)>>,
    pinging: bool,
}

struct Handlers {
    _open: Closure<dyn Fn()>,
    _close: Closure<dyn Fn()>,
    _message: Closure<dyn Fn(MessageEvent)>,
}

thread_local! {
    static INNER: RefCell<Inner> = RefCell::new(Inner::default());
}

fn with<T>(act: impl FnOnce(&mut Inner) -> T) -> T {
    INNER.with(|inner| act(&mut inner.borrow_mut()))
}

/// An open channel; dropping it closes it.
pub struct Subscription {
    number: u32,
}

impl Drop for Subscription {
    fn drop(&mut self) {
        let number = self.number;
        with(|inner| {
            if inner.channels.remove(&number).is_some() {
                inner.say(&ClientFrame::Close { ch: number });
            }
        });
    }
}

impl Subscription {
    /// Sends console bytes, a long paste in several frames.
    pub fn write(&self, bytes: &[u8]) {
        with(|inner| {
            let (true, Some(socket)) = (inner.open, &inner.socket) else {
                return;
            };
            for part in bytes.chunks(INPUT_BYTES) {
                let mut frame = Vec::with_capacity(part.len() + 4);
                frame.extend_from_slice(&self.number.to_be_bytes());
                frame.extend_from_slice(part);
                let _ = socket.send_with_u8_array(&frame);
            }
        });
    }

    pub fn send(&self, message: Message) {
        with(|inner| {
            inner.say(&ClientFrame::Send {
                ch: self.number,
                message,
            });
        });
    }
}

/// Opens a channel; it stays, over reconnections, until the subscription is dropped.
pub fn open(topic: Topic, from: Option<u64>, listener: impl Fn(Heard) + 'static) -> Subscription {
    let number = with(|inner| {
        inner.last_channel += 1;
        let number = inner.last_channel;
        let channel = Channel {
            topic,
            from,
            listener: Rc::new(listener),
            used: 0,
        };
        let frame = channel.opening(number);
        inner.channels.insert(number, channel);
        inner.say(&frame);
        number
    });
    Subscription { number }
}

impl Channel {
    fn opening(&self, number: u32) -> ClientFrame {
        ClientFrame::Open {
            ch: number,
            topic: self.topic.clone(),
            from: self.from,
            credit: CREDIT,
        }
    }
}

/// Tells `act` whenever the connection comes or goes.
pub fn on_change(act: impl Fn(bool) + 'static) {
    with(|inner| inner.on_change = Some(Rc::new(act)));
}

/// Connects, and stays connected.
pub fn start() {
    let (connect_now, ping) = with(|inner| {
        let connect_now = !inner.wanted;
        inner.wanted = true;
        (connect_now, !std::mem::replace(&mut inner.pinging, true))
    });
    if ping {
        set_interval(watch, WATCH);
    }
    if connect_now {
        connect();
    }
}

/// Disconnects: nobody is signed in.
pub fn stop() {
    with(|inner| inner.wanted = false);
    abandon();
}

/// Gives the connection up. Its events are taken off first: they may come after the
/// closures they would call are gone.
fn abandon() {
    let socket = with(|inner| {
        inner.open = false;
        inner.generation += 1;
        inner.handlers = None;
        inner.socket.take().inspect(|socket| {
            socket.set_onopen(None);
            socket.set_onclose(None);
            socket.set_onmessage(None);
        })
    });
    if let Some(socket) = socket {
        let _ = socket.close();
    }
}

/// For how many milliseconds nothing has come over the connection; `None` while there
/// is none.
pub fn silence() -> Option<f64> {
    with(|inner| inner.open.then(|| crate::format::time::now() - inner.heard_at))
}

/// Tries at once instead of waiting: the network is back, or someone asked.
pub fn retry_now() {
    let waiting = with(|inner| inner.wanted && inner.socket.is_none());
    if waiting {
        connect();
    }
}

impl Inner {
    fn say(&self, frame: &ClientFrame) {
        if let (true, Some(socket)) = (self.open, &self.socket) {
            let _ = socket.send_with_str(&super::http::json(frame));
        }
    }
}

fn connect() {
    let Some(location) = web_sys::window().map(|window| window.location()) else {
        return;
    };
    let scheme = if location.protocol().as_deref() == Ok("https:") {
        "wss://"
    } else {
        "ws://"
    };
    let address = [scheme, &location.host().unwrap_or_default(), "/api/v1/socket"].concat();
    let Ok(socket) = WebSocket::new(&address) else {
        retry_later();
        return;
    };
    socket.set_binary_type(BinaryType::Arraybuffer);
    let generation = with(|inner| {
        inner.generation += 1;
        inner.heard_at = crate::format::time::now();
        inner.generation
    });
    let current = move || with(|inner| inner.generation == generation);
    let opened = Closure::<dyn Fn()>::new(move || {
        if current() {
            on_open();
        }
    });
    let closed = Closure::<dyn Fn()>::new(move || {
        if current() {
            on_close();
        }
    });
    let message = Closure::<dyn Fn(MessageEvent)>::new(move |event: MessageEvent| {
        if current() {
            on_message(&event);
        }
    });
    socket.set_onopen(Some(opened.as_ref().unchecked_ref()));
    socket.set_onclose(Some(closed.as_ref().unchecked_ref()));
    socket.set_onmessage(Some(message.as_ref().unchecked_ref()));
    with(|inner| {
        inner.socket = Some(socket);
        inner.handlers = Some(Handlers {
            _open: opened,
            _close: closed,
            _message: message,
        });
    });
}

fn tell_change(open: bool) {
    if let Some(act) = with(|inner| inner.on_change.clone()) {
        act(open);
    }
}

fn on_open() {
    with(|inner| {
        inner.open = true;
        inner.failures = 0;
        for (number, channel) in &inner.channels {
            inner.say(&channel.opening(*number));
        }
    });
    tell_change(true);
}

fn on_close() {
    let lost: Vec<Listener> = with(|inner| {
        inner.open = false;
        inner.socket = None;
        let ended: Vec<u32> = inner
            .channels
            .iter()
            .filter(|(_, channel)| channel.ends_with_connection())
            .map(|(number, _)| *number)
            .collect();
        for channel in inner.channels.values_mut() {
            channel.used = 0;
        }
        ended
            .iter()
            .filter_map(|number| inner.channels.remove(number))
            .map(|channel| channel.listener)
            .collect()
    });
    for listener in lost {
        listener(Heard::Closed("The connection to the server was lost.".to_owned()));
    }
    tell_change(false);
    retry_later();
}

fn retry_later() {
    let delay = with(|inner| {
        inner.failures += 1;
        RETRIES_MS[(inner.failures - 1).min(RETRIES_MS.len() - 1)]
    });
    let jitter = 0.7 + 0.6 * js_sys::Math::random();
    let seen = !leptos::prelude::document().hidden();
    let most = if seen { LONGEST_SEEN_MS } else { f64::MAX };
    let wait = crate::format::number::whole((f64::from(delay) * jitter).min(most));
    set_timeout(retry_now, Duration::from_millis(wait));
}

/// Pings, and gives a connection up over which nothing comes, or that does not open.
fn watch() {
    let now = crate::format::time::now();
    let dead = with(|inner| {
        let silence = now - inner.heard_at;
        if inner.open && silence > PING_AFTER_MS && now - inner.pinged_at > PING_AFTER_MS {
            inner.pinged_at = now;
            inner.say(&ClientFrame::Ping);
        }
        inner.socket.is_some() && silence > DEAD_MS
    });
    if dead {
        // A frozen server does not answer the closing handshake: nobody waits for it.
        abandon();
        on_close();
    }
}

fn on_message(event: &MessageEvent) {
    with(|inner| inner.heard_at = crate::format::time::now());
    let data = event.data();
    if let Some(text) = data.as_string() {
        match frame(&text) {
            Ok(frame) => on_frame(frame),
            Err(error) => leptos::logging::warn!("frame not understood: {error}"),
        }
        return;
    }
    let Ok(buffer) = data.dyn_into::<ArrayBuffer>() else {
        return;
    };
    let bytes = Uint8Array::new(&buffer).to_vec();
    if let Some((number, bytes)) = bytes.split_first_chunk::<4>() {
        deliver(u32::from_be_bytes(*number), Heard::Bytes(bytes.to_vec()), None);
    }
}

/// Reads a frame by hand: serde would read everything a frame may hold twice.
fn frame(text: &str) -> Result<ServerFrame, serde_json::Error> {
    let tree = decode::tree(text)?;
    let number = |name: &str| tree.get(name).and_then(serde_json::Value::as_u64).unwrap_or_default();
    let words = |name: &str| {
        tree.get(name)
            .and_then(serde_json::Value::as_str)
            .unwrap_or_default()
            .to_owned()
    };
    let ch = u32::try_from(number("ch")).unwrap_or_default();
    Ok(match words("op").as_str() {
        "opened" => ServerFrame::Opened { ch },
        "data" => ServerFrame::Data {
            ch,
            seq: number("seq"),
            data: decode::from_tree(tree.get("data").unwrap_or(&serde_json::Value::Null))?,
        },
        "gap" => ServerFrame::Gap {
            ch,
            count: number("count"),
        },
        "reset" => ServerFrame::Reset { ch },
        "closed" => ServerFrame::Closed { ch, why: words("why") },
        "problem" => ServerFrame::Problem {
            ch,
            code: words("code"),
            detail: words("detail"),
        },
        _ => ServerFrame::Pong,
    })
}

fn on_frame(frame: ServerFrame) {
    match frame {
        ServerFrame::Opened { ch } => tell(ch, Heard::Opened),
        ServerFrame::Data { ch, seq, data } => deliver(ch, Heard::Data(data), Some(seq)),
        ServerFrame::Gap { ch, count } => tell(ch, Heard::Gap(count)),
        ServerFrame::Reset { ch } => {
            with(|inner| {
                if let Some(channel) = inner.channels.get_mut(&ch) {
                    channel.from = None;
                }
            });
            tell(ch, Heard::Reset);
        }
        ServerFrame::Closed { ch, why } => end(ch, Heard::Closed(why)),
        ServerFrame::Problem { ch, detail, .. } => end(ch, Heard::Problem(detail)),
        ServerFrame::Pong => {}
    }
}

fn tell(number: u32, heard: Heard) {
    // The listener is called with nothing borrowed: it may open or close channels.
    let listener = with(|inner| inner.channels.get(&number).map(|channel| channel.listener.clone()));
    if let Some(listener) = listener {
        listener(heard);
    }
}

/// Hands on one data frame and grants more when half the credit is used.
fn deliver(number: u32, heard: Heard, seq: Option<u64>) {
    tell(number, heard);
    with(|inner| {
        let Some(channel) = inner.channels.get_mut(&number) else {
            return;
        };
        // Samples and tasks come as they are now; only these two have a past to resume.
        if matches!(channel.topic, Topic::Events | Topic::Logs { .. }) && seq.is_some() {
            channel.from = seq;
        }
        channel.used += 1;
        if channel.used >= CREDIT / 2 {
            let n = std::mem::take(&mut channel.used);
            inner.say(&ClientFrame::Credit { ch: number, n });
        }
    });
}

fn end(number: u32, heard: Heard) {
    let channel = with(|inner| inner.channels.remove(&number));
    if let Some(channel) = channel {
        (channel.listener)(heard);
    }
}
