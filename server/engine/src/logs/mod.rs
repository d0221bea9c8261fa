//! Logs: history, search and what comes next, by number.

pub(crate) mod line;
