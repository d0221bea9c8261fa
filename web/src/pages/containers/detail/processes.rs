//! The processes tab: a tree, read again every two seconds while it is seen.

use super::Subject;
use crate::client::http;
use crate::components::icon::icon;
use crate::components::notice::{Empty, failure, skeleton};
use crate::format::order::sort;
use crate::format::{number, size, time};
use crate::pages::frame::Loaded;
use crate::state::App;
use crate::state::containers::is_up;
use crate::state::signal::See;
use leptos::prelude::*;
use leptos::task::spawn_local;
use shared::container::Process;
use shared::list::List;
use std::time::Duration;

const EVERY: Duration = Duration::from_secs(2);

/// Processes with their depth, each below its parent.
fn tree(processes: &[Process]) -> Vec<(usize, Process)> {
    let mut rows = Vec::with_capacity(processes.len());
    let is_root = |process: &&Process| !processes.iter().any(|other| other.pid == process.parent);
    let mut open: Vec<(usize, &Process)> = processes.iter().filter(is_root).map(|root| (0, root)).collect();
    sort(&mut open, &mut |a, b| b.1.pid.cmp(&a.1.pid));
    while let Some((depth, process)) = open.pop() {
        rows.push((depth, process.clone()));
        // A process that names itself as parent would go on for ever.
        if rows.len() > processes.len() {
            break;
        }
        let mut children: Vec<&Process> = processes
            .iter()
            .filter(|other| other.parent == process.pid && other.pid != process.pid)
            .collect();
        sort(&mut children, &mut |a, b| b.pid.cmp(&a.pid));
        open.extend(children.into_iter().map(|child| (depth + 1, child)));
    }
    rows
}

/// What a state letter means, proc(5).
fn state_word(letter: &str) -> &'static str {
    match letter {
        "R" => "running",
        "S" => "sleeping",
        "D" => "waiting for disk",
        "Z" => "zombie",
        "T" | "t" => "stopped",
        "I" => "idle",
        _ => "unknown",
    }
}

pub fn processes(subject: Subject) -> AnyView {
    let app = App::get();
    let value = RwSignal::new(Loaded::<Vec<Process>>::Loading);
    let text = RwSignal::new(String::new());
    let up = Memo::new(move |_| subject.item.see(|item| item.as_ref().is_some_and(|item| is_up(item))));
    let read = move || {
        let path = ["/containers/", &subject.id(), "/processes"].concat();
        spawn_local(async move {
            let answer = http::get::<List<Process>>(&path).await;
            let _ = value.try_update(|value| match answer {
                Ok(list) => *value = Loaded::Ready(list.items),
                Err(_) if matches!(value, Loaded::Ready(_)) => {}
                Err(failure) => *value = Loaded::Failed(failure),
            });
        });
    };
    Effect::new(move || {
        if up.get() {
            read();
        } else {
            value.set(Loaded::Ready(Vec::new()));
        }
    });
    let timer = set_interval_with_handle(
        move || {
            if up.get_untracked() && !document().hidden() {
                read();
            }
        },
        EVERY,
    );
    on_cleanup(move || {
        if let Ok(timer) = timer {
            timer.clear();
        }
    });
    let rows = Memo::new(move |_| {
        let wanted = text.get().to_ascii_lowercase();
        value.see(|value| match value {
            Loaded::Ready(processes) => tree(processes)
                .into_iter()
                .filter(|(_, process)| {
                    wanted.is_empty()
                        || process.command.to_ascii_lowercase().contains(&wanted)
                        || process.pid.to_string() == wanted
                })
                .collect(),
            Loaded::Loading | Loaded::Failed(_) => Vec::new(),
        })
    });
    let face = Memo::new(move |_| {
        value.see(|value| match value {
            Loaded::Loading => 0,
            Loaded::Failed(_) => 1,
            Loaded::Ready(all) if all.is_empty() => 2,
            Loaded::Ready(_) => 3,
        })
    });
    let table = move || {
        view! {
            <div class="table-scroll" tabindex="0">
                <table class="table processes">
                    <thead>
                        <tr>
                            <th scope="col" class="num">"PID"</th>
                            <th scope="col" class="num">"On the host"</th>
                            <th scope="col">"User"</th>
                            <th scope="col" class="num">"CPU"</th>
                            <th scope="col" class="num">"Memory"</th>
                            <th scope="col">"State"</th>
                            <th scope="col" class="num">"Threads"</th>
                            <th scope="col">"Running for"</th>
                            <th scope="col">"Command"</th>
                        </tr>
                    </thead>
                    <tbody>{move || rows.get().into_iter().map(|(depth, process)| row(app, depth, process)).collect_view()}</tbody>
                </table>
            </div>
        }
        .into_any()
    };
    view! {
        <div class="stack">
            <div class="filter">
                {icon("filter")}
                <input
                    class="input"
                    type="search"
                    placeholder="Filter: command or PID"
                    aria-label="Filter processes"
                    data-filter="true"
                    data-testid="processes.filter.text"
                    on:input=move |event| text.set(event_target_value(&event))
                />
            </div>
            <section class="card">
                {move || match face.get() {
                    0 => skeleton(5),
                    1 => {
                        let reason = match value.get_untracked() {
                            Loaded::Failed(failure) => failure.to_string(),
                            _ => String::new(),
                        };
                        failure("Processes could not be listed", reason, read)
                    }
                    2 => view! { <Empty icon="process" text="No processes: the container does not run."/> }.into_any(),
                    _ => table(),
                }}
            </section>
        </div>
    }
    .into_any()
}

fn row(app: App, depth: usize, process: Process) -> AnyView {
    let began = time::parse(&process.started);
    view! {
        <tr data-testid="processes.row">
            <td class="num">{process.container_pid}</td>
            <td class="num muted">{process.pid}</td>
            <td>{process.user}</td>
            <td class="num">{number::percent(process.cpu_percent)}</td>
            <td class="num">{size(process.memory_bytes)}</td>
            <td>{state_word(&process.state)}</td>
            <td class="num">{process.threads}</td>
            <td class="nowrap">{began.map(|began| time::duration((app.now.get_untracked() - began) / 1000.0))}</td>
            <td class="mono processes__command" title=process.command.clone()>
                <span style=["padding-left:", &(depth * 16).to_string(), "px"].concat()>
                    {(depth > 0).then_some("└ ")}
                    {process.command.clone()}
                </span>
            </td>
        </tr>
    }
    .into_any()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn process(pid: i32, parent: i32) -> Process {
        Process {
            pid,
            container_pid: pid,
            parent,
            user: String::new(),
            state: "S".into(),
            threads: 1,
            cpu_percent: 0.0,
            memory_bytes: 0,
            started: String::new(),
            command: String::new(),
        }
    }

    #[test]
    fn children_stand_below_their_parent() {
        let rows = tree(&[process(30, 10), process(10, 1), process(20, 10), process(25, 20)]);
        let shown: Vec<(usize, i32)> = rows.into_iter().map(|(depth, p)| (depth, p.pid)).collect();
        assert_eq!(shown, [(0, 10), (1, 20), (2, 25), (1, 30)]);
    }
}
