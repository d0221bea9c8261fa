//! The host: what it is, what takes its disk, whether containers can run on it.

use super::frame::{Head, Loaded, Reader};
use crate::components::icon::icon;
use crate::components::meter::Meter;
use crate::components::status_chip::{Status, Tone, status_chip};
use crate::components::watch::copy;
use crate::format::{size, time};
use crate::state::App;
use crate::state::signal::Peek;
use leptos::prelude::*;
use shared::system::{Check, CheckItem, Outcome, System, Usage};

/// The page.
#[component]
pub fn SystemPage() -> impl IntoView {
    let app = App::get();
    app.stats.watch_host();
    let check = Reader::<Check>::new("/system/check");
    view! {
        <div class="page">
            <Head title="System">
                <button type="button" class="button" data-testid="system.check.again" on:click=move |_| check.again()>
                    {icon("refresh")}
                    "Check again"
                </button>
            </Head>
            <div class="columns">
                <div>{check.show("The host could not be checked", report)}</div>
                <div>
                    {Reader::<System>::new("/system").show("The host could not be read", facts)}
                    {Reader::<Usage>::new("/system/usage").show("The disk could not be counted", usage)}
                </div>
            </div>
        </div>
    }
}

fn fact(term: &'static str, text: impl IntoView) -> AnyView {
    view! {
        <dt>{term}</dt>
        <dd>{text}</dd>
    }
    .into_any()
}

fn facts(_: Reader<System>, system: System) -> AnyView {
    let since = |text: Option<&str>| text.and_then(time::parse).map(time::local).unwrap_or_default();
    let version = match &system.commit {
        Some(commit) => [system.version.as_str(), " (", commit, ")"].concat(),
        None => system.version.clone(),
    };
    view! {
        <section class="card">
            <header class="card__head">
                <h2>"Host"</h2>
            </header>
            <div class="card__body">
                <dl class="facts">
                    {fact("Name", system.hostname)} {fact("System", system.operating_system)} {fact("Kernel", system.kernel)}
                    {fact("Processors", [&system.cpus.to_string(), " x ", &system.architecture].concat())}
                    {fact("Memory", size(system.memory_bytes))} {fact("Control groups", system.cgroups)}
                    {fact("Up since", since(system.booted.as_deref()))}
                </dl>
            </div>
        </section>
        <section class="card">
            <header class="card__head">
                <h2>"Gantry"</h2>
            </header>
            <div class="card__body">
                <dl class="facts">
                    {fact("Version", version)} {fact("Serving since", since(Some(&system.started)))}
                    {fact("Data", view! { <code>{system.data_dir}</code> })} {fact("Subnet", view! { <code>{system.subnet}</code> })}
                    {system.rootless.then(|| fact("Runs as", "an ordinary user"))}
                    {fact("User namespaces", users(&system.userns, system.mapped_mounts))}
                    {fact("Container files", view! { <span title=system.snapshotter_reason>{files(&system.snapshotter)}</span> })}
                    {fact("Bridge", view! { <code>{system.bridge}</code> })}
                    {fact("API", view! { <a href="/api/docs" rel="external" data-testid="system.api.docs">"Documentation"</a> })}
                </dl>
            </div>
        </section>
    }
    .into_any()
}

/// How containers get files of their own.
fn files(snapshotter: &str) -> &'static str {
    match snapshotter {
        "btrfs" => "btrfs snapshots",
        "copy" => "copies of the image",
        _ => "overlays",
    }
}

/// Whose ids containers have that do not say it.
fn users(setting: &str, mapped: bool) -> String {
    let setting = match setting {
        "" | "off" => "only where a container asks for one",
        "auto" => "a range for each container",
        range => return ["one for all: ", range].concat(),
    };
    let copied = if mapped { "" } else { "; layers are copied" };
    [setting, copied].concat()
}

fn usage(_: Reader<Usage>, usage: Usage) -> AnyView {
    let parts = [
        ("Images", usage.images_bytes),
        ("Containers", usage.containers_bytes),
        ("Volumes", usage.volumes_bytes),
        ("Logs", usage.logs_bytes),
    ];
    let all = parts.iter().map(|(_, bytes)| *bytes).max().unwrap_or(1).max(1);
    view! {
        <section class="card">
            <header class="card__head">
                <h2>"Disk"</h2>
            </header>
            <div class="card__body stack">
                {parts
                    .into_iter()
                    .map(|(word, bytes)| {
                        // Compared with each other, not with a limit.
                        let share = Some(bytes as f64 / all as f64);
                        view! {
                            <div class="system__part">
                                <span>{word}</span>
                                <Meter share=Signal::stored(share) label=word progress=true/>
                                <span class="muted nowrap">{size(bytes)}</span>
                            </div>
                        }
                    })
                    .collect_view()}
            </div>
        </section>
    }
    .into_any()
}

fn report(reader: Reader<Check>, check: Check) -> AnyView {
    let passed = check.items.iter().filter(|item| item.outcome == Outcome::Pass).count();
    let missing = check
        .items
        .iter()
        .filter(|item| item.required && item.outcome == Outcome::Fail)
        .count();
    let summary = [
        &passed.to_string(),
        " of ",
        &check.items.len().to_string(),
        " pass, ",
        &missing.to_string(),
        " required missing",
    ]
    .concat();
    let verdict = if check.usable {
        Status::new("Containers can run here", Tone::Ok, "check")
    } else {
        Status::new("Containers cannot run here", Tone::Bad, "s-failed")
    };
    let mut groups: Vec<(String, Vec<CheckItem>)> = Vec::new();
    for item in check.items {
        match groups.iter_mut().find(|(name, _)| *name == item.group) {
            Some((_, items)) => items.push(item),
            None => groups.push((item.group.clone(), vec![item])),
        }
    }
    let text = move || {
        reader.value.peek(|value| match value {
            Loaded::Ready(check) => serde_json::to_string_pretty(check).unwrap_or_default(),
            Loaded::Loading | Loaded::Failed(_) => String::new(),
        })
    };
    view! {
        <section class="card">
            <header class="card__head">
                <h2>"Host check"</h2>
                {status_chip(verdict)}
            </header>
            <p class="system__summary" data-testid="system.check.summary">
                <span class="grow">{summary}</span>
                <button type="button" class="button button--small" data-testid="system.check.copy" on:click=move |_| copy(&text())>
                    {icon("copy")}
                    "Copy report"
                </button>
            </p>
            {groups
                .into_iter()
                .map(|(name, items)| {
                    view! {
                        <h3 class="system__group">{name}</h3>
                        <ul>{items.into_iter().map(item).collect_view()}</ul>
                    }
                })
                .collect_view()}
        </section>
    }
    .into_any()
}

fn item(item: CheckItem) -> AnyView {
    let status = match item.outcome {
        Outcome::Pass => Status::new("Pass", Tone::Ok, "check"),
        Outcome::Warn => Status::new("Note", Tone::Warn, "s-warning"),
        Outcome::Fail if item.required => Status::new("Missing", Tone::Bad, "s-failed"),
        Outcome::Fail => Status::new("Absent", Tone::Warn, "s-warning"),
    };
    view! {
        <li class="system__item" data-testid="system.check.item">
            <span class="system__outcome">{status_chip(status)}</span>
            <div class="grow">
                <p>
                    <strong>{item.name}</strong>
                    " "
                    {(!item.required).then(|| view! { <span class="badge">"optional"</span> })}
                </p>
                <p class="muted">{item.purpose} {(!item.found.is_empty()).then(|| [": ", &item.found].concat())}</p>
                {item
                    .remedy
                    .filter(|_| item.outcome != Outcome::Pass)
                    .map(|remedy| {
                        let copied = remedy.clone();
                        view! {
                            <p class="system__remedy">
                                <code class="grow">{remedy}</code>
                                <button
                                    type="button"
                                    class="button button--quiet button--icon button--small"
                                    aria-label="Copy remedy"
                                    data-testid="system.check.remedy"
                                    on:click=move |_| copy(&copied)
                                >
                                    {icon("copy")}
                                </button>
                            </p>
                        }
                    })}
            </div>
        </li>
    }
    .into_any()
}
