//! A task as a stream of JSON lines, one for each thing that changed, as
//! clients draw it. The task is the server's: a client that leaves ends its
//! watching only.

use crate::docker::problem::Failure;
use crate::docker::stream::{Gone, Sender};
use axum::http::StatusCode;
use engine::{Kind, LayerProgress, LayerState, LoadedImage, Task, TaskState};
use model::image::{Digest, Reference};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::time::Duration;
use tokio::sync::watch;

/// Lines about bytes come no more often than this.
const PACE: Duration = Duration::from_millis(100);

/// Waits until something can be shown; a failure before that is told by the status.
pub(super) async fn begun(watch: &mut watch::Receiver<Task>) -> Result<(), Failure> {
    loop {
        {
            let task = watch.borrow_and_update();
            if let Some(failure) = failure(&task.state) {
                return Err(failure);
            }
            if task.state.is_over() || !task.progress.layers.is_empty() {
                return Ok(());
            }
        }
        if watch.changed().await.is_err() {
            return Ok(());
        }
    }
}

/// Waits for the end.
pub(super) async fn ended(watch: &mut watch::Receiver<Task>) -> Result<Vec<LoadedImage>, Failure> {
    let over = watch.wait_for(|task| task.state.is_over()).await;
    let state = over
        .map(|task| task.state.clone())
        .map_err(|_| Failure::new(StatusCode::INTERNAL_SERVER_ERROR, "the server is ending"))?;
    match (failure(&state), state) {
        (Some(failure), _) => Err(failure),
        (None, TaskState::Done { images }) => Ok(images),
        (None, _) => Ok(Vec::new()),
    }
}

fn failure(state: &TaskState) -> Option<Failure> {
    match state {
        TaskState::Failed { kind, reason } => {
            let status = match kind {
                // Clients know no other answer for an image that they may not see.
                Kind::NotFound | Kind::Unauthorized => StatusCode::NOT_FOUND,
                Kind::Invalid => StatusCode::BAD_REQUEST,
                _ => StatusCode::INTERNAL_SERVER_ERROR,
            };
            Some(Failure::new(status, reason.clone()))
        }
        TaskState::Cancelled => Some(Failure::new(StatusCode::INTERNAL_SERVER_ERROR, "context canceled")),
        TaskState::Running | TaskState::Done { .. } => None,
    }
}

/// All lines of a pull, from its first layer to its end.
pub(super) async fn send_pull(
    reference: &Reference,
    mut watch: watch::Receiver<Task>,
    sender: &Sender,
) -> Result<(), Gone> {
    let name = reference.short_name().split_once('/').map_or_else(
        || format!("library/{}", reference.short_name()),
        |_| reference.short_name(),
    );
    let tag = reference.manifest_name();
    sender
        .send_json(&json!({ "status": format!("Pulling from {name}"), "id": tag }))
        .await?;
    let mut shown = HashMap::new();
    loop {
        let task = watch.borrow_and_update().clone();
        for layer in &task.progress.layers {
            for line in lines(layer, &mut shown) {
                sender.send_json(&line).await?;
            }
        }
        if let Some(failure) = failure(&task.state) {
            return sender.send_json(&error_line(&failure)).await;
        }
        if let TaskState::Done { images } = &task.state {
            for line in pull_summary(reference, images) {
                sender.send_json(&line).await?;
            }
            return Ok(());
        }
        tokio::time::sleep(PACE).await;
        if !watch.has_changed().unwrap_or(true) && watch.changed().await.is_err() {
            return Ok(());
        }
    }
}

/// All lines of a push, to its end.
pub(super) async fn send_push(
    reference: &Reference,
    mut watch: watch::Receiver<Task>,
    sender: &Sender,
) -> Result<(), Gone> {
    let mut shown = HashMap::new();
    loop {
        let task = watch.borrow_and_update().clone();
        for layer in &task.progress.layers {
            for line in push_lines(layer, &mut shown) {
                sender.send_json(&line).await?;
            }
        }
        if let Some(failure) = failure(&task.state) {
            return sender.send_json(&error_line(&failure)).await;
        }
        if let TaskState::Done { images } = &task.state {
            for image in images {
                let (tag, digest, size) = (reference.manifest_name(), image.manifest.as_str(), image.manifest_bytes);
                let status = format!("{tag}: digest: {digest} size: {size}");
                sender.send_json(&json!({ "status": status })).await?;
                let aux = json!({ "Tag": tag, "Digest": digest, "Size": size });
                sender.send_json(&json!({ "progressDetail": {}, "aux": aux })).await?;
            }
            return Ok(());
        }
        tokio::time::sleep(PACE).await;
        if !watch.has_changed().unwrap_or(true) && watch.changed().await.is_err() {
            return Ok(());
        }
    }
}

fn push_lines(layer: &LayerProgress, shown: &mut HashMap<Digest, LayerState>) -> Vec<Value> {
    let last = shown.insert(layer.digest.clone(), layer.state);
    if last == Some(layer.state) {
        return Vec::new();
    }
    let id = layer.digest.short();
    let plain = |status: &str| json!({ "status": status, "progressDetail": {}, "id": id });
    let mut lines = Vec::new();
    if last.is_none() {
        lines.push(plain("Preparing"));
    }
    match layer.state {
        LayerState::Waiting => lines.push(plain("Waiting")),
        LayerState::Uploading { done, total } => lines.push(json!({
            "status": "Pushing",
            "progressDetail": { "current": done, "total": total },
            "progress": bar(done, total),
            "id": id,
        })),
        LayerState::Done => lines.push(plain("Pushed")),
        LayerState::AlreadyHere => lines.push(plain("Layer already exists")),
        LayerState::Downloading { .. } | LayerState::Verifying | LayerState::Extracting { .. } => {}
    }
    lines
}

pub(super) fn error_line(failure: &Failure) -> Value {
    json!({ "errorDetail": { "message": failure.message }, "error": failure.message })
}

fn pull_summary(reference: &Reference, images: &[LoadedImage]) -> Vec<Value> {
    let Some(image) = images.first() else { return Vec::new() };
    let words = if image.was_here {
        "Image is up to date for"
    } else {
        "Downloaded newer image for"
    };
    vec![
        json!({ "status": format!("Digest: {}", image.manifest) }),
        json!({ "status": format!("Status: {words} {}", reference.short()) }),
    ]
}

/// What there is to say about a layer since it was last spoken of.
fn lines(layer: &LayerProgress, shown: &mut HashMap<Digest, LayerState>) -> Vec<Value> {
    let last = shown.insert(layer.digest.clone(), layer.state);
    if last == Some(layer.state) {
        return Vec::new();
    }
    let id = layer.digest.short();
    let plain = |status: &str| json!({ "status": status, "progressDetail": {}, "id": id });
    let amount = |status: &str, done: u64, total: u64| {
        json!({
            "status": status,
            "progressDetail": { "current": done, "total": total },
            "progress": bar(done, total),
            "id": id,
        })
    };
    let mut lines = Vec::new();
    if last.is_none() && layer.state != LayerState::AlreadyHere {
        lines.push(plain("Pulling fs layer"));
    }
    let was_downloading = matches!(last, Some(LayerState::Downloading { .. } | LayerState::Verifying));
    match layer.state {
        LayerState::Waiting => lines.push(plain("Waiting")),
        LayerState::Downloading { done, total } => lines.push(amount("Downloading", done, total)),
        LayerState::Uploading { .. } => {}
        LayerState::Verifying => lines.push(plain("Verifying Checksum")),
        LayerState::Extracting { done, total } => {
            if was_downloading {
                lines.push(plain("Download complete"));
            }
            lines.push(amount("Extracting", done, total));
        }
        LayerState::Done => lines.push(plain("Pull complete")),
        LayerState::AlreadyHere => lines.push(plain("Already exists")),
    }
    lines
}

/// `[=====>     ]  1.2MB/3.4MB`
fn bar(done: u64, total: u64) -> String {
    const WIDTH: u64 = 50;
    let filled = (done * WIDTH).checked_div(total).unwrap_or(0).min(WIDTH);
    let text = |bytes: u64| {
        let mut value = bytes as f64;
        let mut unit = 0;
        let units = ["B", "kB", "MB", "GB", "TB"];
        while value >= 1000.0 && unit + 1 < units.len() {
            value /= 1000.0;
            unit += 1;
        }
        format!("{value:.4}").get(..5).map_or_else(String::new, |digits| {
            format!("{}{}", digits.trim_end_matches('.'), units[unit])
        })
    };
    let line: String = (0..WIDTH)
        .map(|place| match place.cmp(&filled) {
            std::cmp::Ordering::Less => '=',
            std::cmp::Ordering::Equal => '>',
            std::cmp::Ordering::Greater => ' ',
        })
        .collect();
    format!("[{line}]  {}/{}", text(done), text(total))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_layer_is_spoken_of_when_it_changes() {
        let digest = Digest::from_sha256([1; 32]);
        let mut shown = HashMap::new();
        let mut speak = |state| {
            let layer = LayerProgress {
                digest: digest.clone(),
                state,
                bytes_per_s: 0,
            };
            let lines = lines(&layer, &mut shown);
            lines
                .iter()
                .map(|line| line["status"].as_str().unwrap_or_default().to_owned())
                .collect::<Vec<_>>()
        };
        let downloading = LayerState::Downloading { done: 1, total: 2 };
        assert_eq!(speak(LayerState::Waiting), ["Pulling fs layer", "Waiting"]);
        assert_eq!(speak(downloading), ["Downloading"]);
        assert!(speak(downloading).is_empty());
        assert_eq!(
            speak(LayerState::Extracting { done: 1, total: 2 }),
            ["Download complete", "Extracting"]
        );
        assert_eq!(speak(LayerState::Done), ["Pull complete"]);
    }

    #[test]
    fn a_bar_is_half_full_at_half() {
        assert_eq!(
            bar(500, 1000),
            "[=========================>                        ]  500.0B/1.000kB"
        );
    }
}
