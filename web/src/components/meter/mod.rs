//! A bar that says how full something is.

use leptos::prelude::*;

/// A bar. The words beside it carry the figures.
#[component]
pub fn Meter(
    /// 0 to 1; `None` draws an empty track: there is no ceiling.
    #[prop(into)]
    share: Signal<Option<f64>>,
    /// What is measured, for those who do not see it.
    #[prop(into)]
    label: String,
    /// How far something is, not how full: a full bar is no warning.
    #[prop(optional)]
    progress: bool,
) -> impl IntoView {
    let percent = move || share.get().map_or(0.0, |share| share.clamp(0.0, 1.0) * 100.0);
    let tone = move || match share.get() {
        _ if progress => "meter",
        Some(share) if share >= 0.9 => "meter meter--bad",
        Some(share) if share >= 0.75 => "meter meter--warn",
        _ => "meter",
    };
    view! {
        <div
            class=tone
            role=if progress { "progressbar" } else { "meter" }
            aria-label=label
            aria-valuemin="0"
            aria-valuemax="100"
            aria-valuenow=move || crate::format::number::whole(percent()).to_string()
        >
            <div class="meter__fill" style:transform=move || format!("scaleX({})", percent() / 100.0)></div>
        </div>
    }
}
