//! Requests. One function does the work for every type, so that the program
//! carries its code once.

use super::decode::{FromTree, decode, tree};
use super::pause::pause;
use js_sys::Promise;
use serde::Serialize;
use serde::de::DeserializeOwned;
use shared::problem::{Mistake, Problem};
use std::cell::RefCell;
use std::fmt;
use std::time::Duration;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{Headers, RequestInit, Response};

const BASE: &str = "/api/v1";

/// Why a request brought nothing.
#[derive(Debug, Clone, PartialEq)]
pub enum Failure {
    /// The server was not reached.
    Unreachable,
    /// The server said no, and why.
    Refused(Box<Problem>),
    /// The answer was not what this panel understands.
    Unreadable(String),
}

impl Failure {
    pub fn status(&self) -> u16 {
        match self {
            Self::Refused(problem) => problem.status,
            Self::Unreachable | Self::Unreadable(_) => 0,
        }
    }

    /// The mistakes in single fields.
    pub fn mistakes(&self) -> Vec<Mistake> {
        match self {
            Self::Refused(problem) => problem.mistakes.clone(),
            Self::Unreachable | Self::Unreadable(_) => Vec::new(),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreachable => f.write_str("The server cannot be reached."),
            Self::Refused(problem) => {
                f.write_str(&sentence(&problem.detail))?;
                if let Some(hint) = &problem.hint {
                    f.write_str(" ")?;
                    f.write_str(&sentence(hint))?;
                }
                Ok(())
            }
            Self::Unreadable(why) => {
                f.write_str("The answer could not be read: ")?;
                f.write_str(why)
            }
        }
    }
}

/// The server writes fragments; people read sentences.
pub fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    let mut shown: String = letters
        .next()
        .map(|c| c.to_ascii_uppercase().to_string())
        .unwrap_or_default();
    shown.push_str(letters.as_str());
    if !shown.is_empty() && !shown.ends_with(['.', '!', '?']) {
        shown.push('.');
    }
    shown
}

thread_local! {
    /// Told when a request was refused because nobody is signed in.
    static SIGNED_OUT: RefCell<Option<Box<dyn Fn()>>> = const { RefCell::new(None) };
}

/// Calls `act` when the session has ended.
pub fn on_signed_out(act: impl Fn() + 'static) {
    SIGNED_OUT.with(|slot| *slot.borrow_mut() = Some(Box::new(act)));
}

/// Before what only reads is asked once more: a browser drops its requests when an
/// address of its host changes, as when a bridge of containers is made there.
const ASK_AGAIN: Duration = Duration::from_millis(300);

/// Sends a request and gives the body of a good answer.
pub async fn request(method: &str, path: &str, body: Option<String>) -> Result<String, Failure> {
    match request_once(method, path, body).await {
        Err(Failure::Unreachable) if method == "GET" => {
            pause(ASK_AGAIN).await;
            request_once(method, path, None).await
        }
        answer => answer,
    }
}

async fn request_once(method: &str, path: &str, body: Option<String>) -> Result<String, Failure> {
    let options = RequestInit::new();
    options.set_method(method);
    if let Ok(headers) = Headers::new() {
        let _ = headers.set("accept", "application/json");
        if let Some(body) = body {
            let _ = headers.set("content-type", "application/json");
            options.set_body(&JsValue::from_str(&body));
        }
        if method == "POST" {
            let _ = headers.set("idempotency-key", &random_name());
        }
        options.set_headers_headers(&headers);
    }
    let address = [BASE, path].concat();
    let window = web_sys::window().ok_or(Failure::Unreachable)?;
    let answer = wait(window.fetch_with_str_and_init(&address, &options)).await?;
    let response: Response = answer.dyn_into().map_err(|_| Failure::Unreachable)?;
    let text = wait(response.text().map_err(|_| Failure::Unreachable)?).await?;
    let text = text.as_string().unwrap_or_default();
    if response.ok() {
        return Ok(text);
    }
    if response.status() == 401 && path != "/session" && path != "/setup" {
        SIGNED_OUT.with(|slot| {
            if let Some(act) = &*slot.borrow() {
                act();
            }
        });
    }
    Err(Failure::Refused(Box::new(problem(&text, response.status()))))
}

/// The problem document of an answer, or one made up from its status.
pub fn problem(text: &str, status: u16) -> Problem {
    decode(text).unwrap_or_else(|_| Problem {
        status,
        title: String::new(),
        code: "unknown".to_owned(),
        detail: "the server answered with status ".to_owned() + &status.to_string(),
        hint: None,
        mistakes: Vec::new(),
        request_id: None,
    })
}

async fn wait(promise: Promise) -> Result<JsValue, Failure> {
    JsFuture::from(promise).await.map_err(|_| Failure::Unreachable)
}

fn read<T: DeserializeOwned>(text: &str) -> Result<T, Failure> {
    decode(text).map_err(|error| Failure::Unreadable(error.to_string()))
}

pub async fn get<T: DeserializeOwned>(path: &str) -> Result<T, Failure> {
    read(&request("GET", path, None).await?)
}

/// An answer that is text.
pub async fn text(path: &str) -> Result<String, Failure> {
    request("GET", path, None).await
}

/// Reads an answer whose parts lie flat in one object.
pub async fn get_flat<T: FromTree>(path: &str) -> Result<T, Failure> {
    let text = request("GET", path, None).await?;
    tree(&text)
        .and_then(|tree| T::from_tree(&tree))
        .map_err(|error| Failure::Unreadable(error.to_string()))
}

/// Sends a body and reads the answer.
pub async fn send<B: Serialize, T: DeserializeOwned>(method: &str, path: &str, body: &B) -> Result<T, Failure> {
    read(&request(method, path, Some(json(body))).await?)
}

/// Sends a body whose answer does not matter.
pub async fn tell<B: Serialize>(method: &str, path: &str, body: &B) -> Result<(), Failure> {
    request(method, path, Some(json(body))).await.map(|_| ())
}

/// Asks for something that needs no body.
pub async fn act(method: &str, path: &str) -> Result<(), Failure> {
    request(method, path, None).await.map(|_| ())
}

pub fn json<B: Serialize>(body: &B) -> String {
    serde_json::to_string(body).unwrap_or_default()
}

/// Escapes a part of a path or a query.
pub fn escape(text: &str) -> String {
    js_sys::encode_uri_component(text).into()
}

/// What was escaped, or the text as it is where it makes no sense.
pub fn unescape(text: &str) -> String {
    js_sys::decode_uri_component(text).map_or_else(|_| text.to_owned(), Into::into)
}

/// A name nobody else has taken.
fn random_name() -> String {
    let part = || crate::format::number::whole(js_sys::Math::random() * 1e15).to_string();
    [part(), part()].concat()
}
