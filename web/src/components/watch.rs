//! Small dealings with the browser: sizes that change, the clipboard.

use crate::state::signal::Hold;
use leptos::prelude::*;
use wasm_bindgen::JsCast;
use wasm_bindgen::closure::Closure;
use web_sys::{HtmlElement, ResizeObserver};

/// Calls `act` whenever the element's size changes, as long as the owner lives.
pub fn on_resize<E>(node: NodeRef<E>, act: impl Fn() + 'static)
where
    E: leptos::tachys::html::element::ElementType + 'static,
    E::Output: JsCast + Clone + Into<HtmlElement> + 'static,
{
    let callback = Closure::<dyn Fn()>::new(act);
    let Ok(observer) = ResizeObserver::new(callback.as_ref().unchecked_ref()) else {
        return;
    };
    let held = StoredValue::new_local((observer, callback));
    Effect::new(move || {
        if let Some(element) = node.get() {
            let element: HtmlElement = element.into();
            held.hold(|(observer, _)| observer.observe(&element));
        }
    });
    on_cleanup(move || {
        held.try_with_value(|(observer, _)| observer.disconnect());
    });
}

/// Puts text on the clipboard.
pub fn copy(text: &str) {
    let _ = window().navigator().clipboard().write_text(text);
}

/// Saves what the address answers as a file, without leaving the page.
pub fn download(address: &str) {
    if let Ok(link) = document().create_element("a") {
        let _ = link.set_attribute("href", address);
        let _ = link.set_attribute("download", "");
        link.unchecked_into::<HtmlElement>().click();
    }
}
