//! A plugin without the client library and without `batch-handler`: the host calls it
//! for each message. Echoes payload and headers on `raw.echo`.

// Elsewhere, linkers refuse the names of the exports.
#![cfg(target_family = "wasm")]

wit_bindgen::generate!({ world: "plugin", path: "../../wit" });

use exports::simple_nats::client::{handler, lifecycle};
use simple_nats::client::client::{self, ConnectOptions};
use simple_nats::client::types::{Error, Event, Message};
use simple_nats::client::{publisher, subscriber};

struct RawHandler;

export!(RawHandler);

impl lifecycle::Guest for RawHandler {
    fn start() -> Result<(), String> {
        let options = ConnectOptions { client_name: None, inbox_prefix: None, no_echo: false };
        let client = client::connect(None, &options).map_err(|error| error.to_string())?;
        subscriber::subscribe(client, "raw.echo", None).map_err(|error| error.to_string())?;
        Ok(())
    }

    fn stop() {}
}

impl handler::Guest for RawHandler {
    fn on_message(message: Message) -> Result<(), String> {
        let reply_to = message.reply_to.ok_or("no reply-to")?;
        publisher::publish_with(message.client, &reply_to, None, &message.headers, &message.payload)
            .map_err(|error| error.to_string())
    }

    fn on_reply(_id: u64, _reply: Result<Option<Message>, Error>, _last: bool) {}

    fn on_event(_client: u32, _event: Event) {}

    fn on_timer(_id: u64) {}
}
