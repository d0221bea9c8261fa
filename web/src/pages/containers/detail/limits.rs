//! The limits tab: ceilings changed while the container runs, each shown as
//! applied only when the kernel's own value was read back.

use super::{Loaded, Subject};
use crate::client::http;
use crate::components::dialog::Question;
use crate::components::icon::icon;
use crate::components::meter::Meter;
use crate::components::notice::{failure, note, skeleton};
use crate::format::{number, size};
use crate::pages::frame::Reader;
use crate::state::App;
use crate::state::signal::{Edit, Peek, See};
use leptos::prelude::*;
use leptos::task::spawn_local;
use model::container::limits::{Ceiling, Cpu, HostSize};
use shared::limits::Limits;
use shared::session::Role;
use shared::stats::Stats;
use shared::system::System;
use std::rc::Rc;

/// The fields, in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Field {
    Cpu,
    Memory,
    Reservation,
    Swap,
    Pids,
    Shares,
    Pinned,
}

const FIELDS: [Field; 7] = [
    Field::Cpu,
    Field::Memory,
    Field::Reservation,
    Field::Swap,
    Field::Pids,
    Field::Shares,
    Field::Pinned,
];

/// Name, cores, memory.
const PRESETS: [(&str, &str, &str); 3] = [
    ("Small", "0.5", "256 MiB"),
    ("Medium", "1", "1 GiB"),
    ("Large", "2", "4 GiB"),
];

impl Field {
    /// Label, unit or example, word for test ids and requests.
    fn words(self) -> (&'static str, &'static str, &'static str) {
        match self {
            Self::Cpu => ("CPU", "cores, such as 1.5", "nano_cpus"),
            Self::Memory => ("Memory", "such as 512 MiB", "memory_bytes"),
            Self::Reservation => ("Memory reservation", "such as 128 MiB", "memory_reservation_bytes"),
            Self::Swap => ("Memory and swap", "such as 1 GiB", "memory_and_swap_bytes"),
            Self::Pids => ("Processes", "such as 512", "pids"),
            Self::Shares => ("CPU weight", "2 to 262144, default 1024", "cpu_shares"),
            Self::Pinned => ("Pinned CPUs", "such as 0-3,6", "cpus"),
        }
    }

    /// The value in force, as text for the field.
    fn read(self, limits: &Limits) -> String {
        let bytes = |value: &Option<Option<u64>>| value.flatten().map(size).unwrap_or_default();
        let plain = |value: &Option<Option<u64>>| value.flatten().map(|value| value.to_string()).unwrap_or_default();
        match self {
            Self::Cpu => limits
                .nano_cpus
                .flatten()
                .map(|nano| number::cores(nano as f64 / 1e9))
                .unwrap_or_default(),
            Self::Memory => bytes(&limits.memory_bytes),
            Self::Reservation => bytes(&limits.memory_reservation_bytes),
            Self::Swap => bytes(&limits.memory_and_swap_bytes),
            Self::Pids => plain(&limits.pids),
            Self::Shares => plain(&limits.cpu_shares),
            Self::Pinned => limits.cpus.clone().flatten().unwrap_or_default(),
        }
    }

    /// Writes the text into a change; empty takes the limit away.
    fn write(self, text: &str, change: &mut Limits) -> Result<(), String> {
        let text = text.trim();
        let bytes = |text: &str| -> Result<Option<u64>, String> {
            if text.is_empty() {
                return Ok(None);
            }
            model::size::parse(text)
                .map(Some)
                .map_err(|error| http::sentence(&error.to_string()))
        };
        let plain = |text: &str| -> Result<Option<u64>, String> {
            if text.is_empty() {
                return Ok(None);
            }
            text.parse()
                .map(Some)
                .map_err(|_| ["`", text, "` is not a whole number."].concat())
        };
        match self {
            Self::Cpu => change.nano_cpus = Some(nano_cpus(text)?),
            Self::Memory => change.memory_bytes = Some(bytes(text)?),
            Self::Reservation => change.memory_reservation_bytes = Some(bytes(text)?),
            Self::Swap => change.memory_and_swap_bytes = Some(bytes(text)?),
            Self::Pids => change.pids = Some(plain(text)?),
            Self::Shares => change.cpu_shares = Some(plain(text)?),
            Self::Pinned => change.cpus = Some((!text.is_empty()).then(|| text.to_owned())),
        }
        Ok(())
    }

    /// What is used now, with the share of the limit.
    fn usage(self, stats: &Stats, limits: &Limits) -> Option<(String, Option<f64>)> {
        let share = |used: f64, limit: Option<u64>| limit.filter(|l| *l > 0).map(|limit| used / limit as f64);
        match self {
            Self::Cpu => {
                let nano = limits.nano_cpus.flatten();
                Some((
                    number::cores(stats.cpu_cores) + " cores",
                    share(stats.cpu_cores * 1e9, nano),
                ))
            }
            Self::Memory => {
                let limit = limits.memory_bytes.flatten();
                Some((size(stats.memory_bytes), share(stats.memory_bytes as f64, limit)))
            }
            Self::Swap => Some((size(stats.memory_bytes + stats.swap_bytes), None)),
            Self::Pids => Some((
                number::count(stats.pids),
                share(stats.pids as f64, limits.pids.flatten()),
            )),
            Self::Reservation | Self::Shares | Self::Pinned => None,
        }
    }
}

/// Cores as people write them, in billionths; empty is no limit.
pub fn nano_cpus(text: &str) -> Result<Option<u64>, String> {
    if text.is_empty() {
        return Ok(None);
    }
    let cores: f64 = text
        .replace(',', ".")
        .parse()
        .map_err(|_| ["`", text, "` is not a number of cores, such as 1.5."].concat())?;
    if !(0.01..=4096.0).contains(&cores) {
        return Err("At least 0.01 cores.".to_owned());
    }
    Ok(Some(number::whole(cores * 1e9)))
}

/// The same limits in the model's words, so that its rules judge them.
pub fn modelled(limits: &Limits) -> model::container::Limits {
    let ceiling = |value: Option<Option<u64>>| value.flatten().map(Ceiling::At);
    let mut judged = model::container::Limits {
        cpu: limits.nano_cpus.flatten().map(Cpu::from_nano_cpus).unwrap_or_default(),
        pids: ceiling(limits.pids),
        ..model::container::Limits::default()
    };
    judged.cpu.cpus = limits.cpus.clone().flatten();
    judged.memory.limit = ceiling(limits.memory_bytes);
    judged.memory.memory_and_swap = ceiling(limits.memory_and_swap_bytes);
    judged.memory.reservation_bytes = limits.memory_reservation_bytes.flatten();
    judged
}

#[derive(Clone, Copy)]
struct Form {
    subject: Subject,
    active: Reader<Limits>,
    texts: RwSignal<Vec<String>>,
    mistakes: RwSignal<Vec<String>>,
    /// What stands beside each field: "", "applying" or "active".
    marks: RwSignal<Vec<&'static str>>,
    general: RwSignal<String>,
    busy: RwSignal<bool>,
    system: Reader<System>,
}

pub fn limits(subject: Subject) -> AnyView {
    let app = App::get();
    let form = Form {
        subject,
        active: Reader::new(["/containers/", &subject.id(), "/limits"].concat()),
        texts: RwSignal::new(vec![String::new(); FIELDS.len()]),
        mistakes: RwSignal::new(vec![String::new(); FIELDS.len()]),
        marks: RwSignal::new(vec![""; FIELDS.len()]),
        general: RwSignal::new(String::new()),
        busy: RwSignal::new(false),
        system: Reader::new("/system"),
    };
    Effect::new(move || {
        if let Loaded::Ready(active) = form.active.value.get() {
            form.texts.set(FIELDS.iter().map(|field| field.read(&active)).collect());
        }
    });
    let face = Memo::new(move |_| {
        form.active.value.see(|value| match value {
            Loaded::Loading => 0,
            Loaded::Failed(_) => 1,
            Loaded::Ready(_) => 2,
        })
    });
    (move || match face.get() {
        0 => skeleton(6),
        1 => {
            let reason = match form.active.value.get_untracked() {
                Loaded::Failed(failure) => failure.to_string(),
                _ => String::new(),
            };
            failure("Limits could not be read", reason, move || form.active.again())
        }
        _ => card(app, form),
    })
    .into_any()
}

fn active(form: Form) -> Limits {
    form.active.value.see(|value| match value {
        Loaded::Ready(limits) => limits.clone(),
        Loaded::Loading | Loaded::Failed(_) => Limits::default(),
    })
}

/// The fields that say something else than what is in force.
fn changed(form: Form) -> Vec<usize> {
    let now = active(form);
    form.texts.see(|texts| {
        FIELDS
            .iter()
            .enumerate()
            .filter(|(at, field)| texts[*at].trim() != field.read(&now))
            .map(|(at, _)| at)
            .collect()
    })
}

/// The change to send, or the mistakes beside the fields.
fn gather(form: Form) -> Option<Limits> {
    let texts = form.texts.get_untracked();
    let mut change = Limits::default();
    let mut mistakes = vec![String::new(); FIELDS.len()];
    for at in untrack(|| changed(form)) {
        if let Err(mistake) = FIELDS[at].write(&texts[at], &mut change) {
            mistakes[at] = mistake;
        }
    }
    if mistakes.iter().all(String::is_empty) {
        // Judged together with what stays, since rules tie fields to each other.
        let mut whole = Limits::default();
        for (at, field) in FIELDS.iter().enumerate() {
            let _ = field.write(&texts[at], &mut whole);
        }
        let host = form.system.value.peek(|value| match value {
            Loaded::Ready(system) => HostSize {
                memory_bytes: system.memory_bytes,
                cpus: system.cpus,
            },
            Loaded::Loading | Loaded::Failed(_) => HostSize {
                memory_bytes: u64::MAX,
                cpus: 4096,
            },
        });
        for mistake in modelled(&whole).mistakes(host) {
            let words = mistake.to_string();
            let at = match &words {
                words if words.contains("swap") => 3,
                words if words.contains("reservation") => 2,
                words if words.contains("list of processors") => 6,
                words if words.contains("CPU") => 0,
                _ => 1,
            };
            mistakes[at] = http::sentence(&words);
        }
    }
    let good = mistakes.iter().all(String::is_empty);
    form.mistakes.set(mistakes);
    good.then_some(change)
}

fn send(app: App, form: Form, change: Limits) {
    let fields = untrack(|| changed(form));
    form.busy.set(true);
    form.general.set(String::new());
    form.marks.edit(|marks| {
        for at in &fields {
            marks[*at] = "applying";
        }
    });
    spawn_local(async move {
        let path = ["/containers/", &form.subject.id(), "/limits"].concat();
        let answer = http::send::<_, Limits>("PATCH", &path, &change).await;
        let _ = form.busy.try_set(false);
        match answer {
            Ok(read_back) => {
                let _ = form.active.value.try_set(Loaded::Ready(read_back));
                let _ = form.marks.try_update(|marks| {
                    for at in &fields {
                        marks[*at] = "active";
                    }
                });
            }
            Err(failure) => {
                let _ = form.marks.try_update(|marks| marks.fill(""));
                let _ = form.general.try_set(failure.to_string());
            }
        }
    });
    let _ = app;
}

/// Applies, asking first where the kernel might kill for it.
fn apply(app: App, form: Form) {
    let Some(change) = gather(form) else { return };
    let used = form
        .subject
        .item
        .peek(|item| item.as_ref().map(|item| item.id.clone()))
        .and_then(|id| untrack(|| app.stats.of(&id)))
        .map_or(0, |recent| recent.last.memory_bytes);
    match change.memory_bytes {
        Some(Some(limit)) if limit < used => {
            let name = form
                .subject
                .item
                .peek(|item| item.as_ref().map(|item| item.name.clone()))
                .unwrap_or_default();
            app.asker.ask(Question {
                title: "Set memory below what is in use?".to_owned(),
                points: vec![
                    [
                        &name,
                        " uses ",
                        &size(used),
                        ". At ",
                        &size(limit),
                        " the kernel tries to reclaim memory and may kill a process.",
                    ]
                    .concat(),
                ],
                action: ["Set ", &size(limit)].concat(),
                danger: true,
                typed: None,
                choice: None,
                act: Rc::new(move |_| send(app, form, change.clone())),
            });
        }
        _ => send(app, form, change),
    }
}

fn card(app: App, form: Form) -> AnyView {
    let may = move || app.session.may(Role::Operator);
    let preset = move |cores: &'static str, memory: &'static str| {
        form.texts.edit(|texts| {
            texts[0] = number::cores(cores.parse().unwrap_or(1.0));
            memory.clone_into(&mut texts[1]);
        });
    };
    let count = Memo::new(move |_| changed(form).len());
    view! {
        <form
            class="card limits"
            on:submit=move |event| {
                event.prevent_default();
                apply(app, form);
            }
        >
            <header class="card__head">
                <h2>"Limits"</h2>
                <span class="muted">"Presets"</span>
                {PRESETS
                    .into_iter()
                    .map(|(word, cores, memory)| {
                        view! {
                            <button
                                type="button"
                                class="button button--small"
                                title=[cores, " cores, ", memory].concat()
                                data-testid=["limits.preset.", &word.to_ascii_lowercase()].concat()
                                on:click=move |_| preset(cores, memory)
                            >
                                {word}
                            </button>
                        }
                    })
                    .collect_view()}
            </header>
            <div class="limits__rows">
                {FIELDS.into_iter().enumerate().map(|(at, field)| line(app, form, at, field)).collect_view()}
            </div>
            {move || (!form.general.get().is_empty()).then(|| note("bad", form.general.get()))}
            <footer class="limits__foot">
                <p class="grow muted">"Changes apply at once, without a restart. An empty field removes the limit."</p>
                <button
                    type="button"
                    class="button"
                    data-testid="limits.form.revert"
                    prop:disabled=move || count.get() == 0
                    on:click=move |_| form.active.value.edit(|_| ())
                >
                    "Revert"
                </button>
                <button
                    type="submit"
                    class="button button--primary"
                    data-testid="limits.form.apply"
                    prop:disabled=move || count.get() == 0 || form.busy.get() || !may() || app.connection.is_cut()
                >
                    {icon("check")}
                    {move || if form.busy.get() { "Applying" } else { "Apply" }}
                </button>
            </footer>
        </form>
    }
    .into_any()
}

fn line(app: App, form: Form, at: usize, field: Field) -> AnyView {
    let (label, example, word) = field.words();
    let id = ["limit-", word].concat();
    let (described, labelled) = ([&id, "-mistake"].concat(), id.clone());
    let described_by = described.clone();
    let mistake = move || form.mistakes.see(|mistakes| mistakes[at].clone());
    let usage = Memo::new(move |_| {
        let id = form
            .subject
            .item
            .see(|item| item.as_ref().map(|item| item.id.clone()))?;
        let recent = app.stats.of(&id)?;
        field.usage(&recent.last, &active(form))
    });
    let share = Signal::derive(move || usage.get().and_then(|(_, share)| share));
    let mark = move || form.marks.see(|marks| marks[at]);
    view! {
        <div class="limits__row" class:limits__row--changed=move || changed(form).contains(&at)>
            <label class="limits__label" for=labelled>{label}</label>
            <div class="limits__use">
                <span>{move || usage.get().map(|(words, _)| [&words, " in use"].concat())}</span>
                <Show when=move || share.get().is_some()>
                    <Meter share label="Of the limit"/>
                </Show>
            </div>
            <div class="limits__field">
                <input
                    class="input"
                    id=id
                    placeholder=["no limit, ", example].concat()
                    autocomplete="off"
                    data-testid=["limits.form.", word].concat()
                    aria-describedby=described_by
                    aria-invalid=move || (!mistake().is_empty()).to_string()
                    prop:value=move || form.texts.see(|texts| texts[at].clone())
                    on:input=move |event| {
                        form.texts.edit(|texts| texts[at] = event_target_value(&event));
                        form.marks.edit(|marks| marks[at] = "");
                    }
                    on:blur=move |_| {
                        gather(form);
                    }
                />
                <p class="field__mistake" id=described role="alert">{mistake}</p>
            </div>
            <span class="limits__mark" role="status" data-testid=["limits.mark.", word].concat()>
                {move || match mark() {
                    "applying" => view! { <span class="badge badge--accent">"Applying"</span> }.into_any(),
                    "active" => view! { <span class="badge badge--ok">{icon("check")} "Active"</span> }.into_any(),
                    _ => ().into_any(),
                }}
            </span>
        </div>
    }
    .into_any()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_field_takes_the_limit_away() {
        let mut change = Limits::default();
        Field::Memory.write(" ", &mut change).expect("valid");
        assert_eq!(change.memory_bytes, Some(None));
    }

    #[test]
    fn cores_are_read_as_people_write_them() {
        assert_eq!(nano_cpus("1.5"), Ok(Some(1_500_000_000)));
        assert_eq!(nano_cpus("0,25"), Ok(Some(250_000_000)));
        assert!(nano_cpus("0").is_err() && nano_cpus("many").is_err());
    }
}
