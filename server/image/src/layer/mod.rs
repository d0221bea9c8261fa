//! Layers: packed tars that become directories of an overlay, and the other way.

mod ahead;
mod compare;
mod difference;
mod extract;
mod headers;
mod heading;
mod limits;
mod note;
mod pack;
mod pack_tree;
mod packing;
mod seen;
mod sparse;
mod tree;
mod tree_changes;
mod unpack;
mod write;

pub(crate) use ahead::Hashing;
pub use compare::{ChangeKind, changes};
pub(crate) use difference::{Difference, difference};
pub use extract::extract;
pub use headers::{Bounded, Headers};
pub use heading::Heading;
pub use limits::Limits;
pub(crate) use note::is_opaque;
pub(crate) use pack::{Changes, pack};
pub(crate) use pack_tree::pack_tree;
pub(crate) use packing::Packed;
pub use packing::{Packing, Unpacked, is_tar};
pub(crate) use seen::{Look, Seen, look};
pub use tree::{write_children, write_entry, write_tree};
pub use tree_changes::{WrittenTree, changes_of_tree};
pub(crate) use unpack::{Contents, unpack};

use model::image::Digest;
use sha2::{Digest as _, Sha256};

/// The name of a layer on those below it: image-spec, config.md, "Layer ChainID".
pub(crate) fn chain_ids(diff_ids: &[Digest]) -> Vec<Digest> {
    let mut chain: Vec<Digest> = Vec::with_capacity(diff_ids.len());
    for diff_id in diff_ids {
        let next = match chain.last() {
            None => diff_id.clone(),
            Some(below) => Digest::from_sha256(Sha256::digest(format!("{below} {diff_id}")).into()),
        };
        chain.push(next);
    }
    chain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lowest_chain_id_is_its_diff_id_and_each_depends_on_all_below() {
        let id = |byte| Digest::from_sha256([byte; 32]);
        let chain = chain_ids(&[id(1), id(2), id(3)]);
        assert_eq!(chain[0], id(1));
        let other = chain_ids(&[id(9), id(2), id(3)]);
        assert_ne!(chain[2], other[2]);
    }
}
