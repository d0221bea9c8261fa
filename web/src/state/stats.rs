//! The last minute of every container's use, for lists and tiles.

use crate::client::http;
use crate::client::socket::{self, Heard, Subscription};
use crate::format::order::sort;
use crate::state::signal::{Edit, Hold, Peek};
use crate::table::Table;
use leptos::prelude::*;
use leptos::task::spawn_local;
use shared::socket::{Data, Topic};
use shared::stats::{HostHistory, HostStats, Stats};
use std::collections::VecDeque;

/// Samples kept for each, one a second.
const KEPT: usize = 60;

/// What lists show of one container.
#[derive(Debug, Clone, PartialEq)]
pub struct Recent {
    pub last: Stats,
    /// Percent of one processor, oldest first.
    pub cpu: Vec<f64>,
}

#[derive(Default)]
struct Ring {
    last: Option<Stats>,
    cpu: VecDeque<f64>,
}

#[derive(Clone, Copy)]
pub struct LiveStats {
    rings: StoredValue<Table<String, Ring>, LocalStorage>,
    /// Ticks with each round of samples.
    tick: RwSignal<u64>,
    pub host: RwSignal<VecDeque<HostStats>>,
    watchers: StoredValue<u32>,
    following: StoredValue<Option<Subscription>, LocalStorage>,
    host_following: StoredValue<Option<Subscription>, LocalStorage>,
}

impl Default for LiveStats {
    fn default() -> Self {
        Self {
            rings: StoredValue::new_local(Table::new()),
            tick: RwSignal::new(0),
            host: RwSignal::new(VecDeque::new()),
            watchers: StoredValue::new(0),
            following: StoredValue::new_local(None),
            host_following: StoredValue::new_local(None),
        }
    }
}

impl LiveStats {
    /// Receives samples while the page that asks is shown.
    pub fn watch(self) {
        if self.watchers.get_value() == 0 {
            let topic = Topic::Stats { container: None };
            self.following
                .set_value(Some(socket::open(topic, None, move |heard| self.hear(heard))));
        }
        self.watchers.update_value(|count| *count += 1);
        on_cleanup(move || {
            self.watchers.update_value(|count| *count -= 1);
            if self.watchers.get_value() == 0 {
                self.following.set_value(None);
            }
        });
    }

    /// Receives the host's samples while the page that asks is shown.
    pub fn watch_host(self) {
        let taking = move |heard| {
            if let Heard::Data(Data::HostStats(sample)) = heard {
                self.host.edit(|host| push(host, sample));
            }
        };
        self.host_following
            .set_value(Some(socket::open(Topic::HostStats, None, taking)));
        if self.host.peek(VecDeque::is_empty) {
            spawn_local(async move {
                if let Ok(history) = http::get::<HostHistory>("/system/stats/history?seconds=60").await {
                    self.host.edit(|host| {
                        for sample in history.samples {
                            push(host, sample);
                        }
                    });
                }
            });
        }
        on_cleanup(move || self.host_following.set_value(None));
    }

    fn hear(self, heard: Heard) {
        let Heard::Data(Data::Stats(samples)) = heard else {
            return;
        };
        self.rings.update_value(|rings| {
            for sample in samples {
                let ring = rings.or_insert_with(sample.id.clone(), Ring::default);
                push(&mut ring.cpu, sample.cpu_cores * 100.0);
                ring.last = Some(sample);
            }
        });
        if !document().hidden() {
            self.tick.edit(|tick| *tick += 1);
        }
    }

    /// The last minute of one container; follows new samples.
    pub fn of(self, id: &str) -> Option<Recent> {
        self.tick.track();
        self.rings.hold(|rings| {
            let ring = rings.get(id)?;
            Some(Recent {
                last: ring.last.clone()?,
                cpu: ring.cpu.iter().copied().collect(),
            })
        })
    }

    /// A figure of the newest sample of one container; follows new samples.
    pub fn last<T>(self, id: &str, figure: impl FnOnce(&Stats) -> T) -> Option<T> {
        self.tick.track();
        self.rings.hold(|rings| rings.get(id)?.last.as_ref().map(figure))
    }

    /// Those with the highest figure now, greatest first.
    pub fn top(self, count: usize, figure: fn(&Stats) -> f64) -> Vec<Recent> {
        self.tick.track();
        self.rings.hold(|rings| {
            let mut all: Vec<&Ring> = rings.values().filter(|ring| ring.last.is_some()).collect();
            let value = |ring: &Ring| ring.last.as_ref().map_or(0.0, figure);
            sort(&mut all, &mut |a, b| value(b).total_cmp(&value(a)));
            all.into_iter()
                .take(count)
                .filter_map(|ring| {
                    Some(Recent {
                        last: ring.last.clone()?,
                        cpu: ring.cpu.iter().copied().collect(),
                    })
                })
                .collect()
        })
    }
}

fn push<T>(ring: &mut VecDeque<T>, value: T) {
    ring.push_back(value);
    if ring.len() > KEPT {
        ring.pop_front();
    }
}
