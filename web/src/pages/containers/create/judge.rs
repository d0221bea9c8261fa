//! From the form's text to a request, judged by the rules the server has too.

use super::draft::{Draft, Row, port_text};
use crate::client::decode::decode;
use crate::client::http::sentence;
use crate::pages::containers::detail::console::split;
use crate::pages::containers::detail::limits::{modelled, nano_cpus};
use crate::table::{KeySet, Table};
use model::container::ContainerName;
use model::container::limits::HostSize;
use model::image::Reference;
use model::network::PortMapping;
use shared::create::{
    EnvEntry, LogOptions, Mount, MountKind, NetworkMode, NewContainer, Restart, RestartPolicy, Rlimit, SystemChoice,
    UserNamespace,
};
use shared::limits::Limits;

/// Where the host's size is not known nothing is too large.
pub const ANY_HOST: HostSize = HostSize {
    memory_bytes: u64::MAX,
    cpus: 4096,
};

/// The request a draft makes, with every mistake found on the way, by field.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Judged {
    pub request: NewContainer,
    pub mistakes: Table<String, String>,
    /// For each list of the request, the row of the form that each of its entries is from:
    /// rows left empty are no entries.
    pub places: Table<String, Vec<usize>>,
}

impl Judged {
    fn blame(&mut self, field: &str, words: impl ToString) {
        self.mistakes
            .or_insert_with(field.to_owned(), || sentence(&words.to_string()));
    }

    /// Notes that the next entry of a list is from this row.
    fn place(&mut self, list: &str, row: usize) {
        self.places.or_insert_with(list.to_owned(), Vec::new).push(row);
    }

    /// The field of the form that a field of the request is from.
    pub fn field(&self, of_request: &str) -> String {
        let Some((list, rest)) = of_request.split_once('[') else {
            return of_request.to_owned();
        };
        let at = rest.split(']').next().and_then(|at| at.parse::<usize>().ok());
        let row = at.and_then(|at| self.places.get(list)?.get(at).copied()).or(at);
        match row {
            Some(row) => [list, "[", &row.to_string(), "]"].concat(),
            None => of_request.to_owned(),
        }
    }

    /// A parsed value, or its mistake.
    fn take<T, E: ToString>(&mut self, field: &str, result: Result<T, E>) -> Option<T> {
        result.map_err(|error| self.blame(field, error)).ok()
    }
}

/// Turns text into a request, judged by the rules the server has too.
pub fn judge(draft: &Draft, host: HostSize) -> Judged {
    let mut judged = Judged {
        request: draft.base.clone().unwrap_or_default(),
        ..Judged::default()
    };
    basics(draft, &mut judged);
    process(draft, &mut judged);
    environment(draft, &mut judged);
    network(draft, &mut judged);
    storage(draft, &mut judged);
    limits(draft, host, &mut judged);
    security(draft, &mut judged);
    if let Some(base) = &draft.base {
        super::unchanged::keep(&mut judged.request, base, draft);
    }
    judged
}

fn given(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}

fn basics(draft: &Draft, judged: &mut Judged) {
    let image = draft.text("image");
    if image.is_empty() {
        judged.blame("image", "An image is required");
    } else {
        judged.take("image", Reference::parse(image));
    }
    image.clone_into(&mut judged.request.image);
    let name = draft.text("name");
    if !name.is_empty() {
        judged.take("name", ContainerName::parse(name));
    }
    judged.request.name = given(name);
    judged.request.labels.clear();
    for (at, row) in draft.list("labels").iter().enumerate() {
        let field = ["labels[", &at.to_string(), "]"].concat();
        let (key, value) = (cell(row, 0), cell(row, 1));
        if key.is_empty() && value.is_empty() {
            continue;
        }
        if key.is_empty() {
            judged.blame(&field, "A label needs a key");
        } else if judged.request.labels.insert(key.to_owned(), value.to_owned()).is_some() {
            judged.blame(&field, "This label is given twice");
        }
    }
    judged.request.start = draft.is_on("start");
}

fn cell(row: &Row, at: usize) -> &str {
    row.get(at).map_or("", |cell| cell.trim())
}

fn process(draft: &Draft, judged: &mut Judged) {
    let argv = |name: &str| {
        let text = draft.text(name);
        (!text.is_empty()).then(|| split(text))
    };
    judged.request.entrypoint = argv("entrypoint");
    judged.request.command = argv("command");
    judged.request.user = given(draft.text("user"));
    judged.request.working_dir = given(draft.text("working_dir"));
    if judged
        .request
        .working_dir
        .as_ref()
        .is_some_and(|dir| !dir.starts_with('/'))
    {
        judged.blame("working_dir", "The working directory is an absolute path, such as /app");
    }
    let host = draft.text("hostname");
    let label = |part: &str| {
        (1..=63).contains(&part.len())
            && part.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
            && !part.starts_with('-')
            && !part.ends_with('-')
    };
    if !host.is_empty() && (host.len() > 253 || !host.split('.').all(label)) {
        judged.blame(
            "hostname",
            "A host name has letters, digits, `-` and `.`, each part at most 63",
        );
    }
    judged.request.hostname = given(host);
    judged.request.terminal = draft.is_on("terminal");
    judged.request.stdin_open = draft.is_on("stdin_open");
    judged.request.init = draft.is_on("init");
    let signal = draft.text("stop_signal");
    if !signal.is_empty() {
        judged.take("stop_signal", model::Signal::parse(signal));
    }
    judged.request.stop_signal = given(signal);
    let timeout = draft.text("stop_timeout");
    judged.request.stop_timeout = None;
    if !timeout.is_empty() {
        match timeout.parse::<u64>() {
            Ok(seconds) if seconds <= 3600 => judged.request.stop_timeout = Some(seconds),
            _ => judged.blame("stop_timeout", "Seconds between 0 and 3600"),
        }
    }
    let policy = match draft.text("restart") {
        "on_failure" => RestartPolicy::OnFailure,
        "always" => RestartPolicy::Always,
        "unless_stopped" => RestartPolicy::UnlessStopped,
        _ => RestartPolicy::No,
    };
    let retries = draft.text("max_retries");
    let mut max_retries = None;
    if policy == RestartPolicy::OnFailure && !retries.is_empty() {
        match retries.parse::<u32>() {
            Ok(most) if most <= 1000 => max_retries = Some(most),
            _ => judged.blame("max_retries", "A number between 0 and 1000"),
        }
    }
    judged.request.restart = Restart { policy, max_retries };
    judged.request.auto_remove = draft.is_on("auto_remove");
    if judged.request.auto_remove && policy != RestartPolicy::No {
        judged.blame(
            "restart",
            "A container that is removed when it ends cannot be restarted",
        );
    }
}

fn environment(draft: &Draft, judged: &mut Judged) {
    judged.request.env.clear();
    for (at, row) in draft.list("env").iter().enumerate() {
        let (name, value) = (cell(row, 0), row.get(1).map_or("", String::as_str));
        if name.is_empty() && value.is_empty() {
            continue;
        }
        let field = ["env[", &at.to_string(), "]"].concat();
        if name.is_empty() || name.contains('=') || name.starts_with(|c: char| c.is_ascii_digit()) {
            judged.blame(
                &field,
                "A variable's name is not empty, has no `=` and does not begin with a digit",
            );
        }
        judged.place("env", at);
        judged.request.env.push(EnvEntry {
            name: name.to_owned(),
            value: value.to_owned(),
        });
    }
}

fn network(draft: &Draft, judged: &mut Judged) {
    judged.request.network = match draft.text("network") {
        "host" => NetworkMode::Host,
        "none" => NetworkMode::None,
        _ => NetworkMode::Bridge,
    };
    judged.request.ports.clear();
    judged.request.dns.clear();
    judged.request.extra_hosts.clear();
    if judged.request.network != NetworkMode::Bridge {
        return;
    }
    for (at, row) in draft.list("ports").iter().enumerate() {
        let (address, host, container, protocol) = (cell(row, 0), cell(row, 1), cell(row, 2), cell(row, 3));
        if address.is_empty() && host.is_empty() && container.is_empty() {
            continue;
        }
        let text = port_text(address, host, container, protocol);
        judged.place("ports", at);
        judged.take(&["ports[", &at.to_string(), "]"].concat(), PortMapping::parse(&text));
        judged.request.ports.push(text);
    }
    judged.request.dns = words(draft.text("dns"));
    for address in judged.request.dns.clone() {
        if address.parse::<std::net::IpAddr>().is_err() {
            judged.blame("dns", ["`", &address, "` is not an IP address"].concat());
        }
    }
    judged.request.extra_hosts = words(draft.text("extra_hosts"));
}

/// Words separated by spaces or commas.
fn words(text: &str) -> Vec<String> {
    text.split([' ', ',', '\n'])
        .filter(|word| !word.is_empty())
        .map(str::to_owned)
        .collect()
}

fn storage(draft: &Draft, judged: &mut Judged) {
    let mut targets = KeySet::new();
    judged.request.mounts.clear();
    for (at, row) in draft.list("mounts").iter().enumerate() {
        let (kind, source, target, option) = (cell(row, 0), cell(row, 1), cell(row, 2), cell(row, 3));
        if source.is_empty() && target.is_empty() {
            continue;
        }
        let field = ["mounts[", &at.to_string(), "]"].concat();
        let (kind, modelled) = match kind {
            "bind" => (
                MountKind::Bind,
                model::mount::Source::Bind {
                    path: source.to_owned(),
                    propagation: None,
                    create: true,
                    recursion: model::mount::Recursion::default(),
                },
            ),
            "tmpfs" => (
                MountKind::Tmpfs,
                model::mount::Source::Tmpfs {
                    size_bytes: None,
                    mode: None,
                    options: Vec::new(),
                },
            ),
            _ => (
                MountKind::Volume,
                // Without a name the container gets a volume of its own.
                model::mount::Source::Volume {
                    name: if source.is_empty() { "own" } else { source }.to_owned(),
                    no_copy: false,
                },
            ),
        };
        let read_only = option == "ro";
        let mount = model::mount::Mount {
            source: modelled,
            target: target.to_owned(),
            read_only,
        };
        judged.take(&field, mount.check());
        if !targets.insert(target.to_owned()) {
            judged.blame(&field, "Something else is mounted at this path already");
        }
        judged.place("mounts", at);
        // A copy's mount keeps what has no cell, as long as it is of the same kind.
        let known = row
            .get(4)
            .and_then(|text| decode::<Mount>(text).ok())
            .filter(|known| known.kind == kind);
        let mut mount = known.clone().unwrap_or_else(|| Mount {
            kind,
            ..Mount::default()
        });
        target.clone_into(&mut mount.target);
        mount.read_only = read_only;
        if kind == MountKind::Tmpfs {
            let same =
                known.is_some_and(|known| known.size_bytes.map(crate::format::size).unwrap_or_default() == source);
            if !same {
                let size = (!source.is_empty()).then(|| judged.take(&field, model::size::parse(source)));
                mount.size_bytes = size.flatten();
            }
        } else {
            source.clone_into(&mut mount.source);
        }
        judged.request.mounts.push(mount);
    }
    judged.request.read_only_root = draft.is_on("read_only_root");
    let shm = draft.text("shm");
    judged.request.shm_bytes = None;
    if !shm.is_empty() {
        judged.request.shm_bytes = judged.take("shm", model::size::parse(shm));
    }
    log(draft, judged);
}

/// What the form proposes as a placeholder.
const DEFAULT_LOG_BYTES: u64 = 512 << 20;

fn log(draft: &Draft, judged: &mut Judged) {
    let known = draft.base.as_ref().and_then(|base| base.log.clone());
    let (compress, non_blocking) = (draft.is_on("log_compress"), draft.is_on("log_non_blocking"));
    let keep = draft.text("log_keep");
    judged.request.log = None;
    if keep.is_empty() && !compress && !non_blocking && known.is_none() {
        return;
    }
    let mut log = known.unwrap_or(LogOptions {
        keep_bytes: DEFAULT_LOG_BYTES,
        segments: None,
        compress,
        non_blocking,
        buffer_bytes: None,
        off: false,
        driver: None,
    });
    if keep.is_empty() {
        log.keep_bytes = DEFAULT_LOG_BYTES;
    } else if let Some(bytes) = judged.take("log_keep", model::size::parse(keep)) {
        log.keep_bytes = bytes;
    }
    log.compress = compress;
    log.non_blocking = non_blocking;
    judged.request.log = Some(log);
}

fn limits(draft: &Draft, host: HostSize, judged: &mut Judged) {
    let mut limits = Limits {
        io_weight: draft.base.as_ref().and_then(|base| base.limits.io_weight),
        ..Limits::default()
    };
    if let Some(Some(nano)) = judged.take("cpu", nano_cpus(draft.text("cpu"))) {
        limits.nano_cpus = Some(Some(nano));
    }
    for (field, slot) in [
        ("memory", &mut limits.memory_bytes),
        ("memory_reservation", &mut limits.memory_reservation_bytes),
        ("memory_and_swap", &mut limits.memory_and_swap_bytes),
    ] {
        let text = draft.text(field);
        if !text.is_empty() {
            *slot = judged.take(field, model::size::parse(text)).map(Some);
        }
    }
    for (field, slot) in [("pids", &mut limits.pids), ("cpu_shares", &mut limits.cpu_shares)] {
        let text = draft.text(field);
        if !text.is_empty() {
            *slot = judged
                .take(field, text.parse::<u64>().map_err(|_| "A whole number"))
                .map(Some);
        }
    }
    limits.cpus = given(draft.text("cpus")).map(Some);
    for mistake in modelled(&limits).mistakes(host) {
        let words = mistake.to_string();
        let field = match &words {
            words if words.contains("swap") => "memory_and_swap",
            words if words.contains("reservation") => "memory_reservation",
            words if words.contains("list of processors") => "cpus",
            words if words.contains("CPU") => "cpu",
            _ => "memory",
        };
        judged.blame(field, words);
    }
    judged.request.limits = limits;
    judged.request.rlimits.clear();
    for (at, row) in draft.list("rlimits").iter().enumerate() {
        let (name, soft, hard) = (cell(row, 0), cell(row, 1), cell(row, 2));
        if name.is_empty() && soft.is_empty() {
            continue;
        }
        let field = ["rlimits[", &at.to_string(), "]"].concat();
        match (
            soft.parse::<u64>(),
            if hard.is_empty() { soft } else { hard }.parse::<u64>(),
        ) {
            (Ok(soft), Ok(hard)) if soft <= hard => {
                judged.place("rlimits", at);
                judged.request.rlimits.push(Rlimit {
                    name: name.to_owned(),
                    soft,
                    hard,
                });
            }
            (Ok(_), Ok(_)) => judged.blame(&field, "The soft limit is above the hard one"),
            _ => judged.blame(&field, "Both limits are whole numbers"),
        }
    }
}

fn security(draft: &Draft, judged: &mut Judged) {
    let caps = |name: &str| {
        words(&draft.text(name).to_ascii_uppercase())
            .into_iter()
            .map(|cap| cap.strip_prefix("CAP_").map(str::to_owned).unwrap_or(cap))
            .collect::<Vec<_>>()
    };
    judged.request.cap_add = caps("cap_add");
    judged.request.cap_drop = caps("cap_drop");
    judged.request.no_new_privileges = draft.is_on("no_new_privileges");
    judged.request.privileged = draft.is_on("privileged");
    judged.request.user_namespace = match draft.text("user_namespace") {
        "own" => UserNamespace::Own,
        "host" => UserNamespace::Host,
        _ => UserNamespace::Server,
    };
    if judged.request.privileged && judged.request.user_namespace == UserNamespace::Own {
        judged.blame("user_namespace", "A privileged container needs the host's ids");
    }
    judged.request.system = match draft.text("system") {
        "always" => SystemChoice::Always,
        "never" => SystemChoice::Never,
        _ => SystemChoice::Auto,
    };
    judged.request.seccomp = draft.is_on("seccomp_unconfined").then(|| "unconfined".to_owned());
    judged.request.sysctls.clear();
    for (at, row) in draft.list("sysctls").iter().enumerate() {
        let (key, value) = (cell(row, 0), cell(row, 1));
        if key.is_empty() && value.is_empty() {
            continue;
        }
        if !key.contains('.') {
            judged.blame(
                &["sysctls[", &at.to_string(), "]"].concat(),
                "A kernel setting has a name such as net.core.somaxconn",
            );
        }
        judged.request.sysctls.insert(key.to_owned(), value.to_owned());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOST: HostSize = HostSize {
        memory_bytes: 8 << 30,
        cpus: 4,
    };

    fn draft(texts: &[(&str, &str)]) -> Draft {
        let mut draft = Draft::default();
        for (name, text) in texts {
            draft.texts.insert((*name).to_owned(), (*text).to_owned());
        }
        draft
    }

    #[test]
    fn an_image_is_all_it_takes() {
        let judged = judge(&draft(&[("image", "nginx:1.27")]), HOST);
        assert_eq!(judged.mistakes, Table::new());
        assert_eq!(judged.request.image, "nginx:1.27");
        assert_eq!(judged.request.limits.pids, Some(Some(512)));
        assert!(judged.request.init && judged.request.start);
    }

    #[test]
    fn every_mistake_stands_at_its_field() {
        let mut wrong = draft(&[
            ("image", "NGINX"),
            ("name", "-"),
            ("memory", "64 GiB"),
            ("cpu", "none"),
            ("working_dir", "app"),
        ]);
        wrong.rows.insert(
            "ports".to_owned(),
            vec![vec![String::new(), "99999".into(), "80".into()]],
        );
        let judged = judge(&wrong, HOST);
        let fields: Vec<&str> = judged.mistakes.keys().map(String::as_str).collect();
        assert_eq!(fields, ["cpu", "image", "memory", "name", "ports[0]", "working_dir"]);
    }

    #[test]
    fn rows_left_empty_say_nothing() {
        let mut with_empty = draft(&[("image", "x")]);
        with_empty
            .rows
            .insert("env".to_owned(), vec![vec![String::new(), String::new()]]);
        with_empty.rows.insert(
            "mounts".to_owned(),
            vec![vec!["volume".into(), String::new(), String::new()]],
        );
        let judged = judge(&with_empty, HOST);
        assert!(judged.request.env.is_empty() && judged.request.mounts.is_empty());
    }

    #[test]
    fn a_mistake_of_the_server_stands_at_the_row_it_is_about() {
        let mut ports = draft(&[("image", "x")]);
        let row = |host: &str| vec![String::new(), host.to_owned(), "80".to_owned(), "tcp".to_owned()];
        ports
            .rows
            .insert("ports".to_owned(), vec![Vec::new(), row("81"), row("82")]);
        let judged = judge(&ports, HOST);
        assert_eq!(judged.field("ports[1]"), "ports[2]");
        assert_eq!(judged.field("name"), "name");
    }

    #[test]
    fn a_port_row_becomes_a_mapping() {
        let mut ports = draft(&[("image", "x")]);
        ports.rows.insert(
            "ports".to_owned(),
            vec![vec!["127.0.0.1".into(), "8080".into(), "80".into(), "udp".into()]],
        );
        assert_eq!(judge(&ports, HOST).request.ports, ["127.0.0.1:8080:80/udp"]);
    }
}
