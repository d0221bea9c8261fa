//! What may be asked of builds.

use super::board::{Board, Build, BuildState, StepState};
use super::failure::Failure;
use super::log::{BuildLog, LogWriter};
use super::mounts::CacheLocks;
use super::request::NewBuild;
use super::solve::{Solve, tell_end};
use crate::blocking::blocking;
use crate::clock;
use crate::engine::Engine;
use crate::error::{Doing as _, EngineError};
use crate::images::check_new_name;
use crate::layout::remove_dir;
use crate::tasks::{LoadedImage, TaskId, TaskKind};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::io::AsyncRead;
use tokio::sync::{RwLock, watch};

/// Builds that are over and can still be looked at.
const KEPT: u32 = 200;

/// Builds under way.
#[derive(Debug, Default)]
pub(crate) struct Builds {
    boards: Mutex<HashMap<TaskId, Board>>,
    pub(super) cache_locks: CacheLocks,
    /// Held for reading while a command may use a cache.
    pub(super) runs: Arc<RwLock<()>>,
}

impl Builds {
    fn board(&self, id: &TaskId) -> Option<Board> {
        self.lock().get(id).cloned()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<TaskId, Board>> {
        self.boards.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Engine {
    /// Builds in the background. The context is a tar, packed or not, and is read to its
    /// end; without one it is empty. The build has the id of its task.
    pub async fn build<R>(&self, request: NewBuild, context: Option<R>) -> Result<TaskId, EngineError>
    where
        R: AsyncRead + Send + Unpin + 'static,
    {
        for tag in &request.tags {
            check_new_name(tag)?;
        }
        let inner = self.inner.clone();
        let subject = match request.tags.first() {
            Some(tag) => tag.short(),
            None => request.file.name().to_owned(),
        };
        let (id, running) =
            inner
                .tasks
                .join_or_begin(TaskKind::Build, subject, request.owner.clone(), &inner.ending, false);
        let Some(running) = running else {
            return Ok(id);
        };
        let board = match self.begin(&id, &request).await {
            Ok(board) => board,
            Err(error) => {
                let reason = error.to_string();
                running.end(Err(error));
                return Err(EngineError::Conflict(reason));
            }
        };
        let engine = self.clone();
        let task = id.clone();
        inner.tracker.spawn(async move {
            let work = engine.inner.layout.build_work().join(task.as_str());
            let solve = Solve {
                engine: engine.clone(),
                request,
                board: board.clone(),
                cancel: running.cancel.clone(),
                work: work.clone(),
            };
            let outcome = solve.run(context).await;
            tell_end(&board, &outcome);
            let removed = blocking("remove the work of a build", move || {
                remove_dir(&work).doing(|| format!("remove the directory `{}`", work.display()))
            });
            if let Err(error) = removed.await {
                tracing::error!(%error, "cannot remove the work of a build");
            }
            if let Err(error) = engine.record_build_end(&board, &outcome).await {
                tracing::error!(%error, "cannot record the end of a build");
            }
            engine.inner.builds.lock().remove(&task);
            running.end(outcome.map(|image| vec![image]).map_err(Failure::into_error));
            engine.collect_images().await;
        });
        Ok(id)
    }

    /// The row first: a build that a crash cuts off is known.
    async fn begin(&self, id: &TaskId, request: &NewBuild) -> Result<Board, EngineError> {
        let build = Build {
            id: id.clone(),
            owner: request.owner.clone(),
            file: request.file.name().to_owned(),
            dockerfile: String::new(),
            size_bytes: None,
            tags: request.tags.clone(),
            target: request.target.clone(),
            state: BuildState::Running,
            started: clock::now(),
            ended: None,
            steps: Vec::new(),
            image: None,
            warnings: Vec::new(),
            error: None,
            log_lines: 0,
        };
        let mut change = self.inner.journal.change().await?;
        store::builds::put(change.db(), &build.to_row()).await?;
        let forgotten = store::builds::trim(change.db(), KEPT).await?;
        change.commit(|| {}).await?;
        let path = self.inner.layout.build_log(id.as_str());
        let old: Vec<_> = forgotten.iter().map(|id| self.inner.layout.build_log(id)).collect();
        let writer = blocking("make the log of a build", move || {
            for path in old {
                let _ = std::fs::remove_file(path);
            }
            LogWriter::create(&path).doing(|| format!("make `{}`", path.display()))
        })
        .await?;
        let board = Board::new(build, Some(writer), &request.secrets);
        self.inner.builds.lock().insert(id.clone(), board.clone());
        Ok(board)
    }

    async fn record_build_end(&self, board: &Board, outcome: &Result<LoadedImage, Failure>) -> Result<(), EngineError> {
        board.change(|build| {
            build.ended = Some(clock::now());
            for step in build.steps.iter_mut().filter(|step| step.state == StepState::Running) {
                step.state = StepState::Cancelled;
                step.ended = build.ended;
            }
            match outcome {
                Ok(image) => {
                    build.state = BuildState::Done;
                    build.image = Some(image.id.clone());
                }
                Err(Failure::Cancelled) => build.state = BuildState::Cancelled,
                Err(failure) => {
                    build.state = BuildState::Failed;
                    build.error = Some(failure.message());
                }
            }
        });
        let mut change = self.inner.journal.change().await?;
        store::builds::put(change.db(), &board.now().to_row()).await?;
        change.commit(|| {}).await
    }

    /// Those under way and those that are over, the newest first, at most `limit`.
    pub async fn builds(&self, limit: u32) -> Result<Vec<Build>, EngineError> {
        let rows = store::builds::list(&mut *self.inner.database().read().await?, limit).await?;
        let live = self.inner.builds.lock().clone();
        let builds = rows.into_iter().map(|row| match live.get(&TaskId(row.id.clone())) {
            Some(board) => board.now(),
            None => Build::from_row(row),
        });
        Ok(builds.collect())
    }

    pub async fn find_build(&self, id: &TaskId) -> Result<Build, EngineError> {
        if let Some(board) = self.inner.builds.board(id) {
            return Ok(board.now());
        }
        let row = store::builds::find(&mut *self.inner.database().read().await?, id.as_str()).await?;
        row.map(Build::from_row).ok_or_else(|| no_build(id))
    }

    /// Shows the present at once and every change from then on, several as one; of a
    /// build that is over, its end.
    pub async fn watch_build(&self, id: &TaskId) -> Result<watch::Receiver<Build>, EngineError> {
        if let Some(board) = self.inner.builds.board(id) {
            return Ok(board.watch());
        }
        Ok(watch::channel(self.find_build(id).await?).1)
    }

    /// The lines from number `from` on, counted from 1.
    pub async fn build_log(&self, id: &TaskId, from: u64) -> Result<BuildLog, EngineError> {
        self.find_build(id).await?;
        let path = self.inner.layout.build_log(id.as_str());
        blocking("read the log of a build", move || {
            BuildLog::open(&path, from).doing(|| format!("read `{}`", path.display()))
        })
        .await
    }

    /// Forgets a build that is over, with its log; its image stays.
    pub async fn remove_build(&self, id: &TaskId) -> Result<(), EngineError> {
        if self.inner.builds.board(id).is_some() {
            return Err(EngineError::Conflict(format!(
                "build {id} is under way; cancel it first"
            )));
        }
        let mut change = self.inner.journal.change().await?;
        let removed = store::builds::remove(change.db(), id.as_str()).await?;
        change.commit(|| {}).await?;
        if !removed {
            return Err(no_build(id));
        }
        let _ = std::fs::remove_file(self.inner.layout.build_log(id.as_str()));
        Ok(())
    }
}

fn no_build(id: &TaskId) -> EngineError {
    EngineError::NotFound {
        what: "build",
        name: id.to_string(),
    }
}
