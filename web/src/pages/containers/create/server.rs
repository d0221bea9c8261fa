//! What the server says of a request before it is sent: a dry run when the form has come
//! to rest.

use super::judge::Judged;
use crate::client::http;
use crate::table::Table;
use leptos::prelude::*;
use leptos::task::spawn_local;
use shared::problem::{Mistake, Mistakes};
use std::time::Duration;

/// After this long without a change the server is asked.
const PAUSE: Duration = Duration::from_millis(400);

/// The server's view of the last request it judged.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Checked {
    pub mistakes: Table<String, String>,
    pub warnings: Vec<String>,
}

/// The form's name of a field of the request.
fn form_field(field: &str) -> String {
    let name = field.strip_prefix("limits.").unwrap_or(field);
    match name {
        "nano_cpus" => "cpu",
        "memory_bytes" => "memory",
        "memory_and_swap_bytes" => "memory_and_swap",
        "memory_reservation_bytes" => "memory_reservation",
        "shm_bytes" => "shm",
        "log.keep_bytes" | "log" => "log_keep",
        "restart.max_retries" => "max_retries",
        "restart.policy" => "restart",
        "limits" => "memory",
        "security" => "cap_add",
        other => return other.split_inclusive(']').next().unwrap_or(other).to_owned(),
    }
    .to_owned()
}

/// Mistakes of the server, each at the field of the form it is about.
pub fn fields(judged: &Judged, list: Vec<Mistake>) -> Table<String, String> {
    list.into_iter()
        .map(|mistake| {
            let field = judged.field(&form_field(&mistake.field));
            (field, http::sentence(&mistake.message))
        })
        .collect()
}

/// Asks the server for a dry run when the request has come to rest.
pub fn watch(judged: Memo<Judged>, checked: RwSignal<Checked>) {
    let timer = StoredValue::new(None::<TimeoutHandle>);
    Effect::new(move || {
        let now = judged.get();
        if let Some(handle) = timer.get_value() {
            handle.clear();
        }
        if now.request.image.is_empty() {
            return;
        }
        let ask = move || {
            spawn_local(async move {
                let answer = http::send::<_, Mistakes>("POST", "/containers/check", &now.request).await;
                let Some(still) = judged.try_get_untracked() else {
                    return;
                };
                // A newer request is judged by its own answer.
                if still.request != now.request {
                    return;
                }
                let found = match answer {
                    Ok(found) => Checked {
                        mistakes: fields(&now, found.mistakes),
                        warnings: found.warnings,
                    },
                    Err(failure) => Checked {
                        mistakes: fields(&now, failure.mistakes()),
                        warnings: Vec::new(),
                    },
                };
                let _ = checked.try_set(found);
            });
        };
        timer.set_value(set_timeout_with_handle(ask, PAUSE).ok());
    });
    on_cleanup(move || {
        if let Some(handle) = timer.try_get_value().flatten() {
            handle.clear();
        }
    });
}
