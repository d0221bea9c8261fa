//! Searching: the hit nearest to the view at once, then how many there are, and any of
//! them when it is looked at. Hits are known by their rank, in blocks, since a log of a
//! million lines can have a million.

use super::super::source::{HitRange, Hits, HitsWanted, Query};
use super::Viewer;
use crate::state::signal::Peek;
use crate::table::{KeySet, Table};
use leptos::prelude::*;

/// Hits asked for at once.
const HITS: u64 = 500;
/// Blocks of hits that are kept.
const KEPT: usize = 100;

/// How a search stands, for the toolbar.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Found {
    /// `None` while they are counted.
    pub total: Option<u64>,
    /// Not all of the log was searched: there may be more.
    pub incomplete: bool,
}

/// The numbers of the lines found, as far as they are known.
#[derive(Default)]
pub struct HitList {
    query: Query,
    pub total: u64,
    blocks: Table<u64, Vec<u64>>,
    asked: KeySet<u64>,
    /// The line that is gone to, before its rank is known too.
    pub current: Option<u64>,
    /// A rank to go to once its line is known.
    wanted: Option<u64>,
}

impl HitList {
    /// The number of the line that was found as the `rank`th, from 0.
    pub fn seq(&self, rank: u64) -> Option<u64> {
        let at = usize::try_from(rank % HITS).ok()?;
        self.blocks.get(&(rank / HITS))?.get(at).copied()
    }

    /// How many known hits are before a line: its row when only hits are shown.
    pub fn rank(&self, seq: u64) -> Option<u64> {
        self.blocks.iter().find_map(|(number, seqs)| {
            let (first, last) = (seqs.first()?, seqs.last()?);
            let at = (*first..=*last)
                .contains(&seq)
                .then(|| seqs.partition_point(|at| *at < seq))?;
            Some(number * HITS + at as u64)
        })
    }

    /// The block to ask for so that a rank is known; it is marked as asked.
    fn want(&mut self, rank: u64) -> Option<u64> {
        let number = rank / HITS;
        (rank < self.total && !self.blocks.contains_key(&number) && self.asked.insert(number)).then_some(number)
    }

    fn fill(&mut self, number: u64, seqs: Vec<u64>) {
        self.asked.remove(&number);
        if self.blocks.len() >= KEPT {
            self.blocks.clear();
        }
        self.blocks.insert(number, seqs);
    }

    /// Takes hits from a rank on, where they fill blocks.
    fn take(&mut self, hits: &Hits) {
        let skipped = (HITS - hits.rank % HITS) % HITS;
        let from = usize::try_from(skipped).unwrap_or(usize::MAX);
        let Some(seqs) = hits.seqs.get(from..) else { return };
        let chunks = seqs.chunks(usize::try_from(HITS).unwrap_or(1));
        for (number, seqs) in ((hits.rank + skipped) / HITS..).zip(chunks) {
            let end = number * HITS + seqs.len() as u64;
            if seqs.len() as u64 == HITS || end == hits.total {
                self.fill(number, seqs.to_vec());
            }
        }
    }
}

impl Viewer {
    /// Searches the whole log on the server; a newer search overtakes an older one.
    pub fn search(&self, query: Query) {
        let number = {
            let mut inner = self.inner.borrow_mut();
            inner.searches += 1;
            inner.searches
        };
        if query.text.is_empty() {
            self.inner.borrow_mut().hits = HitList::default();
            self.controls.hits.set(None);
            self.controls.hit.set(None);
            self.controls.only_hits.set(false);
            self.controls.searching.set(false);
            self.redraw();
            return;
        }
        self.controls.searching.set(true);
        // Who follows wants the newest hit, else the nearest one from the top on.
        let range = if self.controls.follow.get_untracked() {
            HitRange::Before(u64::MAX)
        } else {
            HitRange::From(self.top().0)
        };
        let viewer = self.clone();
        leptos::task::spawn_local(async move {
            let found = viewer.nearest(&query, range).await;
            if !viewer.is_current(number) {
                return;
            }
            let landing = match found {
                Ok(landing) => landing,
                Err(reason) => {
                    viewer.controls.searching.set(false);
                    viewer.controls.hits.set(Some(Err(reason)));
                    return;
                }
            };
            viewer.land(&query, landing);
            let wanted = HitsWanted {
                range: landing.map_or(HitRange::Skip(0), HitRange::From),
                max: HITS,
                count: true,
            };
            let counted = (viewer.source.search)(query, wanted).await;
            if viewer.is_current(number) {
                viewer.counted(counted);
            }
        });
    }

    fn is_current(&self, number: u64) -> bool {
        !self.controls.phase.is_disposed() && self.inner.borrow().searches == number
    }

    /// The line to land on.
    async fn nearest(&self, query: &Query, range: HitRange) -> Result<Option<u64>, String> {
        let wanted = |range| HitsWanted {
            range,
            max: 1,
            count: false,
        };
        let hits = (self.source.search)(query.clone(), wanted(range)).await?;
        match (range, hits.seqs.first()) {
            (HitRange::From(top), None) => {
                let above = (self.source.search)(query.clone(), wanted(HitRange::Before(top))).await?;
                Ok(above.seqs.last().copied())
            }
            (_, found) => Ok(found.copied()),
        }
    }

    fn land(&self, query: &Query, landing: Option<u64>) {
        self.inner.borrow_mut().hits = HitList {
            query: query.clone(),
            current: landing,
            ..HitList::default()
        };
        self.controls.hits.set(Some(Ok(Found::default())));
        self.controls.hit.set(None);
        if let Some(seq) = landing {
            self.controls.follow.set(false);
            if !self.controls.only_hits.get_untracked() {
                self.go_to(seq);
            }
        }
        self.redraw();
    }

    fn counted(&self, counted: Result<Hits, String>) {
        self.controls.searching.set(false);
        match counted {
            Err(reason) => self.controls.hits.set(Some(Err(reason))),
            Ok(hits) => {
                let found = Found {
                    total: Some(hits.total),
                    incomplete: hits.incomplete,
                };
                {
                    let mut inner = self.inner.borrow_mut();
                    inner.hits.total = hits.total;
                    inner.hits.take(&hits);
                }
                self.controls.hit.set((hits.total > 0).then_some(hits.rank));
                self.controls.hits.set(Some(Ok(found)));
                if hits.total > 0 {
                    self.want_hits([hits.rank]);
                    if self.controls.only_hits.get_untracked() {
                        self.go_to_row(hits.rank);
                    }
                }
            }
        }
        self.redraw();
    }

    /// Goes to the next hit, or the one before.
    pub fn step_hit(&self, step: i64) {
        let total = self.inner.borrow().hits.total;
        let Some(at) = self.controls.hit.get_untracked().filter(|_| total > 0) else {
            return;
        };
        let rank = (at.cast_signed() + step)
            .rem_euclid(total.cast_signed())
            .cast_unsigned();
        self.controls.hit.set(Some(rank));
        let seq = self.inner.borrow().hits.seq(rank);
        match seq {
            Some(seq) => self.go_to_hit(rank, seq),
            None => {
                self.inner.borrow_mut().hits.wanted = Some(rank);
                self.want_hits([rank]);
            }
        }
    }

    fn go_to_hit(&self, rank: u64, seq: u64) {
        self.inner.borrow_mut().hits.current = Some(seq);
        if self.controls.only_hits.get_untracked() {
            self.go_to_row(rank);
        } else {
            self.go_to(seq);
        }
        self.redraw();
    }

    /// Asks for the numbers of hits that are to be shown and not known yet.
    pub(super) fn want_hits(&self, ranks: impl IntoIterator<Item = u64>) {
        for rank in ranks {
            let (block, query, number) = {
                let mut inner = self.inner.borrow_mut();
                (inner.hits.want(rank), inner.hits.query.clone(), inner.searches)
            };
            let Some(block) = block else { continue };
            let wanted = HitsWanted {
                range: HitRange::Skip(block * HITS),
                max: HITS,
                count: false,
            };
            let asking = (self.source.search)(query, wanted);
            let viewer = self.clone();
            leptos::task::spawn_local(async move {
                let answer = asking.await;
                if !viewer.is_current(number) {
                    return;
                }
                let go = {
                    let mut inner = viewer.inner.borrow_mut();
                    match answer {
                        Ok(hits) => inner.hits.fill(block, hits.seqs),
                        // Requested again when something else redraws, so that a failing server
                        // is not asked without a pause.
                        Err(_) => {
                            inner.hits.asked.remove(&block);
                            return;
                        }
                    }
                    let go = inner.hits.wanted.and_then(|rank| Some((rank, inner.hits.seq(rank)?)));
                    if go.is_some() {
                        inner.hits.wanted = None;
                    }
                    go
                };
                match go {
                    Some((rank, seq)) => viewer.go_to_hit(rank, seq),
                    None => viewer.redraw(),
                }
            });
        }
    }

    /// Whether only lines that were found are shown.
    pub(super) fn is_sieved(&self) -> bool {
        self.controls.only_hits.get_untracked()
            && self
                .controls
                .hits
                .peek(|hits| matches!(hits, Some(Ok(Found { total: Some(_), .. }))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hits_are_known_by_rank_wherever_they_begin() {
        let mut list = HitList {
            total: 2_000,
            ..HitList::default()
        };
        assert_eq!(list.want(1_700), Some(3));
        assert_eq!(list.want(1_999), None);
        // From rank 300 on: what is left of block 0 is not enough to fill it.
        list.take(&Hits {
            seqs: (300..1_200).map(|rank| rank * 10).collect(),
            rank: 300,
            total: 2_000,
            incomplete: false,
        });
        assert_eq!(
            (list.seq(400), list.seq(500), list.seq(999), list.seq(1_000)),
            (None, Some(5_000), Some(9_990), None)
        );
        assert_eq!(list.rank(7_000), Some(700));
        // The last block need not be full.
        list.fill(3, (1_500..2_000).map(|rank| rank * 10).collect());
        assert_eq!(list.seq(1_999), Some(19_990));
    }
}
