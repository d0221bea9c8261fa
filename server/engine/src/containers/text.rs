//! Text of a specification that ends up in a file, an argument or a path of the kernel: what
//! would change its meaning there is refused, and so is more of it than can be meant.

use crate::error::Mistake;
use model::container::Spec;
use model::container::spec::NamespaceMode;
use model::network::NetworkMode;

/// Of variables, labels, ports and the like, each. execve(2) takes no more text than 2 MiB
/// and no file of the container is longer.
const MAX_ENTRIES: usize = 10_000;
/// Of a name in the DNS. RFC 1035, section 2.3.4
const MAX_DOMAIN: usize = 253;
/// Parameters of an IPC namespace. namespaces(7); kernel, admin-guide/sysctl/kernel.rst
const IPC_SYSCTLS: [&str; 12] = [
    "kernel/auto_msgmni",
    "kernel/msgmax",
    "kernel/msgmnb",
    "kernel/msgmni",
    "kernel/msg_next_id",
    "kernel/sem",
    "kernel/sem_next_id",
    "kernel/shmall",
    "kernel/shmmax",
    "kernel/shmmni",
    "kernel/shm_next_id",
    "kernel/shm_rmid_forced",
];

pub(super) fn mistakes(spec: &Spec) -> Vec<Mistake> {
    let mut found = Vec::new();
    counts(spec, &mut found);
    if !found.is_empty() {
        // Not a sentence for each of them.
        return found;
    }
    let mut wrong = |field: &'static str, message: String| found.push(Mistake { field, message });
    let process = &spec.process;
    if process.arguments().iter().any(|argument| argument.contains('\0')) {
        wrong("command", "an argument cannot contain a zero byte".to_owned());
    }
    if process.working_dir.contains('\0') {
        wrong("working_dir", "a path cannot contain a zero byte".to_owned());
    }
    let users = std::iter::once(&process.user).chain(&process.groups);
    for user in users.filter(|user| user.chars().any(char::is_control)) {
        wrong(
            "user",
            format!("`{}` contains a control character", user.escape_debug()),
        );
    }
    if let Some(name) = spec.domainname.as_deref().filter(|name| !is_domain(name)) {
        wrong("domainname", not_a_domain(name));
    }
    let network = &spec.network;
    // A single dot is "no search list", as in `docker run --dns-search=.`.
    for name in network
        .dns_search
        .iter()
        .filter(|name| *name != "." && !is_domain(name))
    {
        wrong("dns_search", not_a_domain(name));
    }
    for option in network.dns_options.iter().filter(|option| !is_word(option)) {
        wrong("dns_options", format!("`{}` is not one word", option.escape_debug()));
    }
    for entry in &network.extra_hosts {
        if !is_word(entry.split(':').next().unwrap_or_default()) {
            wrong(
                "extra_hosts",
                format!("`{}` is not of the form `name:address`", entry.escape_debug()),
            );
        }
    }
    for (name, value) in &spec.sysctls {
        if let Some(why) = sysctl_mistake(name, value, spec) {
            wrong("sysctls", why);
        }
    }
    found
}

fn counts(spec: &Spec, found: &mut Vec<Mistake>) {
    let network = &spec.network;
    let all: [(&'static str, &str, usize); 12] = [
        ("env", "variables", spec.process.env.len()),
        ("command", "arguments", spec.process.arguments().len()),
        ("labels", "labels", spec.labels.len()),
        ("ports", "ports", network.ports.len().max(network.exposed.len())),
        ("mounts", "mounts", spec.mounts.len()),
        ("devices", "devices", spec.devices.len()),
        ("sysctls", "kernel parameters", spec.sysctls.len()),
        ("dns", "DNS servers", network.dns.len()),
        ("dns_search", "search domains", network.dns_search.len()),
        ("dns_options", "DNS options", network.dns_options.len()),
        ("extra_hosts", "host names", network.extra_hosts.len()),
        ("user", "groups", spec.process.groups.len()),
    ];
    for (field, what, count) in all {
        if count > MAX_ENTRIES {
            found.push(Mistake {
                field,
                message: format!("{count} {what} are too many; a container may have {MAX_ENTRIES}"),
            });
        }
    }
}

/// Letters, digits, `-`, `_` and dots; one dot at the end makes it absolute.
fn is_domain(name: &str) -> bool {
    let part = |part: &str| {
        !part.is_empty()
            && part
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
    };
    name.len() <= MAX_DOMAIN && name.strip_suffix('.').unwrap_or(name).split('.').all(part)
}

fn not_a_domain(name: &str) -> String {
    format!(
        "`{}` is not a domain name of at most {MAX_DOMAIN} letters, digits, `-`, `_` and `.`",
        name.escape_debug()
    )
}

/// One word of a line: no blank, no comment, nothing that ends the line.
fn is_word(text: &str) -> bool {
    !text.is_empty()
        && !text
            .chars()
            .any(|letter| letter.is_whitespace() || letter.is_control() || letter == '#')
}

fn sysctl_mistake(name: &str, value: &str, spec: &Spec) -> Option<String> {
    let path = sysctl_path(name);
    if name.contains('\0') || value.contains('\0') || path.split('/').any(|part| matches!(part, "" | "." | "..")) {
        return Some(format!(
            "`{}` is not the name of a kernel parameter",
            name.escape_debug()
        ));
    }
    let (kind, is_private) = if path.starts_with("net/") {
        ("network", spec.network.mode != NetworkMode::Host)
    } else if IPC_SYSCTLS.contains(&path.as_str()) || path.starts_with("fs/mqueue/") {
        ("IPC", spec.security.ipc == NamespaceMode::Private)
    } else if path.starts_with("user/") {
        ("user", spec.security.users != model::container::UserNamespace::Host)
    } else {
        return Some(format!(
            "`{name}` belongs to no namespace of a container: it would change the host; `net.*`, `fs.mqueue.*` and \
             the kernel's parameters for System V IPC can be set"
        ));
    };
    (!is_private).then(|| format!("`{name}` would change the host: the container has no {kind} namespace of its own"))
}

/// `net.ipv4.x` and `net/ipv4/x` mean the same: whichever separator comes first is the one.
fn sysctl_path(name: &str) -> String {
    let swap = |letter| match letter {
        '.' => '/',
        '/' => '.',
        other => other,
    };
    match name.find(['.', '/']) {
        Some(at) if name.as_bytes()[at] == b'.' => name.chars().map(swap).collect(),
        _ => name.to_owned(),
    }
}
