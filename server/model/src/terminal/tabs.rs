//! Tab stops: every eighth column, except where sequences set or clear some.

pub(super) const TAB: usize = 8;
/// More stops than these are not set or cleared.
const MAX_STOPS: usize = 64;
/// Columns that a search for the next stop visits at most.
pub(super) const MAX_SEARCH: usize = TAB * MAX_STOPS;

#[derive(Debug, Default)]
pub(super) struct TabStops {
    set: Vec<usize>,
    cleared: Vec<usize>,
    /// All stops were cleared; only `set` counts.
    none: bool,
}

impl TabStops {
    pub(super) fn set(&mut self, at: usize) {
        self.cleared.retain(|cleared| *cleared != at);
        if self.set.len() < MAX_STOPS {
            self.set.push(at);
        }
    }

    /// TBC: 0 clears the stop at `at`, 3 clears all.
    pub(super) fn clear(&mut self, what: i32, at: usize) {
        match what {
            0 => {
                self.set.retain(|set| *set != at);
                if self.cleared.len() < MAX_STOPS {
                    self.cleared.push(at);
                }
            }
            3 => {
                self.set.clear();
                self.cleared.clear();
                self.none = true;
            }
            _ => {}
        }
    }

    /// The stop after `x`, or `x` where there is none.
    pub(super) fn next(&self, x: usize) -> usize {
        // Every set or cleared stop can lie before one of the usual ones.
        let far = x + TAB * (MAX_STOPS + 2);
        (x + 1..far).find(|at| self.is_stop(*at)).unwrap_or(x)
    }

    pub(super) fn previous(&self, x: usize) -> usize {
        (0..x).rev().find(|at| self.is_stop(*at)).unwrap_or(0)
    }

    /// Columns that a search usually visits.
    pub(super) fn search_cost(&self) -> usize {
        if self.none { MAX_SEARCH } else { TAB }
    }

    fn is_stop(&self, at: usize) -> bool {
        self.set.contains(&at) || (!self.none && at.is_multiple_of(TAB) && !self.cleared.contains(&at))
    }
}
