//! Small dealings with the browser: sizes that change, the clipboard.

use crate::state::signal::Hold;
use leptos::prelude::*;
use wasm_bindgen::JsCast;
use wasm_bindgen::closure::Closure;
use web_sys::{HtmlElement, HtmlTextAreaElement, ResizeObserver};

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
    let text = text.to_owned();
    leptos::task::spawn_local(async move {
        copy_text(&text).await;
    });
}

/// Puts text on the clipboard; tells whether the browser allowed it.
pub async fn copy_text(text: &str) -> bool {
    // Absent on pages that came without encryption from another host.
    let clipboard = js_sys::Reflect::get(&window().navigator(), &"clipboard".into()).ok();
    if let Some(clipboard) = clipboard.and_then(|clipboard| clipboard.dyn_into::<web_sys::Clipboard>().ok())
        && wasm_bindgen_futures::JsFuture::from(clipboard.write_text(text))
            .await
            .is_ok()
    {
        return true;
    }
    copy_by_selection(text).unwrap_or(false)
}

/// The older way: selects the text in a field and copies the selection.
fn copy_by_selection(text: &str) -> Option<bool> {
    let document = document();
    let field: HtmlTextAreaElement = document.create_element("textarea").ok()?.dyn_into().ok()?;
    field.set_value(text);
    let _ = field.set_attribute("style", "position:fixed;opacity:0");
    document.body()?.append_child(&field).ok()?;
    let focused = document
        .active_element()
        .and_then(|element| element.dyn_into::<HtmlElement>().ok());
    field.select();
    let command = js_sys::Reflect::get(&document, &"execCommand".into()).ok()?;
    let done = command
        .dyn_into::<js_sys::Function>()
        .ok()?
        .call1(&document, &"copy".into());
    field.remove();
    if let Some(focused) = focused {
        let _ = focused.focus();
    }
    Some(done.is_ok_and(|done| done.is_truthy()))
}

/// Saves what the address answers as a file, without leaving the page.
pub fn download(address: &str) {
    if let Ok(link) = document().create_element("a") {
        let _ = link.set_attribute("href", address);
        let _ = link.set_attribute("download", "");
        link.unchecked_into::<HtmlElement>().click();
    }
}
