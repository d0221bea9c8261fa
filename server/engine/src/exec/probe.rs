//! Commands of the engine's own, of which nothing is told.

use super::{Exec, ExecId, ExecSpec, ExecState};
use crate::engine::Engine;
use crate::error::EngineError;
use model::container::ContainerId;
use shim_protocol::stream;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt as _};

/// What became of a command, and the beginning of what it printed.
#[derive(Debug)]
pub(crate) enum Probed {
    Ended {
        code: i32,
        output: Vec<u8>,
    },
    /// It was killed.
    TookTooLong {
        output: Vec<u8>,
    },
}

impl Engine {
    /// Runs a command, without events, and collects up to `keep` bytes of what it
    /// prints. One that takes longer than `limit` is killed.
    pub(crate) async fn run_probe(
        &self,
        container: &ContainerId,
        spec: ExecSpec,
        limit: Duration,
        keep: usize,
    ) -> Result<Probed, EngineError> {
        let id = ExecId::random();
        let exec = Exec {
            id: id.clone(),
            container: container.clone(),
            spec,
            state: ExecState::Starting,
            is_probe: true,
        };
        self.inner.execs.insert(exec.clone());
        let outcome = self.follow_probe(&exec, limit, keep).await;
        self.inner.execs.forget(&id);
        outcome
    }

    async fn follow_probe(&self, exec: &Exec, limit: Duration, keep: usize) -> Result<Probed, EngineError> {
        let mut output = Vec::new();
        let Some(mut attached) = self.run_exec(exec, false, None).await? else {
            return Err(EngineError::Ending);
        };
        // The time to start it is not counted.
        let ended = tokio::time::timeout(limit, async {
            read_frames(&mut attached, keep, &mut output).await;
            self.exec_wait(&exec.id).await
        })
        .await;
        match ended {
            Ok(exec) => Ok(Probed::Ended {
                code: match exec?.state {
                    ExecState::Exited { status, .. } => status.code(),
                    ExecState::Failed { code, .. } => code,
                    ExecState::Created | ExecState::Starting | ExecState::Running { .. } => -1,
                },
                output,
            }),
            Err(_) => {
                let _ = self.exec_kill(&exec.id, model::Signal::KILL).await;
                Ok(Probed::TookTooLong { output })
            }
        }
    }
}

/// Puts the text of framed output into `kept`, cut at `keep` bytes; the rest is
/// read and dropped.
async fn read_frames(from: &mut (impl AsyncRead + Unpin), keep: usize, kept: &mut Vec<u8>) {
    let mut header = [0; stream::HEADER_BYTES];
    while from.read_exact(&mut header).await.is_ok() {
        let Some((_, length)) = stream::parse_header(header) else {
            break;
        };
        let mut piece = vec![0; length as usize];
        if from.read_exact(&mut piece).await.is_err() {
            break;
        }
        let room = keep.saturating_sub(kept.len()).min(piece.len());
        kept.extend_from_slice(&piece[..room]);
    }
}
