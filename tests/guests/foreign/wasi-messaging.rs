//! A component of `wasi:messaging`.

// Elsewhere, linkers refuse the names of the exports.
#![cfg(target_family = "wasm")]

#[path = "draft/mod.rs"]
mod draft;

wit_bindgen::generate!({
    world: "messaging-request-reply",
    path: "../../wit/foreign/wasi-messaging-0.2.0-draft.wit",
});

draft::handler!(wasi);
