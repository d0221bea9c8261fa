//! Further processes in the running container.

use super::attach::Raw;
use super::connection::Role;
use super::console::problem;
use super::event_loop::{Phase, Shim};
use super::process::{Process, ProcessKey};
use super::stdio::{Ours, Pipes};
use shim_protocol::{Exec, Identity, Problem};

impl Shim {
    /// Begins the process of `exec` and joins the connection to it.
    pub(super) fn begin_exec(&mut self, token: u64, exec: &Exec) -> Result<Identity, Problem> {
        match self.phase {
            Phase::Running { .. } => {}
            Phase::Created => return Err(problem("exec", "the container has not been started")),
            Phase::Ending { .. } | Phase::Exited(_) => return Err(problem("exec", "the container has ended")),
        }
        let taken = |id: Option<&String>| id == Some(&exec.exec_id);
        if self.processes.values().any(|process| taken(process.exec_id.as_ref()))
            || self.ended_execs.iter().any(|ended| taken(Some(&ended.exec_id)))
        {
            return Err(problem("exec", format!("an exec `{}` was begun already", exec.exec_id)));
        }
        let internal = |error: anyhow::Error| problem("exec", format!("{error:#}"));
        let key = ProcessKey(self.next_exec);
        let pipes = Pipes::make(exec.stdin).map_err(internal)?;
        let (theirs, ours) = pipes.split();
        let mut begun = self.container.exec(&self.launch, exec, theirs)?;
        self.next_exec += 1;
        let ours = match begun.terminal.take() {
            Some(master) => Ours::terminal(master),
            None => ours,
        };
        let mut process = Process::new(Some(exec.exec_id.clone()), begun.identity, begun.pidfd);
        process.kept = exec.kept.as_ref().map(|kept| kept.to_string().into());
        if let Err(error) = self.watch_streams(key, &mut process, ours) {
            // It cannot be served: without its streams it is of no use.
            let _ = process.signal(model::Signal::KILL.number());
            self.processes.insert(key, process);
            return Err(internal(error));
        }
        let identity = process.identity;
        if !exec.detach {
            let raw = Raw::new(
                key,
                [exec.stdin, exec.stdout, exec.stderr],
                process.has_terminal(),
                true,
            );
            process.readers.push(token);
            if let Some(connection) = self.connections.get_mut(&token) {
                connection.role = Role::Raw(raw);
            }
        }
        self.processes.insert(key, process);
        Ok(identity)
    }
}
