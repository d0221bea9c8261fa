//! The number of processes and threads: the same file as on v1.

use crate::change::Step;
use model::container::limits::Ceiling;

pub(crate) use crate::v1::pids::read;

/// None at all is one: what is born into a group counts before it is there, and of one
/// that is moved in, as on v1, no child would come either.
pub(crate) fn steps(asked: Option<Ceiling>) -> Vec<Step> {
    let asked = asked.map(|ceiling| match ceiling {
        Ceiling::At(0) => Ceiling::At(1),
        other => other,
    });
    crate::v1::pids::steps(asked)
}
