//! The machine behind the viewer: which lines stand where, what must be asked
//! for, what is painted. It touches the document only while painting, at most
//! once a frame.

use super::row::{Look, Row, Times};
use super::scroll::{Ground, Place};
use super::source::{Following, Hits, News, Query, Source};
use super::window::{BLOCK, Kind, Window};
use crate::state::signal::{Edit, Peek};
use crate::table::{KeySet, Table};
use js_sys::{Function, Reflect, RegExp};
use leptos::prelude::*;
use std::cell::RefCell;
use std::rc::Rc;
use wasm_bindgen::JsCast;
use web_sys::{Element, HtmlElement};

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
                    if let Some(line) = viewer.inner.borrow_mut().wanted.take() {
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

    fn look(&self) -> Look {
        let hit = self.controls.query.peek(expression);
        let current_hit = self
            .controls
            .hits
            .peek(|hits| match (hits, self.controls.hit.get_untracked()) {
                (Some(Ok(hits)), Some(at)) => hits.seqs.get(at).copied(),
                _ => None,
            });
        let theme = document()
            .document_element()
            .and_then(|root| root.get_attribute("data-theme"));
        Look {
            times: self.controls.times.get_untracked(),
            dark: theme.as_deref() == Some("dark"),
            hit,
            current_hit,
            selected: self.controls.selected.get_untracked(),
        }
    }

    fn paint(&self) {
        self.inner.borrow_mut().scheduled = false;
        if self.controls.phase.is_disposed() {
            return;
        }
        let Some(canvas) = self.canvas.borrow().clone() else {
            return;
        };
        let sieve = self.sieve();
        let sieve = sieve.as_deref();
        let mut inner = self.inner.borrow_mut();
        let follow = self.controls.follow.get_untracked();
        let (place, rows) = self.with_ground(&inner, sieve, |ground| {
            let place = if follow {
                ground.end()
            } else {
                ground.moved(inner.place, 0.0)
            };
            (place, in_view(&ground, place))
        });
        inner.place = place;
        let seqs: Vec<u64> = rows.iter().map(|row| seq_of(*row, sieve)).collect();
        self.write(&mut inner, &canvas, &seqs);

        if self.controls.wrap.get_untracked() {
            let Inner { rows, heights, .. } = &mut *inner;
            for row in rows.iter() {
                if let Some((seq, _)) = row.shown {
                    heights.insert(seq, row.height());
                }
            }
            if follow {
                let end = self.with_ground(&inner, sieve, |ground| ground.end());
                inner.place = end;
            }
        }
        self.put(&mut inner, sieve);

        let wanted: KeySet<u64> = seqs.iter().map(|seq| seq / BLOCK).collect();
        let mut asks = Vec::new();
        for block in wanted {
            asks.extend(inner.window.want(block * BLOCK, block * BLOCK + 1));
        }
        let bounds = (inner.window.first, inner.window.next);
        let thumb = self.with_ground(&inner, sieve, |ground| {
            let all = (ground.next - ground.first).max(1) as f64 * ROW;
            (ground.share_of(inner.place), (ground.view_height / all).min(1.0))
        });
        drop(inner);
        for block in asks {
            self.ask(block);
        }
        if self.controls.bounds.get_untracked() != bounds {
            self.controls.bounds.set(bounds);
        }
        if self.controls.thumb.get_untracked() != thumb {
            self.controls.thumb.set(thumb);
        }
    }

    /// Gives every line in view a row, writing only rows that come to show another.
    fn write(&self, inner: &mut Inner, canvas: &HtmlElement, seqs: &[u64]) {
        let document = document();
        let look = self.look();
        let Inner {
            window,
            rows,
            opened,
            marks,
            look: version,
            ..
        } = inner;
        let parent: &Element = canvas.as_ref();
        let needed: KeySet<u64> = seqs.iter().copied().collect();
        let mut held: KeySet<u64> = KeySet::new();
        let mut free: Vec<usize> = Vec::new();
        for (at, row) in rows.iter().enumerate() {
            match row.shown {
                Some((seq, _)) if needed.contains(&seq) && held.insert(seq) => {}
                _ => free.push(at),
            }
        }
        for seq in &needed {
            if held.contains(seq) {
                continue;
            }
            let at = free.pop().or_else(|| {
                rows.push(Row::new(&document, parent)?);
                Some(rows.len() - 1)
            });
            if let Some(at) = at {
                rows[at].shown = Some((*seq, u64::MAX));
            }
        }
        for at in free {
            rows[at].hide();
        }
        for row in rows.iter_mut() {
            let Some((seq, drawn)) = row.shown else { continue };
            let line = window.line(seq);
            // A row drawn as a grey bar is drawn again when its line has come.
            let now = *version * 2 + u64::from(line.is_some());
            if drawn != now {
                let mark = marks.get(&seq).map(String::as_str);
                row.write(&document, seq, line, &look, mark, opened.contains(&seq));
                row.shown = Some((seq, now));
            }
        }
    }

    /// Moves the rows to where they belong.
    fn put(&self, inner: &mut Inner, sieve: Option<&[u64]>) {
        let tops = self.with_ground(inner, sieve, |ground| {
            let mut tops = Table::new();
            let mut y = -inner.place.offset;
            let mut row = inner.place.line;
            while row < ground.next && y < ground.view_height + ROW {
                tops.insert(seq_of(row, sieve), y);
                y += (ground.height)(row);
                row += 1;
            }
            let (mut y, mut row, mut above) = (-inner.place.offset, inner.place.line, 0);
            while row > ground.first && above < ABOVE {
                row -= 1;
                let height = (ground.height)(row);
                y -= height;
                above += u64::from(height > 0.0);
                tops.insert(seq_of(row, sieve), y);
            }
            tops
        });
        for row in &inner.rows {
            if let Some((seq, _)) = row.shown {
                row.place(tops.get(&seq).copied().unwrap_or(-10_000.0));
            }
        }
    }
}

/// The rows to mount: those in view and a few above.
fn in_view(ground: &Ground<'_>, place: Place) -> Vec<u64> {
    let mut rows = Vec::new();
    let (mut row, mut above) = (place.line, 0);
    while row > ground.first && above < ABOVE && place.line - row < 2_000 {
        row -= 1;
        if (ground.height)(row) > 0.0 {
            rows.push(row);
            above += 1;
        }
    }
    let mut y = -place.offset;
    let mut row = place.line;
    while row < ground.next && y < ground.view_height && row - place.line < 20_000 {
        let height = (ground.height)(row);
        if height > 0.0 {
            rows.push(row);
            y += height;
        }
        row += 1;
    }
    rows
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

/// The browser's expression for what is searched; `None` for nothing or a mistake.
fn expression(query: &Query) -> Option<RegExp> {
    if query.text.is_empty() {
        return None;
    }
    let pattern = if query.regex {
        query.text.clone()
    } else {
        let mut escaped = String::with_capacity(query.text.len() * 2);
        for c in query.text.chars() {
            if ".*+?^${}()|[]\\/".contains(c) {
                escaped.push('\\');
            }
            escaped.push(c);
        }
        escaped
    };
    let flags = if query.case_sensitive { "g" } else { "gi" };
    // Built by reflection, since a mistake in a pattern throws.
    let constructor: Function = Reflect::get(&js_sys::global(), &"RegExp".into())
        .ok()?
        .dyn_into()
        .ok()?;
    Reflect::construct(&constructor, &js_sys::Array::of2(&pattern.into(), &flags.into()))
        .ok()?
        .dyn_into()
        .ok()
}
