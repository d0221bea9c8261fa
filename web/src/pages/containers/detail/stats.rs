//! The stats tab: what the container uses, over the last minutes.

use super::Subject;
use crate::client::http;
use crate::components::chart::{Chart, Data, Series};
use crate::components::notice::{Empty, skeleton};
use crate::format::{number, size, time};
use crate::state::App;
use crate::state::signal::{Edit, Peek, See};
use leptos::prelude::*;
use leptos::task::spawn_local;
use shared::stats::{History, Stats};
use std::collections::VecDeque;

/// Ranges: word and seconds.
const RANGES: [(&str, u32); 3] = [("1 min", 60), ("5 min", 300), ("15 min", 900)];
const KEPT: usize = 900;

/// Turns samples into series, with the limit they have.
type Make = fn(&VecDeque<Stats>) -> (Vec<Series>, Option<f64>);

/// A series from samples.
fn series(samples: &VecDeque<Stats>, name: &'static str, colour: u8, value: fn(&Stats) -> f64) -> Series {
    Series {
        name,
        colour,
        values: samples.iter().map(value).collect(),
    }
}

fn cores(value: f64) -> String {
    number::cores(value)
}

fn bytes(value: f64) -> String {
    size(number::whole(value))
}

pub fn stats(subject: Subject) -> AnyView {
    let app = App::get();
    let samples = RwSignal::new(VecDeque::<(f64, Stats)>::new());
    let range = RwSignal::new(300u32);
    let loaded = RwSignal::new(false);
    Effect::new(move || {
        let path = [
            "/containers/",
            &subject.id(),
            "/stats/history?seconds=",
            &range.get().to_string(),
        ]
        .concat();
        spawn_local(async move {
            if let Ok(history) = http::get::<History>(&path).await {
                let _ = samples.try_update(|samples| {
                    *samples = history
                        .samples
                        .into_iter()
                        .filter_map(|sample| Some((time::parse(&sample.time)?, sample)))
                        .collect();
                });
            }
            let _ = loaded.try_set(true);
        });
    });
    Effect::new(move || {
        let id = subject.item.see(|item| item.as_ref().map(|item| item.id.clone()));
        let Some(last) = id.and_then(|id| app.stats.of(&id)).map(|recent| recent.last) else {
            return;
        };
        let Some(at) = time::parse(&last.time) else { return };
        if samples.peek(|samples| samples.back().is_some_and(|(known, _)| *known >= at)) {
            return;
        }
        samples.edit(|samples| {
            samples.push_back((at, last));
            while samples.len() > KEPT {
                samples.pop_front();
            }
        });
    });
    // What lies in the range, newest last.
    let shown = Memo::new(move |_| {
        samples.see(|samples| {
            let newest = samples.back().map_or(0.0, |(at, _)| *at);
            let from = newest - f64::from(range.get()) * 1000.0;
            let (times, values): (Vec<f64>, VecDeque<Stats>) =
                samples.iter().filter(|(at, _)| *at >= from).cloned().unzip();
            (times, values)
        })
    });
    let cursor = RwSignal::new(None);
    let theme = Signal::derive(move || app.preferences.is_dark());
    let data = move |make: Make| {
        Signal::derive(move || {
            shown.see(|(times, values)| {
                let (series, limit) = make(values);
                Data {
                    times: times.clone(),
                    series,
                    limit,
                }
            })
        })
    };
    let cpu = data(|samples| {
        (
            vec![
                series(samples, "all", 1, |sample| sample.cpu_cores),
                series(samples, "system", 2, |sample| sample.cpu_system_cores),
            ],
            None,
        )
    });
    let nano = Signal::derive(move || subject.item.see(|item| item.as_ref().and_then(|item| item.nano_cpus)));
    let cpu = Signal::derive(move || {
        let mut data = cpu.get();
        data.limit = nano.get().map(|nano| nano as f64 / 1e9);
        data
    });
    let memory = data(|samples| {
        let limit = samples.back().and_then(|sample| sample.memory_limit_bytes);
        (
            vec![
                series(samples, "in use", 3, |sample| sample.memory_bytes as f64),
                series(samples, "cache", 7, |sample| sample.memory_cache_bytes as f64),
            ],
            limit.map(|limit| limit as f64),
        )
    });
    let network = data(|samples| {
        (
            vec![
                series(samples, "in", 1, |sample| sample.network_received_rate),
                series(samples, "out", 2, |sample| sample.network_sent_rate),
            ],
            None,
        )
    });
    let disk = data(|samples| {
        (
            vec![
                series(samples, "read", 4, |sample| sample.io_read_rate),
                series(samples, "written", 5, |sample| sample.io_write_rate),
            ],
            None,
        )
    });
    let pids = data(|samples| {
        let limit = samples.back().and_then(|sample| sample.pids_limit);
        (
            vec![series(samples, "processes", 8, |sample| sample.pids as f64)],
            limit.map(|limit| limit as f64),
        )
    });
    let face = Memo::new(
        move |_| match (loaded.get(), shown.see(|(times, _)| times.is_empty())) {
            (false, true) => 0,
            (true, true) => 1,
            (_, false) => 2,
        },
    );
    let charts = move || {
        view! {
            <div class="charts">
                <Chart title="CPU, cores" data=cpu words=cores least=0.1 cursor theme testid="stats.chart.cpu"/>
                <Chart title="Memory" data=memory words=bytes least=1048576.0 cursor theme testid="stats.chart.memory"/>
                <Chart title="Network" data=network words=number::rate least=10240.0 cursor theme testid="stats.chart.network"/>
                <Chart title="Disk" data=disk words=number::rate least=10240.0 cursor theme testid="stats.chart.disk"/>
                <Chart title="Processes" data=pids words=number::short least=5.0 cursor theme testid="stats.chart.pids"/>
            </div>
        }
        .into_any()
    };
    view! {
        <div class="stack">
            <div class="segments" role="group" aria-label="Range" style="justify-self:start">
                {RANGES
                    .into_iter()
                    .map(|(word, seconds)| {
                        view! {
                            <button
                                type="button"
                                class="segments__part"
                                aria-pressed=move || (range.get() == seconds).to_string()
                                data-testid=["stats.range.", &seconds.to_string()].concat()
                                on:click=move |_| range.set(seconds)
                            >
                                {word}
                            </button>
                        }
                    })
                    .collect_view()}
            </div>
            {move || match face.get() {
                0 => skeleton(6),
                1 => {
                    view! {
                        <section class="card">
                            <Empty icon="chart" text="No samples. They come while the container runs."/>
                        </section>
                    }
                        .into_any()
                }
                _ => charts(),
            }}
        </div>
    }
    .into_any()
}
