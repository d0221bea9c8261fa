//! Containers.

pub(super) mod archive;
pub(super) mod attach;
pub(super) mod commit;
pub(super) mod create;
mod durations;
pub(super) mod inspect;
pub(super) mod lifecycle;
pub(super) mod list;
mod log_details;
pub(super) mod logs;
mod read;
mod read_health;
mod read_limits;
mod read_log;
mod read_mounts;
mod read_network;
mod read_security;
pub(super) mod remove;
mod show;
mod show_mounts;
pub(super) mod stats;
pub(super) mod top;
pub(super) mod update;
pub(super) mod wait;

pub(super) use create::check_platform;
pub(super) use list::row;
pub(super) use read::read_ulimit;
pub(super) use read::text as read_text;
pub(super) use read_limits::limits as read_limits;
pub(super) use show::{NEVER, image_name, labels as show_labels, mac as mac_text, status_word};
