//! The panel: what people see of Gantry in a browser.
//!
//! `pages` follow the addresses, `shell` is the frame around them, `components`
//! know nothing of addresses or of the server, `state` holds what more than one
//! page shares, `client` is the only place that speaks HTTP and WebSocket, and
//! `format` decides how numbers are shown.
#![forbid(unsafe_code)]
#![expect(
    unreachable_pub,
    reason = "what Leptos' component macro writes is `pub` whatever the function says"
)]

mod app;
mod client;
mod components;
mod format;
mod pages;
mod shell;
mod state;
mod table;

use wasm_bindgen::prelude::wasm_bindgen;

/// Called by boot.js once the program is loaded.
#[wasm_bindgen(start)]
pub fn start() {
    std::panic::set_hook(Box::new(|info| {
        console_error_panic_hook::hook(info);
        app::show_stopped(&info.to_string());
    }));
    leptos::mount::mount_to_body(app::Root);
    app::hide_starting();
}
