//! Waiting, in what is asynchronous.

use js_sys::Promise;
use std::time::Duration;
use wasm_bindgen_futures::JsFuture;

/// Goes on after `time`, to the millisecond.
pub async fn pause(time: Duration) {
    let milliseconds = i32::try_from(time.as_millis()).unwrap_or(i32::MAX);
    let promise = Promise::new(&mut |done, _| {
        if let Some(window) = web_sys::window() {
            let _ = window.set_timeout_with_callback_and_timeout_and_arguments_0(&done, milliseconds);
        }
    });
    let _ = JsFuture::from(promise).await;
}
