//! The log viewer: a million lines in a tab that holds thirty thousand.
//!
//! The server owns the lines and their numbers. The viewer keeps blocks of 500
//! (`window`), stands at a line number rather than at a pixel (`scroll`), and
//! recycles about sixty rows (`row`); `viewer` ties them together.

mod level;
mod row;
pub mod scroll;
mod scroll_bar;
pub mod source;
mod style;
mod toolbar;
mod viewer;
pub mod window;

use self::row::Times;
use self::scroll_bar::ScrollBar;
use self::source::{Query, Source, Streams};
use self::toolbar::Toolbar;
use self::viewer::{Controls, Phase, ROW, Viewer};
use crate::components::icon::icon;
use crate::components::notice::{failure, skeleton};
use crate::components::watch::on_resize;
use crate::format::number;
use crate::state::signal::{Edit, Hold};
use leptos::prelude::*;
use wasm_bindgen::JsCast;
use web_sys::{Element, KeyboardEvent, PointerEvent, WheelEvent};

/// The log of one source, newest line last.
#[component]
pub fn LogView(
    /// Where lines come from.
    source: Source,
    /// A line to show instead of the end.
    line: Option<u64>,
    /// Called when a line is chosen, so that the address can name it.
    #[prop(into)]
    on_choose: Callback<Option<u64>>,
    /// Changes when the theme does.
    #[prop(into)]
    theme: Signal<bool>,
    /// Wraps from the start, as on a phone.
    wrap: bool,
) -> impl IntoView {
    let controls = Controls {
        phase: RwSignal::new(Phase::Loading),
        follow: RwSignal::new(line.is_none()),
        wrap: RwSignal::new(wrap),
        times: RwSignal::new(Times::Local),
        streams: RwSignal::new(Streams::Both),
        query: RwSignal::new(Query::default()),
        searching: RwSignal::new(false),
        hits: RwSignal::new(None),
        hit: RwSignal::new(None),
        only_hits: RwSignal::new(false),
        selected: RwSignal::new(None),
        copying: RwSignal::new(None),
        unseen: RwSignal::new(0),
        bounds: RwSignal::new((0, 0)),
        thumb: RwSignal::new((0.0, 1.0)),
    };
    let viewer = StoredValue::new_local(Viewer::new(source, controls, line));
    let canvas = NodeRef::<leptos::html::Div>::new();
    let field = NodeRef::<leptos::html::Input>::new();
    viewer.hold(Viewer::open);
    on_resize(canvas, move || viewer.hold(Viewer::resized));
    Effect::new(move || {
        if let Some(canvas) = canvas.get() {
            viewer.hold(|viewer| viewer.mount(canvas.into()));
        }
    });
    Effect::new(move |before: Option<bool>| {
        let now = theme.get();
        if before.is_some_and(|before| before != now) {
            viewer.hold(Viewer::redraw);
        }
        now
    });
    // Nodes and signals go with the page; the subscription must go first.
    on_cleanup(move || {
        viewer.try_with_value(Viewer::close);
    });

    let touch = StoredValue::new(None::<f64>);
    let choose = move |seq: u64, extend: bool| {
        let range = match controls.selected.get_untracked() {
            Some((from, to)) if extend => (from.min(seq), to.max(seq)),
            _ => (seq, seq),
        };
        controls.selected.set(Some(range));
        controls.copying.set(None);
        controls.follow.set(false);
        on_choose.run(Some(range.0));
        viewer.hold(Viewer::redraw);
    };
    let copy = move || viewer.hold(Viewer::copy_chosen);
    let share = move || {
        if let Some((from, _)) = controls.selected.get_untracked() {
            let address = viewer.hold(|viewer| (viewer.source().share)(from));
            crate::components::watch::copy(&address);
            controls.copying.set(Some("Copied the link".to_owned()));
        }
    };
    let key = move |event: KeyboardEvent| {
        if event.ctrl_key() || event.meta_key() || event.alt_key() {
            return;
        }
        let taken = viewer.hold(|viewer| {
            match event.key().as_str() {
                "ArrowDown" | "j" => viewer.scroll(ROW),
                "ArrowUp" | "k" => viewer.scroll(-ROW),
                "PageDown" => viewer.page(1.0),
                "PageUp" => viewer.page(-1.0),
                "Home" => viewer.go_to_first(),
                "End" => viewer.go_to_end(),
                " " => controls.follow.edit(|follow| *follow = !*follow),
                "f" if controls.follow.get_untracked() => controls.follow.set(false),
                "f" => viewer.go_to_end(),
                "w" => {
                    controls.wrap.edit(|wrap| *wrap = !*wrap);
                    viewer.redraw();
                }
                "n" => viewer.step_hit(1),
                "N" => viewer.step_hit(-1),
                "Escape" if controls.selected.get_untracked().is_some() => {
                    controls.selected.set(None);
                    on_choose.run(None);
                    viewer.redraw();
                }
                "/" => {
                    if let Some(field) = field.get_untracked() {
                        let _ = field.focus();
                    }
                }
                _ => return false,
            }
            true
        });
        if taken {
            event.prevent_default();
            event.stop_propagation();
        }
    };
    let press = move |event: web_sys::MouseEvent| {
        let Some(target) = event.target().and_then(|target| target.dyn_into::<Element>().ok()) else {
            return;
        };
        let seq = |element: &Element| -> Option<u64> {
            element
                .closest("[data-seq]")
                .ok()??
                .get_attribute("data-seq")?
                .parse()
                .ok()
        };
        if target.class_list().contains("log-view__number") {
            if let Some(seq) = seq(&target) {
                choose(seq, event.shift_key());
            }
        } else if target.class_list().contains("log-view__open")
            && let Some(seq) = seq(&target)
        {
            viewer.hold(|viewer| viewer.open_line(seq));
        }
    };
    let drag = move |event: PointerEvent| {
        if event.pointer_type() != "touch" {
            return;
        }
        let y = f64::from(event.client_y());
        if let Some(before) = touch.get_value() {
            viewer.hold(|viewer| viewer.scroll(before - y));
            touch.set_value(Some(y));
        }
    };
    let selected = move || {
        controls.selected.get().map(|(from, to)| {
            let words = if from == to {
                "Line ".to_owned() + &number::count(from)
            } else {
                number::plural(usize::try_from(to - from + 1).unwrap_or(usize::MAX), "line")
            };
            view! {
                <div class="log-view__chosen" role="toolbar" aria-label="Chosen lines">
                    <span>{words}</span>
                    <span role="status" data-testid="logs.chosen.copied">{move || controls.copying.get()}</span>
                    <button type="button" class="button button--small" data-testid="logs.chosen.copy" on:click=move |_| copy()>
                        {icon("copy")}
                        "Copy"
                    </button>
                    <button type="button" class="button button--small" data-testid="logs.chosen.share" on:click=move |_| share()>
                        {icon("link")}
                        "Copy link"
                    </button>
                    <button
                        type="button"
                        class="button button--small button--icon button--quiet"
                        aria-label="Choose no line"
                        data-testid="logs.chosen.clear"
                        on:click=move |_| {
                            controls.selected.set(None);
                            on_choose.run(None);
                            viewer.hold(Viewer::redraw);
                        }
                    >
                        {icon("close")}
                    </button>
                </div>
            }
        })
    };
    view! {
        <section
            class="log-view"
            class:log-view--wrap=move || controls.wrap.get()
            class:log-view--following=move || controls.follow.get()
            class:log-view--no-time=move || controls.times.get() == Times::Off
            aria-label="Log"
        >
            <Toolbar viewer field/>
            <div class="log-view__frame">
                <div
                    class="log-view__lines"
                    id="log-lines"
                    role="log"
                    aria-live="off"
                    aria-label="Log lines"
                    tabindex="0"
                    data-testid="logs.lines.view"
                    node_ref=canvas
                    on:wheel=move |event: WheelEvent| {
                        if event.ctrl_key() || event.delta_y() == 0.0 {
                            return;
                        }
                        event.prevent_default();
                        let unit = match event.delta_mode() {
                            1 => ROW,
                            2 => 400.0,
                            _ => 1.0,
                        };
                        viewer.hold(|viewer| viewer.scroll(event.delta_y() * unit));
                    }
                    on:keydown=key
                    on:click=press
                    on:pointerdown=move |event| {
                        if event.pointer_type() == "touch" {
                            touch.set_value(Some(f64::from(event.client_y())));
                        }
                    }
                    on:pointermove=drag
                    on:pointerup=move |_| touch.set_value(None)
                    on:pointercancel=move |_| touch.set_value(None)
                    on:mouseup=move |_| {
                        let text = window().get_selection().ok().flatten().map(|s| !s.is_collapsed());
                        if text == Some(true) {
                            controls.follow.set(false);
                        }
                    }
                ></div>
                <ScrollBar viewer/>
                {move || match controls.phase.get() {
                    Phase::Loading => Some(view! { <div class="log-view__over">{skeleton(8)}</div> }.into_any()),
                    Phase::Failed(reason) => {
                        let retry = move || {
                            controls.phase.set(Phase::Loading);
                            viewer.hold(Viewer::open);
                        };
                        Some(
                            view! { <div class="log-view__over">{failure("The log could not be read", reason, retry)}</div> }
                                .into_any(),
                        )
                    }
                    Phase::Ready => {
                        let (first, next) = controls.bounds.get();
                        (first == next)
                            .then(|| {
                                view! {
                                    <div class="log-view__over log-view__over--empty">
                                        <span class="log-view__dot"></span>
                                        "No output yet. New lines appear here."
                                    </div>
                                }
                                    .into_any()
                            })
                    }
                }}
                <Show when=move || (controls.unseen.get() > 0) && !controls.follow.get()>
                    <button
                        type="button"
                        class="log-view__pill"
                        data-testid="logs.view.pill"
                        on:click=move |_| viewer.hold(Viewer::go_to_end)
                    >
                        {icon("follow")}
                        {move || number::plural(usize::try_from(controls.unseen.get()).unwrap_or(usize::MAX), "new line")}
                        " - Follow"
                    </button>
                </Show>
            </div>
            <footer class="log-view__foot">
                <label class="log-view__jump">
                    {icon("clock")}
                    <span class="log-view__word">
                        {move || if controls.times.get() == Times::Utc { "Jump to (UTC)" } else { "Jump to" }}
                    </span>
                    <input
                        class="input input--small"
                        type="datetime-local"
                        step="1"
                        aria-label="Jump to a time"
                        data-testid="logs.time.jump"
                        on:change=move |event| {
                            // Without a zone the browser reads it as local time.
                            let mut typed = event_target_value(&event);
                            if controls.times.get_untracked() == Times::Utc {
                                typed.push('Z');
                            }
                            let moment = js_sys::Date::parse(&typed);
                            if !moment.is_nan() {
                                viewer.hold(|viewer| viewer.go_to_time(moment));
                            }
                        }
                    />
                </label>
                {selected}
                <span class="grow"></span>
                <span data-testid="logs.lines.count">
                    {move || {
                        let (first, next) = controls.bounds.get();
                        number::plural(usize::try_from(next - first).unwrap_or(usize::MAX), "line")
                    }}
                </span>
            </footer>
        </section>
    }
}
