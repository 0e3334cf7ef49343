//! A plugin that also imports `kv` and `lock` of `acme:store@1.0.0`, which no host
//! provides.

// Elsewhere, linkers refuse the names of the exports.
#![cfg(target_family = "wasm")]

wit_bindgen::generate!({
    inline: "
        package acme:store@1.0.0;

        interface kv {
            get: func(key: string) -> option<string>;
        }

        interface lock {
            take: func();
        }

        world shop {
            include simple-nats:client/plugin@0.1.0;
            import kv;
            import lock;
        }
    ",
    path: "../../wit",
    generate_all,
});

use acme::store::{kv, lock};
use exports::simple_nats::client::{handler, lifecycle};
use simple_nats::client::types::{Error, Event, Message};

struct Shop;

export!(Shop);

impl lifecycle::Guest for Shop {
    fn start() -> Result<(), String> {
        lock::take();
        kv::get("name").map(drop).ok_or_else(|| "no name".to_owned())
    }

    fn stop() {}
}

impl handler::Guest for Shop {
    fn on_message(_message: Message) -> Result<(), String> {
        Ok(())
    }

    fn on_reply(_id: u64, _reply: Result<Option<Message>, Error>, _last: bool) {}

    fn on_event(_client: u32, _event: Event) {}

    fn on_timer(_id: u64) {}
}
