//! The only place that speaks to the server: requests over HTTP, everything
//! live over one WebSocket.

pub mod decode;
pub mod http;
pub mod pause;
pub mod socket;
pub mod upload;
