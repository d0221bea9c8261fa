//! What containers, web pages and strangers on the network may try against the server:
//! one test for each known kind of attack, through the real program. Those that need no
//! server are in `server/gantry-runtime/tests/attacks`.

mod api;
mod host;
mod masked;
mod people;
mod resources;
mod sign_in;
mod visible;
