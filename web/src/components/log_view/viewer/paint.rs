//! Painting: which rows are mounted, what they show, where they stand. At most
//! once a frame, and the only place that writes to the document.

use super::super::row::{Look, Row};
use super::super::scroll::{Ground, Place};
use super::super::source::Query;
use super::super::window::BLOCK;
use super::{ABOVE, Inner, ROW, Viewer, seq_of};
use crate::state::signal::Peek;
use crate::table::{KeySet, Table};
use js_sys::{Function, Reflect, RegExp};
use leptos::prelude::*;
use wasm_bindgen::JsCast;
use web_sys::{Element, HtmlElement};

impl Viewer {
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

    pub(super) fn paint(&self) {
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
            asks.extend(inner.window.want(block * BLOCK, (block + 1) * BLOCK));
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
