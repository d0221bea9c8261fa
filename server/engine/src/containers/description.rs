//! The description of a container beside its files: what `gantry rebuild` makes rows of when the
//! database is lost.

use crate::blocking::blocking;
use crate::containers::keeper::Keeper;
use crate::engine::Inner;
use crate::error::{Doing, EngineError};
use crate::layout::write_whole;
use store::containers::ContainerRecord;

impl Keeper {
    /// Nothing depends on it while the database is there, so a failure is only logged.
    pub(super) async fn describe(&self) {
        let written = write(&self.engine, &self.record).await;
        self.log_failure("describe a container beside its files", written);
    }

    /// Whether what is beside the files is of an older version of the row.
    pub(super) fn must_describe(&self, next: &ContainerRecord) -> bool {
        let before = &self.record;
        next.spec != before.spec || (next.stopped_by_hand && !before.stopped_by_hand)
    }
}

pub(crate) async fn write(engine: &Inner, record: &ContainerRecord) -> Result<(), EngineError> {
    let image = store::images::find(&mut *engine.database().read().await?, &record.spec.image.id).await?;
    let path = engine.layout.container(&record.id).description();
    let text = store::description::write(record, image.as_ref());
    blocking("describe a container", move || {
        write_whole(&path, text.as_bytes()).doing(|| format!("write `{}`", path.display()))
    })
    .await
}
