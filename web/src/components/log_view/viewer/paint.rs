//! Painting: which rows are mounted, what they show, where they stand. At most
//! once a frame, and the only place that writes to the document.

use super::super::row::{Content, Look, Row};
use super::super::scroll::{Ground, Place};
use super::super::source::Query;
use super::{ABOVE, Inner, ROW, Viewer};
use crate::format::number;
use crate::state::signal::Peek;
use crate::table::Table;
use js_sys::{Function, Reflect, RegExp};
use leptos::prelude::*;
use wasm_bindgen::JsCast;
use web_sys::{Document, Element, HtmlElement};

impl Viewer {
    fn look(&self, inner: &Inner) -> Look {
        let hit = self.controls.query.peek(expression);
        let theme = document()
            .document_element()
            .and_then(|root| root.get_attribute("data-theme"));
        Look {
            times: self.controls.times.get_untracked(),
            dark: theme.as_deref() == Some("dark"),
            hit,
            current_hit: inner.hits.current,
            selected: self.controls.selected.get_untracked(),
        }
    }

    pub(super) fn paint(&self) {
        self.inner.borrow_mut().scheduled = false;
        if self.controls.phase.is_disposed() {
            return;
        }
        let Some(canvas) = self.canvas.borrow().clone() else {
            return;
        };
        let is_sieved = self.is_sieved();
        let mut inner = self.inner.borrow_mut();
        let follow = self.controls.follow.get_untracked();
        let (place, rows) = self.with_ground(&inner, |ground| {
            let place = if follow {
                ground.end()
            } else {
                ground.moved(inner.place, 0.0)
            };
            (place, in_view(&ground, place))
        });
        inner.place = place;
        self.write(&mut inner, &canvas, &rows, is_sieved);

        if self.controls.wrap.get_untracked() {
            let Inner {
                rows, heights, hits, ..
            } = &mut *inner;
            for row in rows.iter() {
                let seq = row
                    .shown
                    .and_then(|(at, _)| if is_sieved { hits.seq(at) } else { Some(at) });
                if let Some(seq) = seq {
                    heights.insert(seq, row.height());
                }
            }
            if follow {
                let end = self.with_ground(&inner, |ground| ground.end());
                inner.place = end;
            }
        }
        self.put(&mut inner);

        let mut asks = Vec::new();
        let mut unknown = Vec::new();
        if is_sieved {
            for row in &rows {
                match inner.seq_of(*row, true) {
                    Some(seq) => asks.extend(inner.window.want(seq, seq + 1)),
                    None => unknown.push(*row),
                }
            }
        } else if let (Some(first), Some(last)) = (rows.first(), rows.last()) {
            asks = inner.window.want(*first, *last + 1);
        }
        let bounds = (inner.window.first, inner.window.next);
        let thumb = self.with_ground(&inner, |ground| {
            let all = (ground.next - ground.first).max(1) as f64 * ROW;
            (ground.share_of(inner.place), (ground.view_height / all).min(1.0))
        });
        widen_gutter(&canvas, &mut inner.gutter, bounds.1);
        drop(inner);
        for range in asks {
            self.ask(range);
        }
        self.want_hits(unknown);
        if self.controls.bounds.get_untracked() != bounds {
            self.controls.bounds.set(bounds);
        }
        if self.controls.thumb.get_untracked() != thumb {
            self.controls.thumb.set(thumb);
        }
    }

    /// Gives every row in view an element, writing only those that come to show another.
    /// The elements stay in the order of the rows in the document too.
    fn write(&self, inner: &mut Inner, canvas: &HtmlElement, needed: &[u64], is_sieved: bool) {
        let document = document();
        let look = self.look(inner);
        let parent: &Element = canvas.as_ref();
        arrange(&mut inner.rows, needed, parent, &document);
        let mut rows = std::mem::take(&mut inner.rows);
        for row in &mut rows {
            let Some((at, drawn)) = row.shown else { continue };
            let seq = inner.seq_of(at, is_sieved);
            let line = seq.and_then(|seq| inner.window.line(seq));
            // A row drawn as a grey bar is drawn again when its line has come.
            let now = inner.look * 2 + u64::from(line.is_some());
            if drawn != now {
                let content = Content {
                    seq,
                    line,
                    mark: seq.and_then(|seq| inner.marks.get(&seq)),
                    opened: seq.is_some_and(|seq| inner.opened.contains(&seq)),
                };
                row.write(&document, &content, &look);
                row.shown = Some((at, now));
            }
        }
        inner.rows = rows;
    }

    /// Moves the rows to where they belong.
    fn put(&self, inner: &mut Inner) {
        let tops = self.with_ground(inner, |ground| {
            let (mut y, mut row, mut above) = (-inner.place.offset, inner.place.line, 0);
            let mut tops = Vec::new();
            while row > ground.first && above < ABOVE {
                row -= 1;
                let height = (ground.height)(row);
                y -= height;
                above += u64::from(height > 0.0);
                tops.push((row, y));
            }
            tops.reverse();
            let mut tops: Table<u64, f64> = tops.into_iter().collect();
            let (mut y, mut row) = (-inner.place.offset, inner.place.line);
            while row < ground.next && y < ground.view_height + ROW {
                tops.insert(row, y);
                y += (ground.height)(row);
                row += 1;
            }
            tops
        });
        for row in &mut inner.rows {
            if let Some((at, _)) = row.shown {
                row.place(tops.get(&at).copied().unwrap_or(-10_000.0));
            }
        }
    }
}

/// Gives each needed row an element, in order. Elements whose row is needed still keep it
/// and are not moved, so that a selection in them survives; the others are reused.
fn arrange(rows: &mut Vec<Row>, needed: &[u64], parent: &Element, document: &Document) {
    let is_needed = |row: &Row| row.shown.is_some_and(|(at, _)| needed.binary_search(&at).is_ok());
    if !rows.iter().any(is_needed) {
        // Nothing stays: the elements are in some order, and that is as good as any.
        while rows.len() < needed.len() {
            let Some(row) = Row::new(document, parent) else { return };
            rows.push(row);
        }
        let (used, free) = rows.split_at_mut(needed.len());
        for (row, at) in used.iter_mut().zip(needed) {
            row.shown = Some((*at, u64::MAX));
        }
        free.iter_mut().for_each(Row::hide);
        return;
    }
    let (kept, mut free): (Vec<Row>, Vec<Row>) = std::mem::take(rows).into_iter().partition(is_needed);
    let mut kept = kept.into_iter().rev().peekable();
    // From the end, so that what an element is moved before is in its place.
    let mut placed: Vec<Row> = Vec::with_capacity(needed.len());
    for at in needed.iter().rev() {
        if let Some(row) = kept.next_if(|row| row.shown.is_some_and(|(shown, _)| shown == *at)) {
            placed.push(row);
            continue;
        }
        let Some(mut row) = free.pop().or_else(|| Row::new(document, parent)) else {
            continue;
        };
        row.move_before(parent, placed.last());
        row.shown = Some((*at, u64::MAX));
        placed.push(row);
    }
    placed.reverse();
    // Those left over stay behind all others.
    for row in free.iter_mut().filter(|row| row.shown.is_some()) {
        row.hide();
        row.move_before(parent, None);
    }
    *rows = placed;
    rows.append(&mut free);
}

/// Gives line numbers the room that the longest of them takes.
fn widen_gutter(canvas: &HtmlElement, gutter: &mut usize, next: u64) {
    let letters = number::count(next).chars().count();
    if *gutter != letters {
        *gutter = letters;
        let _ = canvas
            .style()
            .set_property("--gutter", &[&letters.to_string(), "ch"].concat());
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
    rows.reverse();
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
