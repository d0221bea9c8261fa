//! The log tab: hands the viewer this container's lines.

use super::Subject;
use crate::client::http::{self, escape};
use crate::client::socket::{self, Heard};
use crate::components::log_view::LogView;
use crate::components::log_view::source::{Answer, Hits, News, Page, Query, Source};
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

/// Hits gone through one by one; more are only counted.
const HITS: u32 = 10_000;

fn line(line: logs::Line) -> Line {
    Line {
        seq: line.seq,
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
fn run_words(run: &logs::Run, before: Option<&logs::Run>) -> String {
    let mut words = ["Started, run ", &run.number.to_string()].concat();
    if let Some(at) = time::parse(&run.started) {
        words += &[", ", &time::local(at)].concat();
    }
    if let Some(before) = before {
        if before.oom_killed {
            words += ". The run before it was killed: out of memory";
        } else if let Some(code) = before.exit_code {
            words += &[". The run before it exited with ", &code.to_string()].concat();
            if let Some(meaning) = describe::exit_meaning(code) {
                words += &[", ", meaning].concat();
            }
        }
    }
    words
}

/// A page of lines as the viewer takes it, with the runs told apart.
fn page(page: logs::Page) -> Page {
    let mut marks = crate::table::Table::new();
    for (at, run) in page.runs.iter().enumerate() {
        let before = at.checked_sub(1).and_then(|at| page.runs.get(at));
        marks.insert(run.first_seq, run_words(run, before));
    }
    Page {
        lines: page.lines.into_iter().map(line).collect(),
        first: page.first,
        next: page.next,
        marks,
    }
}

/// The functions of one container's log.
pub fn source(id: String) -> Source {
    let base: Rc<str> = ["/containers/", &escape(&id), "/logs"].concat().into();
    let read_base = base.clone();
    let tail_base = base.clone();
    let search_base = base.clone();
    let at_base = base.clone();
    let follow_id = id.clone();
    Source {
        tail: Rc::new(move |count| -> Answer<Page> {
            let path = [&*tail_base, "?tail=", &count.to_string()].concat();
            Box::pin(async move { answer(http::get::<logs::Page>(&path).await.map(page)) })
        }),
        read: Rc::new(move |from, count| -> Answer<Page> {
            let path = [&*read_base, "?from=", &from.to_string(), "&max=", &count.to_string()].concat();
            Box::pin(async move { answer(http::get::<logs::Page>(&path).await.map(page)) })
        }),
        search: Rc::new(move |query: Query| -> Answer<Hits> {
            let mut path = [
                &*search_base,
                "/search?q=",
                &escape(&query.text),
                "&max=",
                &HITS.to_string(),
            ]
            .concat();
            if query.regex {
                path += "&regex=true";
            }
            if query.case_sensitive {
                path += "&case=true";
            }
            Box::pin(async move {
                answer(http::get::<logs::Hits>(&path).await.map(|hits| Hits {
                    seqs: hits.seqs,
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
            };
            Box::new(socket::open(topic, Some(from), move |heard| match heard {
                Heard::Data(Data::Lines(lines)) => hear(News::Lines(lines.into_iter().map(line).collect())),
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
