//! The machine behind the viewer: which lines stand where, what must be asked
//! for, what is painted. It touches the document only while painting, at most
//! once a frame.

mod paint;

use super::row::{Row, Times};
use super::scroll::{Ground, Place};
use super::source::{Following, Hits, News, Query, Source};
use super::window::{BLOCK, Kind, Window};
use crate::state::signal::{Edit, Peek};
use crate::table::{KeySet, Table};
use leptos::prelude::*;
use std::cell::RefCell;
use std::rc::Rc;
use web_sys::HtmlElement;

pub const ROW: f64 = 20.0;
/// Rows mounted above the view, so that their height is known before they are scrolled to.
const ABOVE: u64 = 8;

/// Which streams are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Streams {
    Both,
    Stdout,
    Stderr,
}

/// How the first read went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Phase {
    Loading,
    Ready,
    Failed(String),
}

/// What toolbar, scroll bar and viewer share.
#[derive(Clone, Copy)]
pub struct Controls {
    pub phase: RwSignal<Phase>,
    pub follow: RwSignal<bool>,
    pub wrap: RwSignal<bool>,
    pub times: RwSignal<Times>,
    pub streams: RwSignal<Streams>,
    pub query: RwSignal<Query>,
    pub searching: RwSignal<bool>,
    pub hits: RwSignal<Option<Result<Hits, String>>>,
    /// Which hit is gone to, from 0.
    pub hit: RwSignal<Option<usize>>,
    pub only_hits: RwSignal<bool>,
    pub selected: RwSignal<Option<(u64, u64)>>,
    /// Lines that came while not following.
    pub unseen: RwSignal<u64>,
    /// First line kept and the number of the next.
    pub bounds: RwSignal<(u64, u64)>,
    /// Where the thumb stands, 0 to 1, and how much of the log is in view.
    pub thumb: RwSignal<(f64, f64)>,
}

#[derive(Default)]
struct Inner {
    window: Window,
    place: Place,
    rows: Vec<Row>,
    heights: Table<u64, f64>,
    opened: KeySet<u64>,
    view_height: f64,
    look: u64,
    scheduled: bool,
    following: Option<Following>,
    searches: u64,
    /// Sentences shown above lines, by line number.
    marks: Table<u64, String>,
    /// A line to go to as soon as the log is there.
    wanted: Option<u64>,
}

/// One viewer; cloned into event handlers.
#[derive(Clone)]
pub struct Viewer {
    inner: Rc<RefCell<Inner>>,
    source: Source,
    pub controls: Controls,
    canvas: Rc<RefCell<Option<HtmlElement>>>,
}

impl Viewer {
    pub fn new(source: Source, controls: Controls, line: Option<u64>) -> Self {
        let inner = Inner {
            wanted: line,
            ..Inner::default()
        };
        Self {
            inner: Rc::new(RefCell::new(inner)),
            source,
            controls,
            canvas: Rc::new(RefCell::new(None)),
        }
    }

    pub fn source(&self) -> &Source {
        &self.source
    }

    /// The element rows are drawn into is there.
    pub fn mount(&self, canvas: HtmlElement) {
        *self.canvas.borrow_mut() = Some(canvas);
        self.resized();
    }

    pub fn resized(&self) {
        if let Some(canvas) = &*self.canvas.borrow() {
            let mut inner = self.inner.borrow_mut();
            inner.view_height = f64::from(canvas.client_height());
            inner.heights.clear();
        }
        self.schedule();
    }

    /// Everything is drawn anew: theme, wrapping or marking changed.
    pub fn redraw(&self) {
        let mut inner = self.inner.borrow_mut();
        inner.look += 1;
        inner.heights.clear();
        drop(inner);
        self.schedule();
    }

    /// Reads the end of the log and follows it from there.
    pub fn open(&self) {
        let viewer = self.clone();
        let reading = (self.source.tail)(BLOCK);
        leptos::task::spawn_local(async move {
            let answer = reading.await;
            if viewer.controls.phase.is_disposed() {
                return;
            }
            match answer {
                Ok(page) => {
                    {
                        let mut inner = viewer.inner.borrow_mut();
                        inner.window.clear();
                        inner.window.first = page.first;
                        inner.window.next = page.next;
                        inner.window.append(page.lines);
                        inner.marks.extend(page.marks);
                        inner.window.next = inner.window.next.max(page.next);
                    }
                    viewer.controls.phase.set(Phase::Ready);
                    // Taken first: going there borrows again.
                    let wanted = viewer.inner.borrow_mut().wanted.take();
                    if let Some(line) = wanted {
                        viewer.controls.selected.set(Some((line, line)));
                        viewer.go_to(line);
                    }
                    viewer.start_following();
                    viewer.schedule();
                }
                Err(reason) => viewer.controls.phase.set(Phase::Failed(reason)),
            }
        });
    }

    fn start_following(&self) {
        let from = self.inner.borrow().window.next;
        let viewer = self.clone();
        let following = (self.source.follow)(from, Rc::new(move |news| viewer.hear(news)));
        self.inner.borrow_mut().following = Some(following);
    }

    /// Ends following; called when the view goes away.
    pub fn close(&self) {
        self.inner.borrow_mut().following = None;
        *self.canvas.borrow_mut() = None;
    }

    fn hear(&self, news: News) {
        match news {
            News::Lines(lines) => {
                let count = lines.len() as u64;
                self.inner.borrow_mut().window.append(lines);
                if !self.controls.follow.get_untracked() {
                    self.controls.unseen.edit(|unseen| *unseen += count);
                }
                self.schedule();
            }
            News::Gap(count) => {
                self.inner.borrow_mut().window.reopen_newest();
                if !self.controls.follow.get_untracked() {
                    self.controls.unseen.edit(|unseen| *unseen += count);
                }
            }
            News::Reset => self.open(),
        }
    }

    pub fn schedule(&self) {
        let mut inner = self.inner.borrow_mut();
        if !inner.scheduled {
            inner.scheduled = true;
            let viewer = self.clone();
            request_animation_frame(move || viewer.paint());
        }
    }

    /// The line numbers of the hits when only they are shown.
    fn sieve(&self) -> Option<Vec<u64>> {
        if !self.controls.only_hits.get_untracked() {
            return None;
        }
        self.controls.hits.peek(|hits| {
            hits.as_ref()
                .and_then(|hits| hits.as_ref().ok())
                .map(|h| h.seqs.clone())
        })
    }

    /// Calls `act` with what surrounds the place, in rows: line numbers, or the
    /// positions among the hits when only they are shown.
    fn with_ground<T>(&self, inner: &Inner, sieve: Option<&[u64]>, act: impl FnOnce(Ground<'_>) -> T) -> T {
        let streams = self.controls.streams.get_untracked();
        let wrap = self.controls.wrap.get_untracked();
        let height = |row: u64| {
            let seq = seq_of(row, sieve);
            if inner.window.is_missing(seq) {
                return 0.0;
            }
            let hidden = matches!(
                (streams, inner.window.line(seq).map(|line| line.kind)),
                (Streams::Stdout, Some(Kind::Stderr)) | (Streams::Stderr, Some(Kind::Stdout))
            );
            if hidden {
                0.0
            } else if wrap {
                inner.heights.get(&seq).copied().unwrap_or(ROW)
            } else if inner.marks.contains_key(&seq) {
                // The sentence takes a row of its own above the line.
                ROW * 2.0
            } else {
                ROW
            }
        };
        let (first, next) = match sieve {
            Some(seqs) => (0, seqs.len() as u64),
            None => (inner.window.first, inner.window.next),
        };
        act(Ground {
            first,
            next,
            height: &height,
            view_height: inner.view_height,
        })
    }

    /// Moves by pixels, as a wheel does. Upwards ends following.
    pub fn scroll(&self, pixels: f64) {
        let sieve = self.sieve();
        let mut inner = self.inner.borrow_mut();
        let (place, at_end) = self.with_ground(&inner, sieve.as_deref(), |ground| {
            let place = ground.moved(inner.place, pixels);
            (place, ground.is_at_end(place))
        });
        inner.place = place;
        drop(inner);
        if pixels < 0.0 {
            self.controls.follow.set(false);
        } else if at_end {
            self.controls.unseen.set(0);
        }
        self.schedule();
    }

    pub fn page(&self, direction: f64) {
        let height = self.inner.borrow().view_height;
        self.scroll(direction * (height - ROW).max(ROW));
    }

    /// Moves the thumb to a share of its way.
    pub fn drag(&self, share: f64) {
        let sieve = self.sieve();
        let mut inner = self.inner.borrow_mut();
        let place = self.with_ground(&inner, sieve.as_deref(), |ground| ground.at_share(share));
        inner.place = place;
        drop(inner);
        self.controls.follow.set(false);
        self.schedule();
    }

    /// What stands at the top edge: for the bubble beside the thumb.
    pub fn top(&self) -> (u64, Option<f64>) {
        let sieve = self.sieve();
        let inner = self.inner.borrow();
        let seq = seq_of(inner.place.line, sieve.as_deref());
        (seq, inner.window.line(seq).map(|line| line.at_ms))
    }

    /// Shows a line a third down the view.
    pub fn go_to(&self, seq: u64) {
        let sieve = self.sieve();
        let mut inner = self.inner.borrow_mut();
        let row = match &sieve {
            Some(seqs) => seqs.partition_point(|at| *at < seq) as u64,
            None => seq,
        };
        let above = inner.view_height / 3.0;
        let place = self.with_ground(&inner, sieve.as_deref(), |ground| {
            ground.moved(Place { line: row, offset: 0.0 }, -above)
        });
        inner.place = place;
        drop(inner);
        self.controls.follow.set(false);
        self.schedule();
    }

    /// Shows the first line written at or after a moment.
    pub fn go_to_time(&self, moment: f64) {
        let viewer = self.clone();
        let asking = (self.source.at)(moment);
        leptos::task::spawn_local(async move {
            if let Ok(seq) = asking.await
                && !viewer.controls.phase.is_disposed()
            {
                viewer.controls.selected.set(Some((seq, seq)));
                viewer.go_to(seq);
                viewer.redraw();
            }
        });
    }

    pub fn go_to_first(&self) {
        self.drag(0.0);
    }

    pub fn go_to_end(&self) {
        self.controls.unseen.set(0);
        self.controls.follow.set(true);
        self.schedule();
    }

    /// Opens a line that was cut.
    pub fn open_line(&self, seq: u64) {
        self.inner.borrow_mut().opened.insert(seq);
        self.redraw();
    }

    /// The text of held lines, for the clipboard.
    pub fn text_of(&self, from: u64, to: u64) -> String {
        let inner = self.inner.borrow();
        let lines: Vec<String> = (from..=to)
            .filter_map(|seq| inner.window.line(seq))
            .map(|line| super::ansi::plain(&line.text))
            .collect();
        lines.join("\n")
    }

    /// Searches the whole log on the server; a newer search overtakes an older one.
    pub fn search(&self, query: Query) {
        let number = {
            let mut inner = self.inner.borrow_mut();
            inner.searches += 1;
            inner.searches
        };
        if query.text.is_empty() {
            self.controls.hits.set(None);
            self.controls.hit.set(None);
            self.controls.only_hits.set(false);
            self.controls.searching.set(false);
            self.redraw();
            return;
        }
        self.controls.searching.set(true);
        let viewer = self.clone();
        let asking = (self.source.search)(query);
        leptos::task::spawn_local(async move {
            let answer = asking.await;
            if viewer.controls.phase.is_disposed() || viewer.inner.borrow().searches != number {
                return;
            }
            viewer.controls.searching.set(false);
            let found = answer.as_ref().map(|hits| hits.seqs.clone()).ok();
            viewer.controls.hits.set(Some(answer));
            viewer.controls.follow.set(false);
            if let Some(seqs) = found {
                // The first hit at or below the top edge, else the last one above it.
                let (top, _) = viewer.top();
                let at = seqs.partition_point(|seq| *seq < top).min(seqs.len().saturating_sub(1));
                viewer.controls.hit.set((!seqs.is_empty()).then_some(at));
                if let Some(seq) = seqs.get(at) {
                    viewer.go_to(*seq);
                }
            }
            viewer.redraw();
        });
    }

    /// Goes to the next hit, or the one before.
    pub fn step_hit(&self, step: isize) {
        let seqs = self.controls.hits.peek(|hits| match hits {
            Some(Ok(hits)) => hits.seqs.clone(),
            Some(Err(_)) | None => Vec::new(),
        });
        if seqs.is_empty() {
            return;
        }
        let at = self.controls.hit.get_untracked().unwrap_or(0) as isize;
        let at = (at + step).rem_euclid(seqs.len() as isize) as usize;
        self.controls.hit.set(Some(at));
        self.go_to(seqs[at]);
        self.redraw();
    }

    fn ask(&self, block: u64) {
        let viewer = self.clone();
        let reading = (self.source.read)(block * BLOCK, BLOCK);
        leptos::task::spawn_local(async move {
            let answer = reading.await;
            let mut inner = viewer.inner.borrow_mut();
            match answer {
                Ok(page) => {
                    inner.window.first = page.first;
                    inner.window.next = inner.window.next.max(page.next);
                    inner.window.fill(block, page.lines);
                    inner.marks.extend(page.marks);
                }
                Err(_) => inner.window.failed(block),
            }
            drop(inner);
            viewer.schedule();
        });
    }
}

fn seq_of(row: u64, sieve: Option<&[u64]>) -> u64 {
    match sieve {
        Some(seqs) => usize::try_from(row)
            .ok()
            .and_then(|row| seqs.get(row))
            .copied()
            .unwrap_or(u64::MAX),
        None => row,
    }
}
