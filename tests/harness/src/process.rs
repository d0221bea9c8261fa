use std::io;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

/// How a command ended, and what it said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ended {
    /// `None` after a signal.
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl From<Output> for Ended {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}

/// Runs to the end.
pub(crate) fn run(program: &str, arguments: &[&str]) -> io::Result<Ended> {
    let output = Command::new(program).args(arguments).stdin(Stdio::null()).output()?;
    Ok(output.into())
}

/// Sends a signal such as `TERM`; whether there was such a process.
pub fn signal(pid: u32, signal: &str) -> bool {
    run("sh", &["-c", &format!("kill -{signal} {pid}")]).is_ok_and(|ended| ended.code == Some(0))
}

/// A limit for waiting: longer where everything is slower, as in an emulated machine.
pub(crate) fn patience(limit: Duration) -> Duration {
    let factor = std::env::var("GANTRY_TEST_PATIENCE")
        .ok()
        .and_then(|text| text.parse().ok());
    limit * factor.unwrap_or(1)
}

/// Looks again and again until there is something to see, or `limit` is over.
pub fn wait_until<T>(limit: Duration, mut look: impl FnMut() -> Option<T>) -> Option<T> {
    let end = Instant::now() + patience(limit);
    loop {
        if let Some(seen) = look() {
            return Some(seen);
        }
        if Instant::now() >= end {
            return None;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Sends a signal to every process of the group that `leader` made.
pub fn signal_group(leader: u32, signal: &str) -> bool {
    run("sh", &["-c", &format!("kill -{signal} -{leader}")]).is_ok_and(|ended| ended.code == Some(0))
}
