//! A component that has nothing to do with NATS.

// Elsewhere, linkers refuse the names of the exports.
#![cfg(target_family = "wasm")]

wit_bindgen::generate!({
    inline: "
        package test:other;

        world other {
            export greet: func() -> string;
        }
    ",
});

struct Other;

export!(Other);

impl Guest for Other {
    fn greet() -> String {
        "hello".to_owned()
    }
}
