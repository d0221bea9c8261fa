//! A line of recent values without axes.

use crate::state::signal::See;
use leptos::prelude::*;
use std::fmt::Write;

/// The points of a polyline in a box of 100 by 100, newest right. `full` is the
/// value at the top edge; without one the greatest value is, at least `least`.
fn points(values: &[f64], slots: usize, full: Option<f64>, least: f64) -> (String, String) {
    let top = full
        .unwrap_or_else(|| values.iter().copied().fold(least, f64::max) * 1.1)
        .max(1e-9);
    let step = 100.0 / (slots.max(2) - 1) as f64;
    let start = 100.0 - step * (values.len().max(1) - 1) as f64;
    let mut line = String::with_capacity(values.len() * 12);
    for (at, value) in values.iter().enumerate() {
        let x = start + step * at as f64;
        let y = 98.0 - (value / top).clamp(0.0, 1.0) * 96.0;
        let _ = write!(line, "{},{} ", tenth(x), tenth(y));
    }
    let area = format!("{},100 {line}100,100", tenth(start));
    (line, area)
}

/// Tenths are finer than a pixel; integers keep the formatting code small.
fn tenth(value: f64) -> String {
    let tenths = super::super::format::number::whole(value * 10.0);
    format!("{}.{}", tenths / 10, tenths % 10)
}

/// A line of recent values, newest right.
#[component]
pub fn Sparkline(
    /// Oldest first.
    #[prop(into)]
    values: Signal<Vec<f64>>,
    /// How many values fill the width.
    #[prop(default = 60)]
    slots: usize,
    /// The value at the top edge; without one the line fills its box.
    #[prop(optional, into)]
    full: Signal<Option<f64>>,
    /// The smallest range shown, so that noise near zero stays flat.
    #[prop(default = 1.0)]
    least: f64,
    /// `1` to `8`: which series colour.
    #[prop(default = 1)]
    series: u8,
) -> impl IntoView {
    let drawn = Memo::new(move |_| values.see(|values| points(values, slots, full.get(), least)));
    view! {
        <svg
            class="sparkline"
            viewBox="0 0 100 100"
            preserveAspectRatio="none"
            aria-hidden="true"
            style=format!("color:var(--series-{series})")
        >
            <polygon points=move || drawn.get().1></polygon>
            <polyline points=move || drawn.get().0></polyline>
        </svg>
    }
}

#[cfg(test)]
mod tests {
    use super::points;

    #[test]
    fn the_newest_value_stands_at_the_right_edge() {
        let (line, _) = points(&[0.0, 50.0], 60, Some(100.0), 1.0);
        assert!(line.trim_end().ends_with("100.0,50.0"), "{line}");
    }

    #[test]
    fn no_values_draw_nothing() {
        assert_eq!(points(&[], 60, None, 1.0).0, "");
    }
}
