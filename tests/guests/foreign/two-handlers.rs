//! Exports the handlers of two interfaces; each fails with its name.

// Elsewhere, linkers refuse the names of the exports.
#![cfg(target_family = "wasm")]

wit_bindgen::generate!({
    inline: "
        package test:two;

        world guest {
            export wasi:messaging/incoming-handler@0.2.0-draft;
            export wasmcloud:messaging/handler@0.2.0;
        }
    ",
    world: "test:two/guest",
    path: [
        "../../wit/foreign/wasmcloud-messaging-0.2.0.wit",
        "../../wit/foreign/wasi-messaging-0.2.0-draft.wit",
    ],
    generate_all,
});

use exports::wasi::messaging::incoming_handler;
use exports::wasmcloud::messaging::handler;
use wasi::messaging::types::{Error, Message};
use wasmcloud::messaging::types::BrokerMessage;

struct Two;

export!(Two);

impl incoming_handler::Guest for Two {
    fn handle(_message: Message) -> Result<(), Error> {
        Err(Error::Other("wasi".to_owned()))
    }
}

impl handler::Guest for Two {
    fn handle_message(_message: BrokerMessage) -> Result<(), String> {
        Err("wasmcloud".to_owned())
    }
}
