//! The log tab: hands the viewer this container's lines.

use super::Subject;
use crate::client::http::{self, escape};
use crate::client::socket::{self, Heard};
use crate::components::log_view::LogView;
use crate::components::log_view::source::{
    Answer, HitRange, Hits, HitsWanted, Mark, Marks, News, Page, Query, Source, Streams,
};
use crate::components::log_view::window::{Kind, Line};
use crate::format::time;
use crate::pages::containers::describe;
use crate::state::App;
use crate::state::signal::{Hold, Peek};
use leptos::prelude::*;
use leptos_router::NavigateOptions;
use leptos_router::hooks::{use_navigate, use_query_map};
use shared::logs;
use shared::socket::{Data, Topic};
use std::cell::RefCell;
use std::rc::Rc;

/// Where lines come faster than a screen shows them, no more than these are sent at once.
const NEWEST: u32 = 200;
/// A page of the API holds no more.
const MAX_LINES: u64 = 10_000;

fn line(line: logs::Line) -> Line {
    Line {
        seq: line.seq,
        first_seq: line.first_seq.unwrap_or(line.seq),
        partial: line.partial,
        at_ms: time::parse(&line.time).unwrap_or_default(),
        kind: match line.stream {
            logs::Stream::Stdout => Kind::Stdout,
            logs::Stream::Stderr => Kind::Stderr,
            logs::Stream::Marker => Kind::Marker,
        },
        text: line.text,
    }
}

/// What is said between the lines of two runs.
fn mark(run: &logs::Run, before: Option<&logs::Run>) -> Mark {
    let mut end = String::new();
    if let Some(before) = before {
        if let Some(by) = &before.stopped_by {
            end += &[". The run before it: ", &describe::stopped_words(by).to_lowercase()].concat();
        } else if before.oom_killed {
            end += ". The run before it was killed: out of memory";
        } else if let Some(code) = before.exit_code {
            end += &[". The run before it exited with ", &code.to_string()].concat();
            if let Some(meaning) = describe::exit_meaning(code) {
                end += &[", ", meaning].concat();
            }
        }
    }
    Mark {
        begin: ["Started, run ", &run.number.to_string()].concat(),
        at_ms: time::parse(&run.started),
        end,
    }
}

fn marks(runs: &[logs::Run]) -> Marks {
    let mut marks = Marks::new();
    for (at, run) in runs.iter().enumerate() {
        let before = at.checked_sub(1).and_then(|at| runs.get(at));
        marks.insert(run.first_seq, mark(run, before));
    }
    marks
}

/// A page of lines as the viewer takes it, with the runs told apart.
fn page(page: logs::Page) -> Page {
    Page {
        marks: marks(&page.runs),
        lines: page.lines.into_iter().map(line).collect(),
        first: page.first,
        next: page.next,
        read_to: page.read_to,
    }
}

fn search_path(base: &str, query: &Query, wanted: HitsWanted) -> String {
    let (name, number) = match wanted.range {
        HitRange::Skip(skip) => ("&skip=", skip),
        HitRange::From(from) => ("&from=", from),
        HitRange::Before(before) => ("&before=", before),
    };
    let mut path = [
        base,
        "/search?q=",
        &escape(&query.text),
        "&max=",
        &wanted.max.to_string(),
        name,
        &number.to_string(),
    ]
    .concat();
    for (on, parameter) in [
        (query.regex, "&regex=true"),
        (query.case_sensitive, "&case=true"),
        (!wanted.count, "&count=false"),
    ] {
        if on {
            path += parameter;
        }
    }
    path
}

/// The functions of one container's log.
pub fn source(id: String) -> Source {
    let base: Rc<str> = ["/containers/", &escape(&id), "/logs"].concat().into();
    let read_base = base.clone();
    let tail_base = base.clone();
    let text_base = base.clone();
    let search_base = base.clone();
    let at_base = base.clone();
    let follow_id = id.clone();
    Source {
        tail: Rc::new(move |count| -> Answer<Page> {
            let path = [&*tail_base, "?tail=", &count.to_string()].concat();
            Box::pin(async move { answer(http::get::<logs::Page>(&path).await.map(page)) })
        }),
        read: Rc::new(move |from, before| -> Answer<Page> {
            let max = (before - from).min(MAX_LINES).to_string();
            let path = [
                &*read_base,
                "?from=",
                &from.to_string(),
                "&before=",
                &before.to_string(),
                "&max=",
                &max,
            ]
            .concat();
            Box::pin(async move { answer(http::get::<logs::Page>(&path).await.map(page)) })
        }),
        text: Rc::new(move |from, to, streams| -> Answer<String> {
            let stream = match streams {
                Streams::Both => "",
                Streams::Stdout => "&stream=stdout",
                Streams::Stderr => "&stream=stderr",
            };
            let path = [
                &*text_base,
                "/download?from=",
                &from.to_string(),
                "&to=",
                &to.to_string(),
                stream,
            ]
            .concat();
            Box::pin(async move { answer(http::text(&path).await) })
        }),
        search: Rc::new(move |query, wanted| -> Answer<Hits> {
            let path = search_path(&search_base, &query, wanted);
            Box::pin(async move {
                answer(http::get::<logs::Hits>(&path).await.map(|hits| Hits {
                    seqs: hits.seqs,
                    rank: hits.rank.unwrap_or_default(),
                    total: hits.total,
                    incomplete: hits.incomplete,
                }))
            })
        }),
        at: Rc::new(move |moment| -> Answer<u64> {
            let path = [&*at_base, "/at?time=", &escape(&time::utc(moment))].concat();
            Box::pin(async move { answer(http::get::<logs::Position>(&path).await.map(|position| position.seq)) })
        }),
        follow: Rc::new(move |from, hear| {
            let topic = Topic::Logs {
                container: follow_id.clone(),
                newest: Some(NEWEST),
            };
            Box::new(socket::open(topic, Some(from), move |heard| match heard {
                Heard::Data(Data::Lines(lines)) => hear(News::Lines(lines.into_iter().map(line).collect())),
                Heard::Data(Data::Runs(runs)) => hear(News::Marks(marks(&runs))),
                Heard::Gap(count) => hear(News::Gap(count)),
                Heard::Reset => hear(News::Reset),
                _ => {}
            }))
        }),
        download: ["/api/v1", &base, "/download"].concat(),
        share: Rc::new(move |seq| {
            [
                &describe::origin(),
                "/containers/",
                &id,
                "/logs?line=",
                &seq.to_string(),
            ]
            .concat()
        }),
    }
}

fn answer<T>(result: Result<T, http::Failure>) -> Result<T, String> {
    result.map_err(|failure| failure.to_string())
}

/// The tab.
pub fn logs(subject: Subject) -> AnyView {
    let app = App::get();
    let query = use_query_map();
    let navigate = StoredValue::new_local(use_navigate());
    let line = query.peek(|query| query.get("line").and_then(|line| line.parse::<u64>().ok()));
    let base = ["/containers/", &subject.id(), "/logs"].concat();
    let choose = move |line: Option<u64>| {
        let href = match line {
            Some(line) => [&base, "?line=", &line.to_string()].concat(),
            None => base.clone(),
        };
        let options = NavigateOptions {
            replace: true,
            scroll: false,
            ..NavigateOptions::default()
        };
        navigate.hold(|go| go(&href, options));
    };
    let choose = StoredValue::new_local(RefCell::new(choose));
    let narrow = window()
        .inner_width()
        .ok()
        .and_then(|width| width.as_f64())
        .is_some_and(|width| width < 640.0);
    view! {
        <div class="detail__log">
            <LogView
                source=source(subject.id())
                line
                on_choose=move |line| choose.hold(|choose| (choose.borrow())(line))
                theme=Signal::derive(move || app.preferences.is_dark())
                wrap=narrow
            />
        </div>
    }
    .into_any()
}
