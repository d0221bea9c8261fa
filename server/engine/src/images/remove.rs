//! Names and images that go, and the bytes that nobody needs any more.

use super::view::Removed;
use crate::clock;
use crate::engine::Engine;
use crate::error::EngineError;
use model::event::{Action, Subject};
use model::image::{Digest, Reference};

impl Engine {
    /// Gives the image a further name; one that named another image moves.
    pub async fn tag(&self, text: &str, reference: Reference) -> Result<(), EngineError> {
        if reference.digest().is_some() {
            return Err(EngineError::invalid("reference", "a new name has a tag, not a digest"));
        }
        let found = self.inner.find_image(text).await?;
        let mut change = self.inner.journal.change().await?;
        store::tags::set(change.db(), &reference, &found.id, clock::now()).await?;
        let facts = vec![("name".to_owned(), reference.short())];
        change
            .event(Subject::Image(found.id.to_string()), Action::Tag, facts)
            .await?;
        change.commit(|| {}).await
    }

    /// Takes a name away; with the last name goes the image. By id, an image of
    /// several names goes only when it is forced.
    ///
    /// # Errors
    /// [`EngineError::InUse`] while a container is made from it, forced or not: the
    /// container stands on its layers.
    pub async fn remove_image(&self, text: &str, force: bool) -> Result<Removed, EngineError> {
        let found = self.inner.find_image(text).await?;
        let tags = store::tags::list_of_image(&mut *self.inner.database().read().await?, &found.id).await?;
        let by_name = Reference::parse(text).ok().filter(|reference| tags.contains(reference));
        let (untagged, deletes) = match by_name {
            Some(name) if tags.len() > 1 => (vec![name], false),
            Some(name) => (vec![name], true),
            None if tags.len() > 1 && !force => {
                let names: Vec<String> = tags.iter().map(Reference::short).collect();
                return Err(EngineError::Conflict(format!(
                    "image {} has several names ({}); remove them one by one, or force it",
                    found.id.short(),
                    names.join(", ")
                )));
            }
            None => (tags, true),
        };
        if deletes {
            let mut db = self.inner.database().read().await?;
            let users = store::containers::list_of_image(&mut db, &found.id).await?;
            if !users.is_empty() {
                return Err(EngineError::InUse {
                    what: "image",
                    name: text.to_owned(),
                    by: self.inner.names_of(&users),
                });
            }
        }
        let removed = self.remove_rows(&found.id, untagged, deletes).await?;
        self.collect_images().await;
        Ok(removed)
    }

    async fn remove_rows(&self, id: &Digest, untagged: Vec<Reference>, deletes: bool) -> Result<Removed, EngineError> {
        let mut change = self.inner.journal.change().await?;
        for reference in &untagged {
            store::tags::remove(change.db(), reference).await?;
            let facts = vec![("name".to_owned(), reference.short())];
            change
                .event(Subject::Image(id.to_string()), Action::Untag, facts)
                .await?;
        }
        let mut removed = Removed {
            untagged,
            deleted: Vec::new(),
        };
        // Asked again in the transaction: a container may have been made meanwhile.
        if deletes && store::containers::list_of_image(change.db(), id).await?.is_empty() {
            store::images::remove(change.db(), id).await?;
            change
                .event(Subject::Image(id.to_string()), Action::Delete, Vec::new())
                .await?;
            removed.deleted.push(id.clone());
        }
        change.commit(|| {}).await?;
        Ok(removed)
    }

    /// Removes blobs and layers that no image needs. Left for the next time while
    /// somebody holds a lease.
    pub(crate) async fn collect_images(&self) {
        let Some(alone) = self.inner.leases.none_held() else {
            return;
        };
        if let Err(error) = self.collect_with(&alone).await {
            tracing::error!(%error, "cannot remove what no image needs");
        }
    }
}
