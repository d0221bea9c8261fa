//! Action menus. One menu exists for the whole panel; rows only say where it
//! opens and what it holds, so a table of thousands carries none.

use super::icon::icon;
use leptos::prelude::*;
use std::rc::Rc;
use wasm_bindgen::JsCast;
use web_sys::HtmlElement;

/// One entry.
#[derive(Clone)]
pub struct Item {
    pub label: String,
    pub icon: &'static str,
    pub danger: bool,
    /// Why it cannot be chosen now; shown as tooltip.
    pub refused: Option<String>,
    pub testid: String,
    pub act: Rc<dyn Fn()>,
}

impl Item {
    pub fn new(icon: &'static str, label: &str, testid: &str, act: impl Fn() + 'static) -> Self {
        Self {
            label: label.to_owned(),
            icon,
            danger: false,
            refused: None,
            testid: testid.to_owned(),
            act: Rc::new(act),
        }
    }

    pub fn danger(mut self) -> Self {
        self.danger = true;
        self
    }

    pub fn refused_if(mut self, refused: bool, why: &str) -> Self {
        if refused {
            self.refused = Some(why.to_owned());
        }
        self
    }
}

/// Opens menus.
#[derive(Clone, Copy)]
pub struct Menus {
    items: RwSignal<Vec<Item>, LocalStorage>,
    place: RwSignal<(f64, f64)>,
    opener: StoredValue<Option<HtmlElement>, LocalStorage>,
    node: NodeRef<leptos::html::Div>,
}

impl Default for Menus {
    fn default() -> Self {
        Self {
            items: RwSignal::new_local(Vec::new()),
            place: RwSignal::new((0.0, 0.0)),
            opener: StoredValue::new_local(None),
            node: NodeRef::new(),
        }
    }
}

impl Menus {
    /// Opens below the element that was pressed, kept inside the window.
    pub fn open(self, event: &web_sys::MouseEvent, items: Vec<Item>) {
        event.stop_propagation();
        let Some(anchor) = event
            .current_target()
            .and_then(|target| target.dyn_into::<HtmlElement>().ok())
        else {
            return;
        };
        let area = anchor.get_bounding_client_rect();
        let (width, height) = (230.0, items.len() as f64 * 32.0 + 12.0);
        let window = window();
        let size = |value: Result<wasm_bindgen::JsValue, _>| value.ok().and_then(|v| v.as_f64()).unwrap_or(800.0);
        let (all_width, all_height) = (size(window.inner_width()), size(window.inner_height()));
        let left = (area.right() - width).clamp(8.0, (all_width - width - 8.0).max(8.0));
        let below = area.bottom() + 4.0;
        let top = if below + height > all_height {
            (area.top() - height - 4.0).max(8.0)
        } else {
            below
        };
        self.place.set((left, top));
        self.items.set(items);
        self.opener.set_value(Some(anchor));
        if let Some(node) = self.node.get_untracked() {
            let element: &HtmlElement = node.as_ref();
            let _ = element.show_popover();
            // The entries are drawn by the next effect run; focus goes to the first then.
            let node = node.clone();
            request_animation_frame(move || focus_sibling(node.as_ref(), 0, true));
        }
    }

    fn close(self) {
        if let Some(node) = self.node.get_untracked() {
            let element: &HtmlElement = node.as_ref();
            let _ = element.hide_popover();
        }
        if let Some(opener) = self.opener.get_value() {
            let _ = opener.focus();
        }
    }
}

/// Focuses the entry `step` away from the focused one, or the first.
fn focus_sibling(menu: &HtmlElement, step: i32, first: bool) {
    let Ok(entries) = menu.query_selector_all("[role=menuitem]") else {
        return;
    };
    let count = entries.length() as i32;
    if count == 0 {
        return;
    }
    let active = document().active_element();
    let mut at = (0..count)
        .find(|i| entries.item(*i as u32).as_ref() == active.as_deref().map(AsRef::as_ref))
        .unwrap_or(-1);
    at = if first { 0 } else { (at + step).rem_euclid(count) };
    if let Some(entry) = entries
        .item(at as u32)
        .and_then(|node| node.dyn_into::<HtmlElement>().ok())
    {
        let _ = entry.focus();
    }
}

/// The one menu of the panel.
#[component]
pub fn MenuHost(
    /// What opens it.
    menus: Menus,
) -> impl IntoView {
    let style = move || {
        let (left, top) = menus.place.get();
        format!("left:{left}px;top:{top}px")
    };
    view! {
        <div
            class="menu"
            popover="auto"
            role="menu"
            node_ref=menus.node
            style=style
            on:keydown=move |event| {
                let Some(node) = menus.node.get_untracked() else { return };
                match event.key().as_str() {
                    "ArrowDown" => focus_sibling(node.as_ref(), 1, false),
                    "ArrowUp" => focus_sibling(node.as_ref(), -1, false),
                    "Home" => focus_sibling(node.as_ref(), 0, true),
                    "Escape" | "Tab" => menus.close(),
                    _ => return,
                }
                event.prevent_default();
                event.stop_propagation();
            }
        >
            {move || {
                menus
                    .items
                    .get()
                    .into_iter()
                    .map(|item| {
                        let refused = item.refused.is_some();
                        view! {
                            <button
                                type="button"
                                role="menuitem"
                                tabindex="-1"
                                class="menu__item"
                                class:menu__item--danger=item.danger
                                aria-disabled=refused.to_string()
                                title=item.refused.unwrap_or_default()
                                data-testid=item.testid
                                on:click=move |_| {
                                    if !refused {
                                        menus.close();
                                        (item.act)();
                                    }
                                }
                            >
                                {icon(item.icon)}
                                {item.label}
                            </button>
                        }
                    })
                    .collect_view()
            }}
        </div>
    }
}
