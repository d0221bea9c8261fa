//! Where in the log the view stands.
//!
//! Browsers cap the height of an element below what a million rows need, so
//! there is no tall spacer: the place is a line number and an offset in pixels,
//! and the thumb's way maps to line numbers.

/// The top edge of the view: `offset` pixels into line `line`.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Place {
    pub line: u64,
    pub offset: f64,
}

/// What surrounds a place while it moves.
pub struct Ground<'a> {
    pub first: u64,
    pub next: u64,
    /// The height of a line in pixels; 0 for one that is filtered out.
    pub height: &'a dyn Fn(u64) -> f64,
    pub view_height: f64,
}

/// More steps than this are never needed to fill a screen.
const STEPS: u32 = 20_000;

impl Ground<'_> {
    /// The place `pixels` further down (or up, when negative), kept inside the log.
    pub fn moved(&self, from: Place, pixels: f64) -> Place {
        let mut place = Place {
            line: from.line.clamp(self.first, self.next.max(self.first)),
            offset: from.offset + pixels,
        };
        let mut steps = 0;
        while place.offset < 0.0 && place.line > self.first && steps < STEPS {
            place.line -= 1;
            place.offset += (self.height)(place.line);
            steps += 1;
        }
        while place.line < self.next && steps < STEPS {
            let height = (self.height)(place.line);
            if place.offset < height {
                break;
            }
            place.offset -= height;
            place.line += 1;
            steps += 1;
        }
        if place.line <= self.first {
            place.offset = place.offset.max(0.0);
        }
        not_past(place, self.end())
    }

    /// The place that shows the last line at the bottom edge.
    pub fn end(&self) -> Place {
        let mut place = Place {
            line: self.next,
            offset: 0.0,
        };
        let mut filled = 0.0;
        let mut steps = 0;
        while place.line > self.first && filled < self.view_height && steps < STEPS {
            place.line -= 1;
            filled += (self.height)(place.line);
            steps += 1;
        }
        place.offset = (filled - self.view_height).max(0.0);
        place
    }

    pub fn is_at_end(&self, place: Place) -> bool {
        let end = self.end();
        place.line > end.line || (place.line == end.line && place.offset + 1.0 >= end.offset)
    }

    /// The line for a thumb at `share` of its way, 0 to 1.
    pub fn at_share(&self, share: f64) -> Place {
        let end = self.end();
        let way = (end.line - self.first) as f64;
        let exact = self.first as f64 + way * share.clamp(0.0, 1.0);
        if share >= 1.0 {
            return end;
        }
        Place {
            line: crate::format::number::whole(exact.floor()).min(end.line),
            offset: 0.0,
        }
    }

    /// Where on its way the thumb stands, 0 to 1.
    pub fn share_of(&self, place: Place) -> f64 {
        let end = self.end();
        let way = end.line.saturating_sub(self.first);
        if way == 0 {
            return 0.0;
        }
        (place.line.saturating_sub(self.first) as f64 / way as f64).clamp(0.0, 1.0)
    }
}

fn not_past(place: Place, end: Place) -> Place {
    if place.line > end.line || (place.line == end.line && place.offset > end.offset) {
        end
    } else {
        place
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ground(height: &dyn Fn(u64) -> f64) -> Ground<'_> {
        Ground {
            first: 0,
            next: 1_000_000,
            height,
            view_height: 600.0,
        }
    }

    #[test]
    fn a_wheel_step_moves_by_pixels() {
        let even = |_: u64| 20.0;
        let ground = ground(&even);
        let place = ground.moved(Place { line: 10, offset: 5.0 }, 50.0);
        assert_eq!((place.line, place.offset), (12, 15.0));
        let back = ground.moved(place, -50.0);
        assert_eq!((back.line, back.offset), (10, 5.0));
    }

    #[test]
    fn the_view_never_leaves_the_log() {
        let even = |_: u64| 20.0;
        let ground = ground(&even);
        assert_eq!(ground.moved(Place::default(), -500.0), Place::default());
        let last = Place {
            line: 999_999,
            offset: 0.0,
        };
        assert_eq!(ground.moved(last, 500.0), ground.end());
        assert_eq!(ground.end().line, 999_970);
    }

    #[test]
    fn dragging_to_the_middle_lands_in_the_middle() {
        let even = |_: u64| 20.0;
        let ground = ground(&even);
        let place = ground.at_share(0.5);
        assert_eq!(place.line, 499_985);
        assert!((ground.share_of(place) - 0.5).abs() < 1e-6);
    }

    #[test]
    fn lines_that_are_filtered_out_take_no_room() {
        let odd_only = |line: u64| if line % 2 == 1 { 20.0 } else { 0.0 };
        let ground = ground(&odd_only);
        let place = ground.moved(Place::default(), 40.0);
        assert_eq!(place.line, 5);
    }
}
