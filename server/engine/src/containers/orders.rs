//! Orders that leave a container running: pause, limits, name, terminal.

use crate::attach::{AttachOptions, Attached};
use crate::blocking::blocking;
use crate::containers::keeper::Keeper;
use crate::containers::request::Reply;
use crate::error::{Doing, EngineError};
use crate::shim;
use cgroup::CgroupError;
use model::container::limits::Ceiling;
use model::container::{ContainerName, Limits, RestartPolicy, State, Verdict};
use model::event::Action;
use shim_protocol::{Attach, Command, Target};

impl Keeper {
    pub(super) async fn pause(&mut self) -> Result<(), EngineError> {
        match self.record.state.on_pause() {
            Verdict::Go => {}
            Verdict::AlreadySo => {
                self.forget_holds();
                return Ok(());
            }
            Verdict::Refuse(refusal) => return Err(self.refused(refusal)),
        }
        let State::Running { init, since } = self.record.state else {
            return Ok(());
        };
        let (group, name) = (self.group(), self.name());
        blocking("pause a container", move || {
            group.freeze().doing(|| format!("pause container `{name}`"))
        })
        .await?;
        let mut next = self.record.clone();
        next.state = State::Paused { init, since };
        let saved = self.save(next, vec![(Action::Pause, Vec::new())]).await;
        if saved.is_err() {
            // It is called running, so it has to run.
            let thawed = self.thaw_group().await;
            self.log_failure("unpause a container whose pause could not be recorded", thawed);
        }
        saved
    }

    pub(super) async fn unpause(&mut self) -> Result<(), EngineError> {
        match self.record.state.on_unpause() {
            Verdict::Go => {}
            Verdict::AlreadySo => return Ok(()),
            Verdict::Refuse(refusal) => return Err(self.refused(refusal)),
        }
        self.thaw().await
    }

    /// Lets a paused container go on.
    pub(super) async fn thaw(&mut self) -> Result<(), EngineError> {
        let State::Paused { init, since } = self.record.state else {
            return Ok(());
        };
        self.thaw_group().await?;
        self.forget_holds();
        let mut next = self.record.clone();
        next.state = State::Running { init, since };
        self.save_end(next, vec![(Action::Unpause, Vec::new())]).await
    }

    pub(super) async fn thaw_group(&self) -> Result<(), EngineError> {
        let (group, name) = (self.group(), self.name());
        blocking("unpause a container", move || {
            group.thaw().doing(|| format!("unpause container `{name}`"))
        })
        .await
    }

    pub(super) async fn rename(&mut self, name: ContainerName) -> Result<(), EngineError> {
        if self.record.spec.name == name {
            return Ok(());
        }
        let before = self.name();
        let mut next = self.record.clone();
        next.spec.name = name;
        self.save(next, vec![(Action::Rename, vec![("old_name".to_owned(), before)])])
            .await
    }

    /// The row gets what the kernel holds afterwards, not what was asked.
    pub(super) async fn update(
        &mut self,
        limits: Option<Limits>,
        restart: Option<RestartPolicy>,
    ) -> Result<(), EngineError> {
        let mut next = self.record.clone();
        if next.spec.auto_remove && restart.as_ref().is_some_and(|policy| *policy != RestartPolicy::No) {
            return Err(EngineError::invalid(
                "restart",
                "a container that is removed when it ends cannot be restarted",
            ));
        }
        if let Some(mut asked) = limits {
            if asked.memory.limit == Some(Ceiling::Unlimited) && asked.memory.memory_and_swap.is_none() {
                asked.memory.memory_and_swap = next.spec.limits.memory.memory_and_swap.map(|_| Ceiling::Unlimited);
            }
            let wanted = overlay(&next.spec.limits, &asked);
            let mistakes: Vec<_> = wanted
                .mistakes(self.engine.host_size)
                .into_iter()
                .map(|mistake| crate::Mistake {
                    field: "limits",
                    message: mistake.to_string(),
                })
                .collect();
            if !mistakes.is_empty() {
                return Err(EngineError::Invalid(mistakes));
            }
            next.spec.limits = wanted;
            if self.record.state.init().is_some() {
                let (group, name) = (self.group(), self.name());
                let held = blocking("change limits", {
                    let asked = asked.clone();
                    move || group.update(&asked).map_err(|error| limits_refused(&name, error))
                })
                .await?;
                next.spec.limits = read_back(next.spec.limits, &asked, held);
            }
        }
        if let Some(policy) = restart {
            next.spec.restart = policy;
        }
        self.save(next, vec![(Action::Update, Vec::new())]).await?;
        self.reconsider_restart();
        self.show();
        Ok(())
    }

    pub(super) async fn resize(&mut self, rows: u16, cols: u16) -> Result<(), EngineError> {
        if !self.record.spec.process.terminal {
            return Err(EngineError::Conflict(format!(
                "container `{}` has no terminal to resize",
                self.name()
            )));
        }
        let name = self.name();
        let Some(shim) = &mut self.shim else {
            return Err(self.refused(model::container::Refusal::NotRunning));
        };
        let command = Command::Resize {
            target: Target::Init,
            rows,
            cols,
        };
        shim.ask(command)
            .await
            .doing(|| format!("resize the terminal of container `{name}`"))?;
        Ok(())
    }

    /// Joins the streams now, or, when nothing runs, at the next start before the
    /// command begins.
    pub(super) async fn attach(&mut self, options: AttachOptions, registered: Reply<()>, stream: Reply<Attached>) {
        if self.record.state.init().is_none() {
            self.attaching.retain(|(_, waiting)| !waiting.is_closed());
            self.attaching.push((options, stream));
            let _ = registered.send(self.tell_of_attachment().await);
            return;
        }
        if matches!(self.record.state, State::Paused { .. }) {
            let _ = registered.send(Err(self.refused(model::container::Refusal::Paused)));
            return;
        }
        match self.join(options).await {
            Ok(attached) => {
                let _ = registered.send(self.tell_of_attachment().await);
                let _ = stream.send(Ok(attached));
            }
            Err(error) => {
                let _ = registered.send(Err(error));
            }
        }
    }

    /// Records the event. A full disk does not prevent attaching; the space kept for ending
    /// containers is not used for it.
    async fn tell_of_attachment(&self) -> Result<(), EngineError> {
        match self.tell(Action::Attach, Vec::new()).await {
            Err(error) if error.is_disk_full() => Ok(()),
            told => told,
        }
    }

    /// Connects to the streams of the process that runs or is about to.
    pub(super) async fn join(&self, options: AttachOptions) -> Result<Attached, EngineError> {
        let request = Attach {
            target: Target::Init,
            stdin: options.stdin,
            stdout: options.stdout,
            stderr: options.stderr,
        };
        let stream = shim::attach(&self.dirs().run, request)
            .await
            .doing(|| format!("attach to container `{}`", self.name()))?;
        Ok(Attached::new(stream, self.record.spec.process.terminal))
    }

    pub(super) fn refused(&self, refusal: model::container::Refusal) -> EngineError {
        EngineError::Refused {
            name: self.name(),
            refusal,
        }
    }
}

/// What the kernel refuses for its value is a mistake of the request.
fn limits_refused(container: &str, error: CgroupError) -> EngineError {
    match error {
        CgroupError::BelowUse { .. } => EngineError::Conflict(error.to_string()),
        CgroupError::SwapBelowMemory { .. } | CgroupError::SwapWithoutMemory => EngineError::invalid("limits", error),
        CgroupError::Write { ref source, .. }
            if matches!(
                source.kind(),
                std::io::ErrorKind::InvalidInput | std::io::ErrorKind::InvalidData
            ) || is_out_of_range(source) =>
        {
            EngineError::invalid("limits", error)
        }
        other => EngineError::Host {
            doing: format!("change the limits of container `{container}`"),
            source: Box::new(other),
        },
    }
}

/// `ERANGE` or `EOVERFLOW`: errno(3).
fn is_out_of_range(error: &std::io::Error) -> bool {
    matches!(error.raw_os_error(), Some(34 | 75))
}

/// What will be wanted: of each field the asked one, or what was before. An
/// explicit `Unlimited` becomes no ceiling at all.
fn overlay(before: &Limits, asked: &Limits) -> Limits {
    let ceiling = |asked: Option<Ceiling>, before: Option<Ceiling>| match asked {
        Some(Ceiling::Unlimited) => None,
        Some(at) => Some(at),
        None => before,
    };
    let list = |asked: &Vec<_>, before: &Vec<_>| {
        if asked.is_empty() {
            before.clone()
        } else {
            asked.clone()
        }
    };
    Limits {
        memory: model::container::limits::Memory {
            limit: ceiling(asked.memory.limit, before.memory.limit),
            memory_and_swap: match (asked.memory.memory_and_swap, asked.memory.limit) {
                // "Any amount of swap" is not the same as "as much swap as memory".
                (Some(Ceiling::Unlimited), Some(Ceiling::Unlimited)) => None,
                (Some(both), _) => Some(both),
                // A ceiling on both means nothing without one on memory.
                (None, Some(Ceiling::Unlimited)) => None,
                (None, _) => before.memory.memory_and_swap,
            },
            reservation_bytes: asked.memory.reservation_bytes.or(before.memory.reservation_bytes),
            swappiness: asked.memory.swappiness.or(before.memory.swappiness),
            oom_kill_disabled: before.memory.oom_kill_disabled || asked.memory.oom_kill_disabled,
        },
        cpu: model::container::limits::Cpu {
            shares: asked.cpu.shares.or(before.cpu.shares),
            quota: ceiling(asked.cpu.quota, before.cpu.quota),
            period_us: asked.cpu.period_us.or(before.cpu.period_us),
            burst_us: asked.cpu.burst_us.or(before.cpu.burst_us),
            cpus: asked.cpu.cpus.clone().or_else(|| before.cpu.cpus.clone()),
            mems: asked.cpu.mems.clone().or_else(|| before.cpu.mems.clone()),
            idle: asked.cpu.idle.or(before.cpu.idle),
        },
        // `None` would mean the server's default in a copy of the container.
        pids: asked.pids.or(before.pids),
        io: model::container::limits::Io {
            weight: asked.io.weight.or(before.io.weight),
            weight_device: list(&asked.io.weight_device, &before.io.weight_device),
            read_bps: list(&asked.io.read_bps, &before.io.read_bps),
            write_bps: list(&asked.io.write_bps, &before.io.write_bps),
            read_iops: list(&asked.io.read_iops, &before.io.read_iops),
            write_iops: list(&asked.io.write_iops, &before.io.write_iops),
        },
        unified: if asked.unified.is_empty() {
            before.unified.clone()
        } else {
            asked.unified.clone()
        },
    }
}

/// Takes the numbers the kernel rounded, of what was asked for.
fn read_back(mut wanted: Limits, asked: &Limits, held: Limits) -> Limits {
    let at = |asked: Option<Ceiling>, held: Option<Ceiling>, wanted: Option<Ceiling>| match (asked, held) {
        (Some(Ceiling::At(_)), Some(held @ Ceiling::At(_))) => Some(held),
        _ => wanted,
    };
    wanted.memory.limit = at(asked.memory.limit, held.memory.limit, wanted.memory.limit);
    wanted.memory.memory_and_swap = at(
        asked.memory.memory_and_swap,
        held.memory.memory_and_swap,
        wanted.memory.memory_and_swap,
    );
    wanted.cpu.quota = at(asked.cpu.quota, held.cpu.quota, wanted.cpu.quota);
    wanted.pids = at(asked.pids, held.pids, wanted.pids);
    if asked.cpu.period_us.is_some() && held.cpu.period_us.is_some() {
        wanted.cpu.period_us = held.cpu.period_us;
    }
    if asked.cpu.shares.is_some() && held.cpu.shares.is_some() {
        wanted.cpu.shares = held.cpu.shares;
    }
    wanted
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::container::limits::Memory;

    #[test]
    fn a_cleared_limit_is_no_limit_and_an_absent_one_stays() {
        let before = Limits {
            memory: Memory {
                limit: Some(Ceiling::At(64 << 20)),
                ..Memory::default()
            },
            pids: Some(Ceiling::At(100)),
            ..Limits::default()
        };
        let asked = Limits {
            memory: Memory {
                limit: Some(Ceiling::Unlimited),
                ..Memory::default()
            },
            ..Limits::default()
        };
        let after = overlay(&before, &asked);
        assert_eq!(after.memory.limit, None);
        assert_eq!(after.pids, Some(Ceiling::At(100)));
    }

    #[test]
    fn what_the_kernel_rounded_is_what_is_kept() {
        let asked = Limits {
            memory: Memory {
                limit: Some(Ceiling::At(64_000_001)),
                ..Memory::default()
            },
            ..Limits::default()
        };
        let mut held = asked.clone();
        held.memory.limit = Some(Ceiling::At(63_999_808));
        held.pids = Some(Ceiling::At(5));
        let kept = read_back(asked.clone(), &asked, held);
        assert_eq!(kept.memory.limit, Some(Ceiling::At(63_999_808)));
        assert_eq!(kept.pids, None);
    }
}
