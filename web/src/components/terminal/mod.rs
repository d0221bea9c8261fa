//! A terminal, drawn by xterm.js. The library comes when the first one opens.

use js_sys::Uint8Array;
use leptos::prelude::*;
use leptos::task::spawn_local;
use std::rc::Rc;
use wasm_bindgen::closure::Closure;
use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen::{JsCast, JsValue};
use web_sys::HtmlElement;

#[wasm_bindgen(module = "/js/term.js")]
extern "C" {
    #[wasm_bindgen(catch, js_name = openTerminal)]
    async fn open_terminal(
        host: &HtmlElement,
        base: &str,
        on_data: &JsValue,
        on_resize: &JsValue,
    ) -> Result<JsValue, JsValue>;

    type Terminal;
    #[wasm_bindgen(method)]
    fn rows(this: &Terminal) -> u16;
    #[wasm_bindgen(method)]
    fn cols(this: &Terminal) -> u16;
    #[wasm_bindgen(method)]
    fn write(this: &Terminal, bytes: &[u8]);
    #[wasm_bindgen(method)]
    fn say(this: &Terminal, text: &str);
    #[wasm_bindgen(method)]
    fn reset(this: &Terminal);
    #[wasm_bindgen(method)]
    fn focus(this: &Terminal);
    #[wasm_bindgen(method)]
    fn input(this: &Terminal, text: &str);
    #[wasm_bindgen(method)]
    fn restyle(this: &Terminal);
    #[wasm_bindgen(method)]
    fn dispose(this: &Terminal);
}

struct Open {
    terminal: Terminal,
    _on_data: Closure<dyn Fn(Uint8Array)>,
    _on_resize: Closure<dyn Fn(u16, u16)>,
}

impl Drop for Open {
    fn drop(&mut self) {
        self.terminal.dispose();
    }
}

/// Holds a terminal once it is open.
#[derive(Clone, Copy)]
pub struct Handle {
    open: StoredValue<Option<Open>, LocalStorage>,
}

impl Default for Handle {
    fn default() -> Self {
        Self {
            open: StoredValue::new_local(None),
        }
    }
}

impl Handle {
    fn with(self, act: impl FnOnce(&Terminal)) {
        self.open.try_with_value(|open| {
            if let Some(open) = open {
                act(&open.terminal);
            }
        });
    }

    /// Shows bytes of the process.
    pub fn write(self, bytes: &[u8]) {
        self.with(|terminal| terminal.write(bytes));
    }

    /// Shows a sentence of the panel, on a line of its own.
    pub fn say(self, sentence: &str) {
        self.with(|terminal| terminal.say(&["\r\n\u{1b}[2m", sentence, "\u{1b}[0m\r\n"].concat()));
    }

    /// Empties the screen and the scroll-back.
    pub fn reset(self) {
        self.with(Terminal::reset);
    }

    /// Rows and columns, once it is open.
    pub fn size(self) -> Option<(u16, u16)> {
        let mut size = None;
        self.with(|terminal| size = Some((terminal.rows(), terminal.cols())));
        size
    }

    pub fn focus(self) {
        self.with(Terminal::focus);
    }

    /// As if it had been typed: for the keys a phone lacks.
    pub fn input(self, text: &str) {
        self.with(|terminal| terminal.input(text));
    }

    pub fn restyle(self) {
        self.with(Terminal::restyle);
    }
}

/// Where the files of this build lie.
fn assets() -> String {
    document()
        .query_selector("meta[name=assets]")
        .ok()
        .flatten()
        .and_then(|meta| meta.get_attribute("content"))
        .unwrap_or_default()
}

/// The terminal's place. `on_open` hears its size once it can be written to.
#[component]
pub fn TerminalView(
    /// Reaches the terminal.
    handle: Handle,
    /// Rows and columns, when it is ready.
    #[prop(into)]
    on_open: Callback<(u16, u16)>,
    /// What is typed.
    on_data: Rc<dyn Fn(Vec<u8>)>,
    /// The size changed.
    on_resize: Rc<dyn Fn(u16, u16)>,
    /// It could not be loaded.
    #[prop(into)]
    on_failure: Callback<String>,
) -> impl IntoView {
    let node = NodeRef::<leptos::html::Div>::new();
    let view = StoredValue::new(());
    node.on_load(move |host| {
        let data = Closure::<dyn Fn(Uint8Array)>::new(move |bytes: Uint8Array| on_data(bytes.to_vec()));
        let resize = Closure::<dyn Fn(u16, u16)>::new(move |rows, cols| on_resize(rows, cols));
        spawn_local(async move {
            let host: HtmlElement = host.into();
            match open_terminal(&host, &assets(), data.as_ref(), resize.as_ref()).await {
                Ok(value) => {
                    let terminal: Terminal = value.unchecked_into();
                    let size = (terminal.rows(), terminal.cols());
                    let open = Open {
                        terminal,
                        _on_data: data,
                        _on_resize: resize,
                    };
                    if handle.open.is_disposed() || view.is_disposed() {
                        return;
                    }
                    handle.open.set_value(Some(open));
                    on_open.run(size);
                }
                Err(error) if !view.is_disposed() => on_failure.run(format!("{error:?}")),
                Err(_) => {}
            }
        });
    });
    view! { <div class="terminal" node_ref=node data-testid="console.terminal.view"></div> }
}
