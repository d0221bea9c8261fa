//! Brings an image that is not on the host yet, before a container is made from it.

use crate::client::http::{self, Failure};
use crate::client::pause::pause;
use shared::image::Pull;
use shared::problem::Problem;
use shared::task::{Task, TaskState};
use std::time::Duration;

const LOOK_AGAIN: Duration = Duration::from_millis(400);

/// Whether a request failed only because the image is not here.
pub fn is_missing(failure: &Failure) -> bool {
    matches!(failure, Failure::Refused(problem) if problem.code == "image_missing")
}

/// Pulls it and waits. The task is the server's: it goes on when the page is left.
pub async fn bring(reference: &str, begun: impl FnOnce(Task)) -> Result<(), Failure> {
    let request = Pull {
        reference: reference.to_owned(),
        ..Pull::default()
    };
    let mut task = http::send::<_, Task>("POST", "/images/pull", &request).await?;
    let path = ["/tasks/", &task.id].concat();
    begun(task.clone());
    while task.state == TaskState::Running {
        pause(LOOK_AGAIN).await;
        task = http::get(&path).await?;
    }
    match task.problem {
        None if task.state == TaskState::Done => Ok(()),
        problem => Err(Failure::Refused(Box::new(problem.unwrap_or_else(cancelled)))),
    }
}

fn cancelled() -> Problem {
    Problem {
        status: 409,
        title: String::new(),
        code: "cancelled".to_owned(),
        detail: "the pull of the image was cancelled".to_owned(),
        hint: None,
        mistakes: Vec::new(),
        request_id: None,
    }
}
