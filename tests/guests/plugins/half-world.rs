//! Exports `lifecycle` and nothing that could be called with a message.

// Elsewhere, linkers refuse the names of the exports.
#![cfg(target_family = "wasm")]

wit_bindgen::generate!({
    inline: "
        package test:half;

        world half {
            export simple-nats:client/lifecycle@0.1.0;
        }
    ",
    path: "../../wit",
    generate_all,
});

struct Half;

export!(Half);

impl exports::simple_nats::client::lifecycle::Guest for Half {
    fn start() -> Result<(), String> {
        Ok(())
    }

    fn stop() {}
}
