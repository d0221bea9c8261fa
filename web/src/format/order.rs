//! Sorting with one sort in the program, whatever is sorted.

use std::cmp::Ordering;

/// Sorts, keeping the order of equals.
pub fn sort<T>(rows: &mut Vec<T>, compare: &mut dyn FnMut(&T, &T) -> Ordering) {
    let order = positions(rows.len(), &mut |a, b| compare(&rows[a], &rows[b]));
    let mut taken: Vec<Option<T>> = rows.drain(..).map(Some).collect();
    for at in order {
        rows.extend(taken[at].take());
    }
}

fn positions(count: usize, compare: &mut dyn FnMut(usize, usize) -> Ordering) -> Vec<usize> {
    let mut order: Vec<usize> = (0..count).collect();
    order.sort_by(|a, b| compare(*a, *b));
    order
}

#[cfg(test)]
mod tests {
    use super::sort;

    #[test]
    fn equals_keep_their_order() {
        let mut rows = vec![(2, 'a'), (1, 'b'), (2, 'c'), (1, 'd')];
        sort(&mut rows, &mut |a, b| a.0.cmp(&b.0));
        assert_eq!(rows, [(1, 'b'), (1, 'd'), (2, 'a'), (2, 'c')]);
    }
}
