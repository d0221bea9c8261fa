//! Images out of archives, and into them: what `docker save` and OCI tools write, and
//! bare root filesystems.

mod arriving;
pub(crate) mod import;
mod load;
pub(crate) mod save;
mod spool;
