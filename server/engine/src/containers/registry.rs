//! All containers: how each keeper is asked, and what each container looks like now.

use crate::containers::request::Request;
use crate::containers::view::{Container, ContainerList, Snapshot};
use crate::error::EngineError;
use model::container::{ContainerId, ContainerName};
use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};
use tokio::sync::{mpsc, watch};

/// What others have of a keeper.
#[derive(Debug, Clone)]
pub(crate) struct Handle {
    pub(crate) requests: mpsc::Sender<Request>,
    pub(crate) view: watch::Receiver<Arc<Container>>,
}

/// Locked for the length of a look-up, never across an await.
#[derive(Debug, Default)]
pub(crate) struct Registry {
    handles: RwLock<HashMap<ContainerId, Handle>>,
}

impl Registry {
    pub(crate) fn insert(&self, id: ContainerId, handle: Handle) {
        self.handles
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(id, handle);
    }

    pub(crate) fn remove(&self, id: &ContainerId) {
        self.handles.write().unwrap_or_else(PoisonError::into_inner).remove(id);
    }

    pub(crate) fn get(&self, id: &ContainerId) -> Result<Handle, EngineError> {
        let handles = self.handles.read().unwrap_or_else(PoisonError::into_inner);
        handles
            .get(id)
            .cloned()
            .ok_or_else(|| EngineError::no_container(id.short()))
    }

    /// The container as it is now.
    pub(crate) fn view(&self, id: &ContainerId) -> Result<Arc<Container>, EngineError> {
        self.get(id).map(|handle| handle.view.borrow().clone())
    }

    pub(crate) fn views(&self) -> Vec<Arc<Container>> {
        let handles = self.handles.read().unwrap_or_else(PoisonError::into_inner);
        handles.values().map(|handle| handle.view.borrow().clone()).collect()
    }

    /// All containers, newest first, and the number of an event they all contain.
    pub(crate) fn list(&self, last_seq: impl FnOnce() -> u64) -> ContainerList {
        // Read first: a change that comes between is contained already, and telling
        // it again harms nobody.
        let seq = last_seq();
        let mut items = self.views();
        items.sort_by(|a, b| b.created.cmp(&a.created).then_with(|| a.id.cmp(&b.id)));
        Snapshot { items, seq }
    }

    /// By full id, exact name, or the beginning of one id alone.
    pub(crate) fn find(&self, text: &str) -> Result<ContainerId, EngineError> {
        let handles = self.handles.read().unwrap_or_else(PoisonError::into_inner);
        if let Ok(id) = ContainerId::parse(text)
            && handles.contains_key(&id)
        {
            return Ok(id);
        }
        if let Ok(name) = ContainerName::parse(text)
            && let Some((id, _)) = handles
                .iter()
                .find(|(_, handle)| handle.view.borrow().spec.name == name)
        {
            return Ok(id.clone());
        }
        let hex = !text.is_empty() && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        let mut found: Vec<&ContainerId> = if hex {
            handles.keys().filter(|id| id.as_str().starts_with(text)).collect()
        } else {
            Vec::new()
        };
        match found[..] {
            [] => Err(EngineError::no_container(text)),
            [id] => Ok(id.clone()),
            _ => {
                found.sort();
                Err(EngineError::Ambiguous {
                    what: "container",
                    prefix: text.to_owned(),
                    candidates: found.iter().take(8).map(|id| id.short().to_owned()).collect(),
                })
            }
        }
    }
}
