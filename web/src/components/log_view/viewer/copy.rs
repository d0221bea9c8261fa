//! Copying lines: all that were chosen, also those the browser does not hold.

use super::Viewer;
use crate::components::watch;
use crate::format::number;
use leptos::prelude::*;
use model::terminal;

/// No more lines are copied, nor more text.
const MAX_LINES: u64 = 100_000;
const MAX_BYTES: usize = 32 << 20;

/// What was chosen, ready for the clipboard, and what is said of it then.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Copied {
    of: (u64, u64),
    text: String,
    words: String,
}

impl Viewer {
    /// Copies the chosen lines, and says how many, or why not.
    pub fn copy_chosen(&self) {
        let Some((from, to)) = self.controls.selected.get_untracked() else {
            return;
        };
        let viewer = self.clone();
        let ready = self
            .inner
            .borrow()
            .copied
            .clone()
            .filter(|copied| copied.of == (from, to));
        leptos::task::spawn_local(async move {
            let copied = match ready {
                Some(copied) => copied,
                None => {
                    viewer.controls.copying.set(Some("Copying".to_owned()));
                    let last = to.min(from.saturating_add(MAX_LINES - 1));
                    let streams = viewer.controls.streams.get_untracked();
                    match (viewer.source.text)(from, last, streams).await {
                        Ok(text) => prepared((from, to), last, &text),
                        Err(reason) => {
                            let _ = viewer.controls.copying.try_set(Some(reason));
                            return;
                        }
                    }
                }
            };
            let words = if watch::copy_text(&copied.text).await {
                copied.words.clone()
            } else {
                // Browsers allow it only for a moment after a key or a click.
                viewer.inner.borrow_mut().copied = Some(copied);
                "The browser did not allow copying. Press Copy again.".to_owned()
            };
            let _ = viewer.controls.copying.try_set(Some(words));
        });
    }
}

fn prepared(of: (u64, u64), last: u64, written: &str) -> Copied {
    let mut text = String::with_capacity(written.len().min(MAX_BYTES));
    let mut lines = 0;
    let mut is_cut = last < of.1;
    for line in written.strip_suffix('\n').unwrap_or(written).split('\n') {
        let shown = terminal::text(line);
        if text.len() + shown.len() > MAX_BYTES {
            is_cut = true;
            break;
        }
        if lines > 0 {
            text.push('\n');
        }
        text.push_str(&shown);
        lines += 1;
    }
    let count = number::plural(lines, "line");
    let words = if is_cut {
        ["Copied the first ", &count, ". Download the log for the rest."].concat()
    } else {
        ["Copied ", &count].concat()
    };
    Copied { of, text, words }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_copied_as_they_are_shown() {
        let copied = prepared((1, 3), 3, "\u{1b}[31ma\u{1b}[0m\nb\r\n10 %\r99 %\n");
        assert_eq!(copied.text, "a\nb\n99 %");
        assert_eq!(copied.words, "Copied 3 lines");
    }

    #[test]
    fn what_is_too_much_is_said() {
        let copied = prepared((1, 200_000), 2, "a\nb\n");
        assert_eq!(copied.words, "Copied the first 2 lines. Download the log for the rest.");
        let long = ["x".repeat(MAX_BYTES - 1), "y".repeat(10)].join("\n");
        assert_eq!(prepared((1, 2), 2, &long).text.len(), MAX_BYTES - 1);
    }
}
