//! The machine behind the viewer: which lines stand where, what must be asked
//! for, what is painted. It touches the document only while painting, at most
//! once a frame.

mod copy;
mod hits;
mod paint;

pub use self::hits::Found;

use self::copy::Copied;
use self::hits::HitList;
use super::row::{Row, Times};
use super::scroll::{Ground, Place};
use super::source::{Following, Marks, News, Query, Source, Streams};
use super::window::{BLOCK, Kind, Window};
use crate::state::signal::Edit;
use crate::table::{KeySet, Table};
use leptos::prelude::*;
use std::cell::RefCell;
use std::rc::Rc;
use web_sys::HtmlElement;

pub const ROW: f64 = 20.0;
/// Rows mounted above the view, so that their height is known before they are scrolled to.
const ABOVE: u64 = 8;

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
    pub hits: RwSignal<Option<Result<Found, String>>>,
    /// Which hit is gone to, from 0.
    pub hit: RwSignal<Option<u64>>,
    pub only_hits: RwSignal<bool>,
    pub selected: RwSignal<Option<(u64, u64)>>,
    /// What became of copying the chosen lines.
    pub copying: RwSignal<Option<String>>,
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
    /// The width of the line numbers, in letters.
    gutter: usize,
    scheduled: bool,
    following: Option<Following>,
    searches: u64,
    /// Sentences shown above lines.
    marks: Marks,
    hits: HitList,
    copied: Option<Copied>,
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
                        inner.window.fill_end(page.lines, page.first, page.next);
                        inner.marks = page.marks;
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
            News::Marks(marks) => {
                self.inner.borrow_mut().marks.extend(marks);
                self.redraw();
            }
            News::Gap(count) => {
                self.inner.borrow_mut().window.gap();
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

    /// Calls `act` with what surrounds the place, in rows: line numbers, or the
    /// positions among the hits when only they are shown.
    fn with_ground<T>(&self, inner: &Inner, act: impl FnOnce(Ground<'_>) -> T) -> T {
        let is_sieved = self.is_sieved();
        let streams = self.controls.streams.get_untracked();
        let wrap = self.controls.wrap.get_untracked();
        let height = |row: u64| {
            let Some(seq) = inner.seq_of(row, is_sieved) else {
                return ROW;
            };
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
        let (first, next) = if is_sieved {
            (0, inner.hits.total)
        } else {
            (inner.window.first, inner.window.next)
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
        let mut inner = self.inner.borrow_mut();
        let (place, at_end) = self.with_ground(&inner, |ground| {
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
        let mut inner = self.inner.borrow_mut();
        let place = self.with_ground(&inner, |ground| ground.at_share(share));
        inner.place = place;
        drop(inner);
        self.controls.follow.set(false);
        self.schedule();
    }

    /// What stands at the top edge: for the bubble beside the thumb.
    pub fn top(&self) -> (u64, Option<f64>) {
        let inner = self.inner.borrow();
        let seq = inner.seq_of(inner.place.line, self.is_sieved()).unwrap_or(0);
        (seq, inner.window.line(seq).map(|line| line.at_ms))
    }

    /// Shows a line a third down the view.
    pub fn go_to(&self, seq: u64) {
        let row = if self.is_sieved() {
            self.inner.borrow().hits.rank(seq).unwrap_or(0)
        } else {
            seq
        };
        self.go_to_row(row);
    }

    fn go_to_row(&self, row: u64) {
        let mut inner = self.inner.borrow_mut();
        let above = inner.view_height / 3.0;
        let place = self.with_ground(&inner, |ground| ground.moved(Place { line: row, offset: 0.0 }, -above));
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

    fn ask(&self, (from, before): (u64, u64)) {
        let viewer = self.clone();
        let reading = (self.source.read)(from, before);
        leptos::task::spawn_local(async move {
            let answer = reading.await;
            let mut inner = viewer.inner.borrow_mut();
            match answer {
                Ok(page) => {
                    inner.window.first = page.first;
                    inner.window.next = inner.window.next.max(page.next);
                    inner.window.fill(from, page.read_to.min(before), page.lines);
                    inner.marks.extend(page.marks);
                }
                Err(_) => inner.window.failed(from),
            }
            drop(inner);
            viewer.schedule();
        });
    }
}

impl Inner {
    /// The number of the line in a row; `None` while it is not known.
    fn seq_of(&self, row: u64, is_sieved: bool) -> Option<u64> {
        if is_sieved { self.hits.seq(row) } else { Some(row) }
    }
}
