//! A layer that is here, laid on others than those it was made on.

use crate::layer::chain_ids;
use crate::{ImageError, Layer, Store};
use model::image::Digest;
use tokio_util::sync::CancellationToken;

impl Store {
    /// The layer as it is on `parents` (lowest first), unpacked there too. Blocks.
    pub fn stack_layer(
        &self,
        layer: &Layer,
        parents: &[Layer],
        cancel: &CancellationToken,
    ) -> Result<Layer, ImageError> {
        let mut diff_ids: Vec<Digest> = parents.iter().map(|layer| layer.diff_id.clone()).collect();
        diff_ids.push(layer.diff_id.clone());
        let chain_id = chain_ids(&diff_ids).pop().unwrap_or_else(|| layer.diff_id.clone());
        let unpacked_bytes = match self.unpacked_bytes(&chain_id) {
            Some(bytes) => bytes,
            None => {
                let packed = self.blob(&layer.digest)?;
                self.unpack_layer(
                    &layer.digest,
                    packed,
                    layer.size_bytes,
                    &layer.diff_id,
                    &chain_id,
                    cancel,
                )?
            }
        };
        Ok(Layer {
            chain_id,
            unpacked_bytes,
            ..layer.clone()
        })
    }
}
