//! Removing a container and everything that was only its own.

use crate::blocking::blocking;
use crate::containers::end::End;
use crate::containers::keeper::{Flow, Keeper};
use crate::containers::new::RemoveOptions;
use crate::containers::request::AndThen;
use crate::containers::unsaved::WRITE_AGAIN;
use crate::engine::Inner;
use crate::error::{Doing, EngineError};
use crate::journal::Facts;
use model::Signal;
use model::container::{ContainerId, Loss, Verdict};
use model::event::{Action, Subject};
use shim_protocol::Event;
use std::sync::Arc;
use std::time::Duration;
use store::containers::Phase;

/// What a killed container may take to be gone.
const KILL_LIMIT: Duration = Duration::from_secs(15);

impl Keeper {
    pub(super) async fn remove(&mut self, options: RemoveOptions) -> Result<(), EngineError> {
        if let Verdict::Refuse(refusal) = self.record.state.on_remove(options.force) {
            return Err(self.refused(refusal));
        }
        self.restart = None;
        if self.record.state.init().is_some() {
            self.kill_and_wait().await?;
        }
        self.unmake(options.volumes).await
    }

    /// It was wanted only until its end.
    pub(super) async fn remove_after_end(&mut self) -> Flow {
        match self.unmake(true).await {
            Ok(()) => Flow::Removed,
            Err(error) => {
                tracing::error!(container = self.record.id.short(), %error, "cannot remove a container that ended");
                Flow::GoOn
            }
        }
    }

    async fn kill_and_wait(&mut self) -> Result<(), EngineError> {
        let mut next = self.record.clone();
        next.stopped_by_hand = true;
        let told = ("signal".to_owned(), Signal::KILL.number().to_string());
        self.save_end(next, vec![(Action::Kill, vec![told])]).await?;
        if self.signal(Signal::KILL).await.is_err() {
            self.kill_group().await?;
        }
        // A frozen v1 group does not even die.
        self.thaw().await?;
        // Whoever waits for a stop hears of the end below.
        let run = self.record.run;
        let exit = tokio::time::timeout(KILL_LIMIT, async {
            let shim = self.shim.as_mut()?;
            while let Some(event) = shim.next_event().await {
                if let Event::Exited(record) = event
                    && record.run == run
                {
                    return Some(record);
                }
            }
            None
        })
        .await;
        // Not removed twice: this removal goes on by itself.
        let auto_remove = std::mem::take(&mut self.record.spec.auto_remove);
        let end = match exit {
            Ok(Some(record)) => End::Recorded(record),
            Ok(None) | Err(_) => {
                self.kill_group().await?;
                match self.read_exit_record().await {
                    Some(record) => End::Recorded(record),
                    None => End::Lost(Loss::ShimKilled),
                }
            }
        };
        if let Some(stopping) = &mut self.stopping {
            stopping.and_then = AndThen::Rest;
        }
        self.ended(end).await;
        self.restart = None;
        self.record.spec.auto_remove = auto_remove;
        Ok(())
    }

    /// Removes what rests. What is begun is finished, at the latest by the next
    /// start of the server: the row says so first.
    pub(super) async fn unmake(&mut self, volumes: bool) -> Result<(), EngineError> {
        let mut next = self.record.clone();
        next.phase = Phase::Removing;
        self.save_end(next, Vec::new()).await?;
        let (engine, id) = (self.engine.clone(), self.record.id.clone());
        let (dirs, group) = (self.dirs(), self.group());
        blocking("remove a container's files", move || {
            group.remove().doing(|| "remove the container's cgroup".to_owned())?;
            dirs.remove()
                .doing(|| format!("remove the directory `{}`", dirs.dir.display()))
        })
        .await?;
        engine.execs.forget_all_of(&id);
        let facts = super::keeper::with_facts(&self.record, Vec::new());
        let mut forgotten = engine.forget_container(&id, facts.clone()).await;
        if matches!(&forgotten, Err(error) if error.is_disk_full()) && engine.reserve.release() {
            forgotten = engine.forget_container(&id, facts.clone()).await;
        }
        match forgotten {
            Err(error) if error.is_disk_full() => {
                tracing::warn!(
                    container = id.short(),
                    "the disk is full: a removal is recorded as soon as there is room"
                );
                engine.containers.remove(&id);
                engine.tracker.spawn(forget_later(engine.clone(), id.clone(), facts));
            }
            outcome => outcome?,
        }
        engine.addresses.release(&id);
        if volumes {
            let removed = engine.remove_anonymous_volumes(&self.record.spec).await;
            self.log_failure("remove a container's volumes", removed);
        }
        Ok(())
    }
}

impl Inner {
    /// Its files are gone already.
    async fn forget_container(self: &Arc<Self>, id: &ContainerId, facts: Facts) -> Result<(), EngineError> {
        let mut change = self.journal.change().await?;
        store::containers::remove(change.db(), id).await?;
        let image_goes = store::images::forget_removed(change.db()).await?;
        let subject = Subject::Container(id.as_str().to_owned());
        change.event(subject, Action::Destroy, facts).await?;
        change.commit(|| self.containers.remove(id)).await?;
        if image_goes {
            let engine = crate::engine::Engine { inner: self.clone() };
            self.tracker.spawn(async move { engine.collect_images().await });
        }
        Ok(())
    }
}

/// Until there is room, or the server ends: the row then stays, and its container can be
/// removed once more.
async fn forget_later(engine: Arc<Inner>, id: ContainerId, facts: Facts) {
    loop {
        tokio::select! {
            () = engine.ending.cancelled() => {}
            () = tokio::time::sleep(WRITE_AGAIN) => {}
        }
        match engine.forget_container(&id, facts.clone()).await {
            Err(error) if error.is_disk_full() && !engine.ending.is_cancelled() => {}
            Err(error) => {
                tracing::error!(container = id.short(), %error, "cannot record a removal");
                return;
            }
            Ok(()) => return,
        }
    }
}
