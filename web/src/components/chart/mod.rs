//! A chart over time: lines on a canvas, words around it in the document.

mod draw;

use crate::components::icon::icon;
use crate::components::watch::on_resize;
use crate::format::time;
use crate::state::signal::{Edit, See};
use draw::{Frame, draw};
use leptos::prelude::*;

/// One line.
#[derive(Debug, Clone, PartialEq)]
pub struct Series {
    pub name: &'static str,
    /// `1` to `8`.
    pub colour: u8,
    pub values: Vec<f64>,
}

/// What is drawn: moments (milliseconds since 1970) with a value of each series.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Data {
    pub times: Vec<f64>,
    pub series: Vec<Series>,
    /// Drawn as a line across, when it is in sight.
    pub limit: Option<f64>,
}

/// Rows of the table that says the same.
const TABLE_ROWS: usize = 30;
/// Where a gap is, nothing is drawn: this many usual steps without a sample.
const GAP_MS: f64 = 5_000.0;

/// A chart. All charts that share `cursor` show the same moment.
#[component]
pub fn Chart(
    /// What is measured.
    title: &'static str,
    /// The samples.
    #[prop(into)]
    data: Signal<Data>,
    /// How a value is written.
    words: fn(f64) -> String,
    /// The smallest top of the scale.
    least: f64,
    /// The moment pointed at, shared.
    cursor: RwSignal<Option<f64>>,
    /// Changes when the theme does.
    #[prop(into)]
    theme: Signal<bool>,
    /// `page.part` for test ids.
    testid: &'static str,
) -> impl IntoView {
    let canvas = NodeRef::<leptos::html::Canvas>::new();
    let area = NodeRef::<leptos::html::Div>::new();
    let width = RwSignal::new(0.0);
    let table = RwSignal::new(false);
    on_resize(area, move || {
        if let Some(area) = area.get_untracked() {
            width.set(f64::from(area.client_width()));
        }
    });
    let top = Memo::new(move |_| data.see(|data| scale_top(data, least)));
    let span = move || data.see(|data| Some((*data.times.first()?, *data.times.last()?)));
    // The sample nearest to the cursor.
    let at = Memo::new(move |_| {
        let cursor = cursor.get()?;
        data.see(|data| {
            let after = data.times.partition_point(|time| *time < cursor);
            [after.checked_sub(1), Some(after)]
                .into_iter()
                .flatten()
                .filter(|at| *at < data.times.len())
                .min_by(|a, b| {
                    (data.times[*a] - cursor)
                        .abs()
                        .total_cmp(&(data.times[*b] - cursor).abs())
                })
        })
    });
    Effect::new(move || {
        theme.track();
        let width = width.get();
        let (Some(canvas), false) = (canvas.get(), table.get()) else {
            return;
        };
        data.see(|data| {
            draw(
                &canvas,
                data,
                &Frame {
                    width,
                    top: top.get(),
                    gap_ms: GAP_MS,
                    at: at.get(),
                },
            );
        });
    });
    let point = move |event: web_sys::PointerEvent| {
        let (Some(area), Some((first, last))) = (area.get_untracked(), untrack(span)) else {
            return;
        };
        let x = f64::from(event.client_x()) - area.get_bounding_client_rect().left();
        let share = (x / width.get_untracked().max(1.0)).clamp(0.0, 1.0);
        cursor.set(Some(first + (last - first) * share));
    };
    let step = move |event: web_sys::KeyboardEvent| {
        let Some((first, last)) = untrack(span) else { return };
        let now = cursor.get_untracked().unwrap_or(last);
        let to = match event.key().as_str() {
            "ArrowLeft" => now - 1_000.0,
            "ArrowRight" => now + 1_000.0,
            "Home" => first,
            "End" => last,
            "Escape" => {
                cursor.set(None);
                return;
            }
            _ => return,
        };
        event.prevent_default();
        cursor.set(Some(to.clamp(first, last)));
    };
    let legend = move || {
        data.see(|data| {
            let shown = at.get().or(data.times.len().checked_sub(1));
            data.series
                .iter()
                .map(|series| {
                    let value = shown.and_then(|at| series.values.get(at)).map(|value| words(*value));
                    view! {
                        <li class="chart__series">
                            <span class="chart__key" style=format!("--key:var(--series-{})", series.colour)></span>
                            {series.name}
                            <strong>{value}</strong>
                        </li>
                    }
                })
                .collect_view()
        })
    };
    // The text that says what a look at the picture does.
    let summary = move || {
        data.see(|data| {
            let mut said = String::from(title);
            for series in &data.series {
                let peak = series.values.iter().copied().fold(0.0, f64::max);
                let mean = series.values.iter().sum::<f64>() / series.values.len().max(1) as f64;
                said += &[". ", series.name, ": mean ", &words(mean), ", peak ", &words(peak)].concat();
            }
            said
        })
    };
    let tip = move || {
        let at = at.get()?;
        data.see(|data| {
            let moment = *data.times.get(at)?;
            let (first, last) = (*data.times.first()?, *data.times.last()?);
            let share = if last > first {
                (moment - first) / (last - first)
            } else {
                1.0
            };
            let side = if share > 0.6 {
                "chart__tip chart__tip--left"
            } else {
                "chart__tip"
            };
            Some(view! {
                <div class=side style=format!("left:{}%", share * 100.0)>{time::clock(moment)}</div>
            })
        })
    };
    view! {
        <section class="card chart" data-testid=testid>
            <header class="chart__head">
                <h2>{title}</h2>
                <ul class="chart__legend">{legend}</ul>
                <button
                    type="button"
                    class="button button--small button--icon button--quiet"
                    aria-label="View as table"
                    title="View as table"
                    aria-pressed=move || table.get().to_string()
                    data-testid=[testid, ".table"].concat()
                    on:click=move |_| table.edit(|table| *table = !*table)
                >
                    {icon("table")}
                </button>
            </header>
            <Show
                when=move || table.get()
                fallback=move || {
                    view! {
                        <div class="chart__body">
                            <div class="chart__scale" aria-hidden="true">
                                <span>{move || words(top.get())}</span>
                                <span>{move || words(top.get() / 2.0)}</span>
                                <span>{move || words(0.0)}</span>
                            </div>
                            <div
                                class="chart__area"
                                node_ref=area
                                tabindex="0"
                                role="img"
                                aria-label=summary
                                on:pointermove=point
                                on:pointerleave=move |_| cursor.set(None)
                                on:keydown=step
                            >
                                <canvas node_ref=canvas></canvas>
                                {tip}
                            </div>
                            <div class="chart__times" aria-hidden="true">
                                <span>{move || span().map(|(first, _)| time::clock(first))}</span>
                                <span>{move || span().map(|(first, last)| time::clock(f64::midpoint(first, last)))}</span>
                                <span>{move || span().map(|(_, last)| time::clock(last))}</span>
                            </div>
                        </div>
                    }
                }
            >
                {move || as_table(&data.get(), words)}
            </Show>
        </section>
    }
}

/// The top of the scale: a round number above everything shown. A limit far
/// above the use would flatten the line, so it is only shown when it is near.
fn scale_top(data: &Data, least: f64) -> f64 {
    let peak = data
        .series
        .iter()
        .flat_map(|series| series.values.iter().copied())
        .fold(least, f64::max);
    let wanted = match data.limit {
        Some(limit) if limit < peak * 4.0 => peak.max(limit) * 1.05,
        _ => peak * 1.1,
    };
    round_up(wanted)
}

/// The next of 1, 1.5, 2, 3, 4, 5, 6, 8, 10 times a power of two (bytes) or ten.
fn round_up(value: f64) -> f64 {
    let base: f64 = if value > 4096.0 { 1024.0 } else { 10.0 };
    let mut unit = 1.0;
    while unit * base <= value {
        unit *= base;
    }
    while unit > value {
        unit /= 10.0;
    }
    for step in [
        1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0, 16.0, 24.0, 32.0, 48.0, 64.0, 96.0, 128.0, 192.0, 256.0, 384.0,
        512.0, 768.0, 1024.0,
    ] {
        if unit * step >= value {
            return unit * step;
        }
    }
    value
}

fn as_table(data: &Data, words: fn(f64) -> String) -> AnyView {
    let from = data.times.len().saturating_sub(TABLE_ROWS);
    let rows = (from..data.times.len())
        .rev()
        .map(|at| {
            view! {
                <tr>
                    <td>{time::clock(data.times[at])}</td>
                    {data
                        .series
                        .iter()
                        .map(|series| view! { <td class="num">{series.values.get(at).map(|value| words(*value))}</td> })
                        .collect_view()}
                </tr>
            }
        })
        .collect_view();
    view! {
        <div class="chart__table">
            <table class="table">
                <thead>
                    <tr>
                        <th scope="col">"Time"</th>
                        {data.series.iter().map(|series| view! { <th scope="col" class="num">{series.name}</th> }).collect_view()}
                    </tr>
                </thead>
                <tbody>{rows}</tbody>
            </table>
        </div>
    }
    .into_any()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_scale_ends_at_a_round_number_above_the_peak() {
        for (value, top) in [
            (0.9, 1.0),
            (7.1, 8.0),
            (55.0, 60.0),
            (110.0, 150.0),
            (300.0 * 1048576.0, 384.0 * 1048576.0),
        ] {
            assert!((round_up(value) - top).abs() < 1e-6, "{value} gave {}", round_up(value));
        }
    }

    #[test]
    fn a_far_limit_does_not_flatten_the_line() {
        let data = Data {
            times: vec![0.0],
            series: vec![Series {
                name: "x",
                colour: 1,
                values: vec![10.0],
            }],
            limit: Some(1_000.0),
        };
        assert!(scale_top(&data, 1.0) < 20.0);
    }
}
