//! The steps of a build, stage by stage.

use crate::components::icon::icon;
use crate::format::{size, time};
use crate::state::App;
use crate::state::signal::See;
use leptos::prelude::*;
use shared::build::{Details, Step, StepState};

/// Where one looks first: at what failed, else at the newest that runs.
pub fn running_or_failed(steps: &[Step]) -> Option<u32> {
    let last = |state: StepState| steps.iter().rev().find(|step| step.state == state);
    last(StepState::Failed)
        .or_else(|| last(StepState::Running))
        .map(|step| step.number)
}

fn picture(state: StepState) -> (&'static str, &'static str, &'static str) {
    match state {
        StepState::Waiting => ("s-created", "muted", "waiting"),
        StepState::Running => ("s-starting", "text-info", "running"),
        StepState::Done => ("check", "text-ok", "done"),
        StepState::Cached => ("bolt", "text-ok", "cached"),
        StepState::Failed => ("s-failed", "text-bad", "failed"),
        StepState::Cancelled => ("s-stopped", "muted", "cancelled"),
    }
}

/// The list; choosing one shows its output.
#[component]
pub fn Steps(
    /// The build as it is now.
    details: Memo<Option<Details>>,
    /// The step somebody picked.
    chosen: RwSignal<Option<u32>>,
) -> impl IntoView {
    let stages = Memo::new(move |_| {
        details.see(|details| {
            let mut stages: Vec<(String, Vec<Step>)> = Vec::new();
            for step in details.iter().flat_map(|details| &details.steps) {
                match stages.iter_mut().find(|(name, _)| *name == step.stage) {
                    Some((_, steps)) => steps.push(step.clone()),
                    None => stages.push((step.stage.clone(), vec![step.clone()])),
                }
            }
            stages
        })
    });
    move || {
        let stages = stages.get();
        let many = stages.len() > 1;
        stages
            .into_iter()
            .map(|(name, steps)| {
                view! {
                    <section class="card builds__stage">
                        {many.then(|| view! { <header class="card__head"><h2>{["Stage ", &name].concat()}</h2></header> })}
                        <ol>{steps.into_iter().map(|step| row(step, chosen)).collect_view()}</ol>
                    </section>
                }
            })
            .collect_view()
            .into_any()
    }
}

fn row(step: Step, chosen: RwSignal<Option<u32>>) -> AnyView {
    let app = App::get();
    let (shape, class, word) = picture(step.state);
    let number = step.number;
    let began = step.started.as_deref().and_then(time::parse);
    let running = step.state == StepState::Running;
    let known = step.duration_ms;
    let took = move || match (known, began) {
        (Some(ms), _) if ms < 1000 => [&ms.to_string(), " ms"].concat(),
        (Some(ms), _) => time::duration(ms as f64 / 1000.0),
        (None, Some(began)) if running => time::duration((app.now.get() - began) / 1000.0),
        (None, _) => String::new(),
    };
    let grown = step
        .size_bytes
        .filter(|bytes| *bytes > 0)
        .map(|bytes| ["+", &size(bytes)].concat());
    view! {
        <li>
            <button
                type="button"
                class="builds__step"
                aria-pressed=move || (chosen.get() == Some(number)).to_string()
                data-testid="build.step"
                data-state=word
                on:click=move |_| chosen.set(Some(number))
            >
                <span class=class title=word>{icon(shape)}<span class="visually-hidden">{word}</span></span>
                <span class="muted builds__number">{number}</span>
                <code class="grow truncate" title=step.instruction.clone()>{step.instruction.clone()}</code>
                {(step.state == StepState::Cached).then(|| view! { <span class="badge badge--ok">"cached"</span> })}
                <span class="muted nowrap builds__grown">{grown}</span>
                <span class="muted nowrap builds__took">{took}</span>
            </button>
        </li>
    }
    .into_any()
}
