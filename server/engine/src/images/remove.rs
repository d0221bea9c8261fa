//! Removes references and images, and the blobs and layers that no image needs.

use super::lookup::FoundBy;
use super::view::Removed;
use crate::clock;
use crate::engine::Engine;
use crate::error::EngineError;
use crate::journal::{Change, Facts};
use model::container::ContainerId;
use model::event::{Action, Subject};
use model::image::{Digest, Reference};

impl Engine {
    /// Gives the image a further name; one that named another image moves.
    pub async fn tag(&self, text: &str, reference: Reference) -> Result<(), EngineError> {
        if reference.digest().is_some() {
            return Err(EngineError::invalid("reference", "a new name has a tag, not a digest"));
        }
        super::check_new_name(&reference)?;
        let found = self.inner.find_image(text).await?;
        let facts = self.inner.image_facts(&found.id, &reference.short()).await;
        let mut change = self.inner.journal.change().await?;
        store::tags::set(change.db(), &reference, &found.id, clock::now()).await?;
        change
            .event(Subject::Image(found.id.to_string()), Action::Tag, facts)
            .await?;
        change.commit(|| {}).await
    }

    /// Removes a reference, or by an id the image with all its references. The image is
    /// deleted with its last reference.
    ///
    /// # Errors
    /// [`EngineError::ImageMissing`] for a digest reference that the image does not have,
    /// [`EngineError::Conflict`] for an id while the image has references in several
    /// repositories and is not forced, or for an id while a container runs from it, forced or
    /// not, [`EngineError::InUse`] while a container uses an image that would be deleted and it
    /// is not forced. Its layers stay as long as a container needs them.
    pub async fn remove_image(&self, text: &str, force: bool) -> Result<Removed, EngineError> {
        let found = self.inner.find_image(text).await?;
        let mut db = self.inner.database().read().await?;
        let mut references = store::tags::list_of_image(&mut db, &found.id).await?;
        references.extend(store::image_digests::list_of_image(&mut db, &found.id).await?);
        drop(db);
        let target = match found.by {
            FoundBy::Id => Target::Image { force },
            FoundBy::Reference => Target::Reference(removable(&found.reference)),
            // Found because the digest is known, but not by a reference that could be removed.
            FoundBy::Content => return Err(EngineError::ImageMissing(text.to_owned())),
        };
        let Some(plan) = plan(&references, &target) else {
            let names: Vec<String> = references.iter().map(Reference::short).collect();
            return Err(EngineError::Conflict(format!(
                "unable to delete {} (must be forced) - image is referenced in multiple repositories ({}); \
                 remove the references one by one, or force it",
                found.id.short(),
                names.join(", ")
            )));
        };
        let mut plan = plan;
        let mut freed_bytes = 0;
        if plan.deletes {
            let mut db = self.inner.database().read().await?;
            let users = store::containers::list_of_image(&mut db, &found.id).await?;
            drop(db);
            let running: Vec<_> = users.iter().filter(|id| self.is_up(id)).cloned().collect();
            if !users.is_empty() && !force {
                return Err(EngineError::InUse {
                    what: "image",
                    name: text.to_owned(),
                    by: self.inner.names_of(&users),
                });
            }
            match (running.is_empty(), &target) {
                (true, _) => {}
                // The name goes, and the image stays without one.
                (false, Target::Reference(_)) => plan.deletes = false,
                (false, Target::Image { .. }) => {
                    return Err(EngineError::Conflict(format!(
                        "unable to delete {} (cannot be forced) - image is being used by running {}",
                        found.id.short(),
                        self.inner.names_of(&running).join(", ")
                    )));
                }
            }
            if users.is_empty() {
                freed_bytes = self.ledger().await?.freed([&found.id]);
            }
        }
        self.inner.make_room();
        let mut removed = self.remove_rows(&found.id, plan, force).await?;
        if !removed.deleted.is_empty() {
            removed.freed_bytes = freed_bytes;
        }
        self.collect_images().await;
        Ok(removed)
    }

    fn is_up(&self, id: &ContainerId) -> bool {
        self.inner
            .containers
            .view(id)
            .is_ok_and(|container| container.is_running())
    }

    async fn remove_rows(&self, id: &Digest, plan: Plan, force: bool) -> Result<Removed, EngineError> {
        let facts = self.inner.image_facts(id, id.as_str()).await;
        let mut change = self.inner.journal.change().await?;
        // Checked again in the transaction: a container may have been created meanwhile.
        let is_used = !store::containers::list_of_image(change.db(), id).await?.is_empty();
        let deletes = plan.deletes && (force || !is_used);
        remove_references(&mut change, id, &plan.untagged, &facts.labels).await?;
        let mut removed = Removed {
            untagged: plan.untagged,
            ..Removed::default()
        };
        if deletes {
            if is_used {
                store::images::mark_removed(change.db(), id, clock::now()).await?;
            } else {
                store::images::remove(change.db(), id).await?;
            }
            change
                .event(Subject::Image(id.to_string()), Action::Delete, facts)
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

/// What a removal was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Target {
    /// One reference: a tag without a digest, or a digest without a tag.
    Reference(Reference),
    /// The image, by its id.
    Image { force: bool },
}

/// What a removal does.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Plan {
    untagged: Vec<Reference>,
    /// The image is deleted too.
    deletes: bool,
}

/// The rules of `docker rmi`. `None`: an id does not tell which of the references is meant.
///
/// A reference is removed alone. The digests by which a repository was pulled are removed with
/// its last tag, since a pull of a tag records both. An image is deleted when no reference is left.
fn plan(references: &[Reference], target: &Target) -> Option<Plan> {
    let name = match target {
        Target::Image { force } => {
            return (*force || has_one_name(references)).then(|| Plan {
                untagged: references.to_vec(),
                deletes: true,
            });
        }
        Target::Reference(name) => name,
    };
    let (mut untagged, mut left): (Vec<_>, Vec<_>) =
        references.iter().cloned().partition(|reference| reference == name);
    let was_last_tag = name.digest().is_none()
        && !left
            .iter()
            .any(|other| other.digest().is_none() && same_repository(other, name));
    if was_last_tag {
        let (digests, others) = left.into_iter().partition(|other| same_repository(other, name));
        untagged.extend::<Vec<_>>(digests);
        left = others;
    }
    Some(Plan {
        untagged,
        deletes: left.is_empty(),
    })
}

/// Whether there is at most one tag, and all digests are of one repository, that of the tag.
fn has_one_name(references: &[Reference]) -> bool {
    let tags = references.iter().filter(|reference| reference.digest().is_none());
    let one_repository = references.windows(2).all(|pair| same_repository(&pair[0], &pair[1]));
    tags.count() <= 1 && one_repository
}

fn same_repository(a: &Reference, b: &Reference) -> bool {
    a.registry() == b.registry() && a.repository() == b.repository()
}

/// The form in which a reference is stored: beside a digest, a tag has no meaning.
fn removable(reference: &Reference) -> Reference {
    match reference.digest() {
        Some(digest) => reference.with_digest(digest.clone()),
        None => reference.clone(),
    }
}

/// Removes references of an image with an `untag` event for each.
pub(super) async fn remove_references(
    change: &mut Change<'_>,
    id: &Digest,
    references: &[Reference],
    labels: &[(String, String)],
) -> Result<(), EngineError> {
    for reference in references {
        match reference.digest() {
            Some(_) => store::image_digests::remove(change.db(), reference).await?,
            None => store::tags::remove(change.db(), reference).await?,
        };
        let facts = Facts {
            attributes: vec![("name".to_owned(), reference.short())],
            labels: labels.to_vec(),
        };
        change
            .event(Subject::Image(id.to_string()), Action::Untag, facts)
            .await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn references(texts: &[&str]) -> Vec<Reference> {
        let full = |text: &&str| text.replace("@1", &format!("@sha256:{}", "1".repeat(64)));
        texts
            .iter()
            .map(|text| removable(&Reference::parse(&full(text)).unwrap()))
            .collect()
    }

    /// What is untagged, and whether the image is deleted.
    fn by_reference(of: &[&str], name: &str) -> (Vec<Reference>, bool) {
        let target = Target::Reference(references(&[name]).remove(0));
        let plan = plan(&references(of), &target).unwrap();
        (plan.untagged, plan.deletes)
    }

    #[test]
    fn a_digest_reference_is_removed_alone() {
        let all = ["busybox:latest", "r.io/x@1"];
        assert_eq!(by_reference(&all, "r.io/x@1"), (references(&["r.io/x@1"]), false));
        let all = ["r.io/x:1", "r.io/x@1"];
        assert_eq!(by_reference(&all, "r.io/x:1@1"), (references(&["r.io/x@1"]), false));
        assert_eq!(
            by_reference(&["r.io/x@1"], "r.io/x@1"),
            (references(&["r.io/x@1"]), true)
        );
    }

    #[test]
    fn the_last_tag_of_a_repository_is_removed_with_its_digests() {
        let all = ["r.io/x:1", "r.io/x@1"];
        assert_eq!(by_reference(&all, "r.io/x:1"), (references(&all), true));
        let all = ["r.io/x:1", "r.io/x:2", "r.io/x@1"];
        assert_eq!(by_reference(&all, "r.io/x:1"), (references(&["r.io/x:1"]), false));
    }

    #[test]
    fn an_image_stays_while_another_repository_has_a_reference() {
        let all = ["busybox:latest", "r.io/x@1"];
        let tag = references(&["busybox:latest"]);
        assert_eq!(by_reference(&all, "busybox"), (tag, false));
    }

    #[test]
    fn an_id_means_the_image_only_where_it_has_one_name() {
        let by_id = |of: &[&str], force| plan(&references(of), &Target::Image { force }).is_some();
        for one in [&[][..], &["x:1"], &["x@1"], &["x:1", "x@1"]] {
            assert!(by_id(one, false), "{one:?}");
        }
        for several in [&["x:1", "x:2"][..], &["x:1", "y@1"], &["x@1", "y@1"]] {
            assert!(!by_id(several, false), "{several:?}");
            assert!(by_id(several, true), "{several:?}");
        }
    }
}
