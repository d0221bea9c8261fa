//! Parts that know nothing of addresses or of the server.

pub mod chart;
pub mod dialog;
pub mod field;
pub mod icon;
pub mod log_view;
pub mod menu;
pub mod meter;
pub mod notice;
pub mod sparkline;
pub mod status_chip;
pub mod tabs;
pub mod terminal;
pub mod toast;
pub mod watch;
