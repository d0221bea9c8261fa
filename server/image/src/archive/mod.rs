//! Images out of archives: what `docker save` and OCI tools write, and bare root
//! filesystems.

pub(crate) mod import;
mod load;
mod spool;
