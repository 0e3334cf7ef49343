//! A component of `wasmcloud:messaging@0.3.0`, in its first meaning.

// Elsewhere, linkers refuse the names of the exports.
#![cfg(target_family = "wasm")]

#[path = "draft/mod.rs"]
mod draft;

wit_bindgen::generate!({
    world: "messaging-request-reply",
    path: "../../wit/foreign/wasmcloud-messaging-0.3.0.wit",
});

draft::handler!(wasmcloud);
