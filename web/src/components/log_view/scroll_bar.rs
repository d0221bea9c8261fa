//! The scroll bar whose thumb maps to line numbers.

use super::viewer::Viewer;
use crate::format::number;
use crate::state::signal::Hold;
use leptos::prelude::*;
use wasm_bindgen::JsCast;
use web_sys::{HtmlElement, PointerEvent};

/// The least height of the thumb in pixels: it must stay easy to catch.
const THUMB: f64 = 28.0;

/// The bar at the right edge, with a bubble that says where the thumb is.
#[component]
pub fn ScrollBar(
    /// What it moves.
    viewer: StoredValue<Viewer, LocalStorage>,
) -> impl IntoView {
    let controls = viewer.hold(|viewer| viewer.controls);
    let track = NodeRef::<leptos::html::Div>::new();
    let dragging = RwSignal::new(None::<f64>);
    let bubble = RwSignal::new(String::new());

    let height = move || {
        track
            .get_untracked()
            .map_or(1.0, |track| f64::from(track.client_height()))
    };
    let thumb_height = move || {
        let (_, part) = controls.thumb.get();
        (height() * part).max(THUMB)
    };
    let thumb_top = move || {
        let (share, _) = controls.thumb.get();
        (height() - thumb_height()).max(0.0) * share
    };
    let place = move |event: &PointerEvent, grip: f64| {
        let Some(track) = track.get_untracked() else { return };
        let top = track.get_bounding_client_rect().top();
        let way = (height() - thumb_height()).max(1.0);
        let share = ((f64::from(event.client_y()) - top - grip) / way).clamp(0.0, 1.0);
        viewer.hold(|viewer| {
            viewer.drag(share);
            let (seq, at) = viewer.top();
            let times = controls.times.get_untracked();
            let when = at.map(|at| times.moment(at) + "  ").unwrap_or_default();
            bubble.set(when + "line " + &number::count(seq));
        });
    };
    view! {
        <div
            class="log-view__bar"
            node_ref=track
            role="scrollbar"
            aria-label="Position in the log"
            aria-orientation="vertical"
            aria-controls="log-lines"
            aria-valuemin="0"
            aria-valuemax="100"
            aria-valuenow=move || number::whole(controls.thumb.get().0 * 100.0).to_string()
            data-testid="logs.scrollbar.drag"
            on:pointerdown=move |event| {
                event.prevent_default();
                if let Some(bar) = event.current_target().and_then(|t| t.dyn_into::<HtmlElement>().ok()) {
                    let _ = bar.set_pointer_capture(event.pointer_id());
                }
                let Some(bar) = track.get_untracked() else { return };
                let y = f64::from(event.client_y()) - bar.get_bounding_client_rect().top();
                let (top, size) = (untrack(thumb_top), untrack(thumb_height));
                // Caught by the thumb it keeps its grip; elsewhere the thumb comes to the pointer.
                let grip = if (top..top + size).contains(&y) { y - top } else { size / 2.0 };
                dragging.set(Some(grip));
                place(&event, grip);
            }
            on:pointermove=move |event| {
                if let Some(grip) = dragging.get_untracked() {
                    place(&event, grip);
                }
            }
            on:pointerup=move |_| dragging.set(None)
            on:pointercancel=move |_| dragging.set(None)
        >
            <div
                class="log-view__thumb"
                class:log-view__thumb--held=move || dragging.get().is_some()
                style=move || format!("height:{}px;transform:translateY({}px)", thumb_height(), thumb_top())
            ></div>
            <output
                class="log-view__bubble"
                hidden=move || dragging.get().is_none()
                style=move || format!("top:{}px", thumb_top())
            >
                {move || bubble.get()}
            </output>
        </div>
    }
}
