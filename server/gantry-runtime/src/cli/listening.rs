//! Sockets that systemd, or who else called, opened for the container: descriptors from 3 on,
//! counted by `LISTEN_FDS`. sd_listen_fds(3)

use oci_spec::runtime::Process;

/// How many there are. None that are meant for another process.
pub(super) fn count() -> u32 {
    let number = |name| std::env::var(name).ok().and_then(|text| text.parse::<u32>().ok());
    match number("LISTEN_PID") {
        Some(pid) if pid != std::process::id() => 0,
        _ => number("LISTEN_FDS").unwrap_or(0),
    }
}

/// Tells the process of them: in its pid namespace it is number 1, and so runc says it is for
/// an exec too.
pub(super) fn announce(process: &mut Process) {
    let count = count();
    if count > 0 {
        let mut env = process.env().clone().unwrap_or_default();
        env.extend([format!("LISTEN_FDS={count}"), "LISTEN_PID=1".to_owned()]);
        process.set_env(Some(env));
    }
}
