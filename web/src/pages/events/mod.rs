//! What happened, newest first.

use super::frame::Head;
use crate::components::icon::icon;
use crate::components::notice::Empty;
use crate::format::time;
use crate::state::App;
use crate::state::signal::See;
use leptos::prelude::*;
use leptos_router::components::A;
use shared::event::{Event, SubjectKind};

/// The icon of an action, by what it means for the subject.
fn shape(event: &Event) -> &'static str {
    match event.action.as_str() {
        "start" | "unpause" => "play",
        "stop" | "die" => "stop",
        "kill" => "bolt",
        "restart" => "restart",
        "pause" => "pause",
        "oom" => "s-failed",
        "destroy" | "delete" | "untag" => "trash",
        "pull" | "load" | "import" => "pull",
        "tag" => "tag",
        "create" => "plus",
        "update" | "rename" => "edit",
        action if action.starts_with("exec") => "terminal",
        _ => match event.kind {
            SubjectKind::Container => "container",
            SubjectKind::Image => "image",
            SubjectKind::Network => "network",
            SubjectKind::Volume => "volume",
        },
    }
}

/// The action in words, with the exit code where one belongs to it.
fn words(event: &Event) -> String {
    let attribute = |name: &str| event.attributes.get(name).cloned();
    match event.action.as_str() {
        "die" => [
            "exited with ",
            &attribute("exit_code").unwrap_or_else(|| "an unknown code".to_owned()),
        ]
        .concat(),
        "stop" => match attribute("by") {
            Some(by) => ["was stopped by ", &by].concat(),
            None => "was stopped".to_owned(),
        },
        "oom" => "ran out of memory".to_owned(),
        "create" => "was created".to_owned(),
        "start" => "started".to_owned(),
        "restart" => "was restarted".to_owned(),
        "pause" => "was paused".to_owned(),
        "unpause" => "was resumed".to_owned(),
        "destroy" | "delete" => "was removed".to_owned(),
        "pull" => "was pulled".to_owned(),
        "load" => "was loaded".to_owned(),
        "import" => "was imported".to_owned(),
        "build" => "was built".to_owned(),
        "tag" => "was tagged".to_owned(),
        "untag" => "tag removed".to_owned(),
        "rename" => "was renamed".to_owned(),
        "update" => "has new limits".to_owned(),
        "kill" => {
            let signal = attribute("signal").unwrap_or_default();
            let name = model::signal::Signal::parse(&signal).map_or(signal, |signal| signal.to_string());
            ["received ", &name].concat()
        }
        other => other.replace('_', " "),
    }
}

/// One event as a line.
pub fn event_row(app: App, event: &Event) -> AnyView {
    let at = time::parse(&event.time).unwrap_or_default();
    // A volume's id is its name.
    let short = || match event.kind {
        SubjectKind::Volume => event.subject.clone(),
        _ => event.subject.trim_start_matches("sha256:").chars().take(24).collect(),
    };
    let name = event.attributes.get("name").cloned().unwrap_or_else(short);
    let href = match event.kind {
        SubjectKind::Container => Some(["/containers/", &event.subject].concat()),
        SubjectKind::Image => Some(["/images/", &event.subject].concat()),
        SubjectKind::Volume => Some("/volumes".to_owned()),
        SubjectKind::Network => Some("/networks".to_owned()),
    };
    let stopped = event.attributes.contains_key("stopped_by");
    let serious = matches!(event.action.as_str(), "oom")
        || (event.action == "die" && !stopped && event.attributes.get("exit_code").is_some_and(|code| code != "0"));
    view! {
        <li class="line event" class:event--serious=serious data-testid="events.row">
            {icon(shape(event))}
            <span class="truncate grow">
                {match href {
                    Some(href) => view! { <A href=href attr:class="event__name">{name}</A> }.into_any(),
                    None => view! { <strong>{name}</strong> }.into_any(),
                }}
                " "
                {words(event)}
            </span>
            <time class="muted nowrap" title=time::utc(at)>{move || time::ago(at, app.now.get())}</time>
        </li>
    }
    .into_any()
}

/// The page.
#[component]
pub fn Events() -> impl IntoView {
    let app = App::get();
    let text = RwSignal::new(String::new());
    let frozen = RwSignal::new(None::<Vec<Event>>);
    let shown = Memo::new(move |_| {
        let wanted = text.get().to_ascii_lowercase();
        let events = frozen.get().unwrap_or_else(|| app.containers.events.get());
        events
            .into_iter()
            .rev()
            .filter(|event| {
                wanted.is_empty()
                    || event.action.contains(&wanted)
                    || event.subject.contains(&wanted)
                    || event
                        .attributes
                        .values()
                        .any(|value| value.to_ascii_lowercase().contains(&wanted))
            })
            .collect::<Vec<_>>()
    });
    view! {
        <div class="page">
            <Head title="Events">
                <button
                    type="button"
                    class="button"
                    aria-pressed=move || frozen.get().is_some().to_string()
                    data-testid="events.list.pause"
                    on:click=move |_| {
                        let now = if frozen.get_untracked().is_some() { None } else { Some(app.containers.events.get_untracked()) };
                        frozen.set(now);
                    }
                >
                    {move || icon(if frozen.get().is_some() { "play" } else { "pause" })}
                    {move || if frozen.get().is_some() { "Go on" } else { "Pause" }}
                </button>
            </Head>
            <div class="filter">
                {icon("filter")}
                <input
                    class="input"
                    type="search"
                    placeholder="Filter: name, action, image"
                    aria-label="Filter events"
                    data-filter="true"
                    data-testid="events.filter.text"
                    on:input=move |event| text.set(event_target_value(&event))
                />
            </div>
            <section class="card">
                <ul>
                    <For each=move || shown.get() key=|event| event.seq let:event>
                        {event_row(app, &event)}
                    </For>
                </ul>
                <Show when=move || shown.see(Vec::is_empty)>
                    {move || {
                        let text = if text.see(String::is_empty) { "No events yet." } else { "No event matches." };
                        view! { <Empty icon="event" text/> }
                    }}
                </Show>
            </section>
        </div>
    }
}
