//! `GET /containers/{id}/top`: the processes as `ps` shows them. No `ps` is
//! run; the columns that its arguments ask for are made here.

use crate::docker::problem::Failure;
use crate::docker::query::Query;
use crate::now;
use axum::Json;
use axum::extract::{Path, State};
use engine::{Engine, ProcessInfo};
use model::Timestamp;
use serde_json::{Value, json};
use std::time::Duration;

pub(in crate::docker) async fn top(
    State(engine): State<Engine>,
    Path(name): Path<String>,
    query: Query,
) -> Result<Json<Value>, Failure> {
    let columns = columns(query.get("ps_args").unwrap_or("-ef"))?;
    let id = engine.find(&name)?;
    if !engine.inspect(&id)?.is_running() {
        return Err(super::lifecycle::not_running(&id));
    }
    let processes = engine.top(&id).await?;
    let memory = engine.stats_rounds().borrow().host.memory_total_bytes;
    let scene = Scene { now: now(), memory };
    let rows: Vec<Vec<String>> = processes
        .iter()
        .map(|process| columns.iter().map(|column| (column.show)(process, &scene)).collect())
        .collect();
    let titles: Vec<&str> = columns.iter().map(|column| column.title).collect();
    Ok(Json(json!({ "Titles": titles, "Processes": rows })))
}

struct Scene {
    now: Timestamp,
    memory: u64,
}

#[derive(Clone, Copy)]
struct Column {
    name: &'static str,
    title: &'static str,
    show: fn(&ProcessInfo, &Scene) -> String,
}

const fn column(name: &'static str, title: &'static str, show: fn(&ProcessInfo, &Scene) -> String) -> Column {
    Column { name, title, show }
}

const COLUMNS: [Column; 16] = [
    column("pid", "PID", |p, _| p.pid.to_string()),
    column("ppid", "PPID", |p, _| p.parent_pid.to_string()),
    column("uid", "UID", |p, _| p.uid.to_string()),
    column("user", "USER", |p, _| p.user.clone()),
    column("c", "C", |p, scene| format!("{:.0}", cpu_share(p, scene))),
    column("pcpu", "%CPU", |p, scene| format!("{:.1}", cpu_share(p, scene))),
    column("pmem", "%MEM", |p, scene| {
        format!("{:.1}", p.memory_bytes as f64 * 100.0 / scene.memory.max(1) as f64)
    }),
    column("rss", "RSS", |p, _| (p.memory_bytes / 1024).to_string()),
    column("stat", "STAT", |p, _| p.state.to_string()),
    column("stime", "STIME", |p, _| clock(p.started)),
    column("start", "START", |p, _| clock(p.started)),
    column("etime", "ELAPSED", |p, scene| span(scene.now.since(p.started))),
    column("tty", "TTY", |p, _| {
        p.terminal.clone().unwrap_or_else(|| "?".to_owned())
    }),
    column("time", "TIME", |p, _| hours(Duration::from_nanos(p.cpu_ns))),
    column("cmd", "CMD", |p, _| p.command.clone()),
    column("comm", "COMMAND", |p, _| {
        let program = p.command.split(' ').next().unwrap_or_default();
        program.rsplit('/').next().unwrap_or_default().to_owned()
    }),
];

fn find(name: &str) -> Option<Column> {
    let known = match name {
        "args" | "command" => "cmd",
        "%cpu" => "pcpu",
        "%mem" => "pmem",
        "s" | "state" => "stat",
        "start_time" => "stime",
        "tt" | "tname" => "tty",
        "cputime" => "time",
        "euser" => "user",
        "euid" => "uid",
        "ucmd" => "comm",
        other => other,
    };
    COLUMNS.into_iter().find(|column| column.name == known)
}

/// `-ef`, `aux` and what they are written like, or a list after `-o`.
fn columns(arguments: &str) -> Result<Vec<Column>, Failure> {
    let refuse = || Failure::unsupported(&format!("ps_args `{arguments}`; `-ef`, `aux` and `-o COLUMN,…`"));
    let words: Vec<&str> = arguments.split_whitespace().collect();
    let names: Vec<String> = match words[..] {
        [] | ["-ef" | "-eF" | "-e" | "-f" | "-aef" | "-Af" | "ef"] => {
            // The user stands under UID here.
            let mut columns: Vec<Column> = ["user", "pid", "ppid", "c", "stime", "tty", "time", "cmd"]
                .iter()
                .filter_map(|name| find(name))
                .collect();
            columns[0].title = "UID";
            return Ok(columns);
        }
        ["aux" | "-aux" | "axu" | "auxw" | "auxww" | "u"] => {
            let mut columns: Vec<Column> = [
                "user", "pid", "pcpu", "pmem", "rss", "tty", "stat", "start", "time", "cmd",
            ]
            .iter()
            .filter_map(|name| find(name))
            .collect();
            columns[9].title = "COMMAND";
            return Ok(columns);
        }
        ["-o" | "o" | "-eo" | "-axo" | "axo", list] | ["-e" | "-A" | "ax", "-o" | "o", list] => {
            list.split(',').map(str::to_ascii_lowercase).collect()
        }
        [word] if word.starts_with("-o") => word[2..].split(',').map(str::to_ascii_lowercase).collect(),
        _ => return Err(refuse()),
    };
    names.iter().map(|name| find(name).ok_or_else(refuse)).collect()
}

/// Percent of one processor over the process's life.
fn cpu_share(process: &ProcessInfo, scene: &Scene) -> f64 {
    let lived = scene.now.since(process.started).as_nanos().max(1) as f64;
    process.cpu_ns as f64 * 100.0 / lived
}

fn clock(at: Timestamp) -> String {
    at.to_string().get(11..16).unwrap_or_default().to_owned()
}

fn hours(time: Duration) -> String {
    let seconds = time.as_secs();
    format!("{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60)
}

fn span(time: Duration) -> String {
    let seconds = time.as_secs();
    if seconds < 3600 {
        format!("{:02}:{:02}", seconds / 60, seconds % 60)
    } else {
        hours(time)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_usual_arguments_of_ps_are_known() {
        let titles = |arguments| {
            let columns = columns(arguments).expect("known");
            columns.iter().map(|column| column.title).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(titles("-ef"), "UID PID PPID C STIME TTY TIME CMD");
        assert_eq!(titles("aux"), "USER PID %CPU %MEM RSS TTY STAT START TIME COMMAND");
        assert_eq!(titles("-o pid,comm"), "PID COMMAND");
        assert!(columns("-o colour").is_err() && columns("--forest x").is_err());
    }
}
