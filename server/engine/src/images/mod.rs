//! Images: brought here, named, shown, removed.

pub(crate) mod view;
