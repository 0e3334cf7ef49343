//! What must hold for any bytes of a server and for anything a guest asks for.
//!
//! Each module has one input type and one `check`. A fuzz target calls it with
//! what libFuzzer makes up, `replay.rs` with the corpus and with random bytes in
//! the ordinary tests. Sockets, time and wasm are not known here.

pub mod decode;
pub mod names;
#[path = "../../../host/src/policy/mod.rs"]
pub mod policy;
#[path = "../../../host/src/protocol/mod.rs"]
pub mod protocol;
pub mod session;
