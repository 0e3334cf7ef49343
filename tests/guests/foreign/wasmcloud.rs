//! A component of wasmCloud 1: does what the first word of a message says, and tells
//! what came of it where an answer is wanted.

// Elsewhere, linkers refuse the names of the exports.
#![cfg(target_family = "wasm")]

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

wit_bindgen::generate!({
    inline: "
        package test:wasmcloud;

        world guest {
            import wasmcloud:messaging/consumer@0.2.0;
            import wasi:logging/logging@0.1.0-draft;
            export wasmcloud:messaging/handler@0.2.0;
        }
    ",
    world: "test:wasmcloud/guest",
    path: [
        "../../wit/foreign/wasmcloud-messaging-0.2.0.wit",
        "../../wit/foreign/wasi-logging-0.1.0-draft.wit",
    ],
    generate_all,
});

use exports::wasmcloud::messaging::handler::Guest;
use wasi::logging::logging::{Level, log};
use wasmcloud::messaging::consumer;
use wasmcloud::messaging::types::BrokerMessage;

static HANDLED: AtomicU32 = AtomicU32::new(0);

struct Wasmcloud;

export!(Wasmcloud);

impl Guest for Wasmcloud {
    fn handle_message(message: BrokerMessage) -> Result<(), String> {
        let count = HANDLED.fetch_add(1, Ordering::Relaxed) + 1;
        let text = String::from_utf8_lossy(&message.body).into_owned();
        let mut words = text.splitn(3, ' ');
        let mut word = || words.next().unwrap_or_default();
        let (verb, first, second) = (word(), word(), word());
        let answer = match verb {
            "echo" => format!("{} {first}", message.subject),
            "count" => count.to_string(),
            "publish" => outcome(publish(first, second)),
            "request" => outcome(
                consumer::request(first, second.as_bytes(), 500)
                    .map(|answer| String::from_utf8_lossy(&answer.body).into_owned()),
            ),
            "torrent" => loop {
                // Refused or not, there is more.
                let _ = publish(first, second);
            },
            "log" => {
                log(Level::Warn, first, second);
                "logged".to_owned()
            }
            "fail" => return Err(first.to_owned()),
            "hang" => {
                std::thread::sleep(Duration::from_secs(3_600));
                "woke up".to_owned()
            }
            "trap" => std::process::abort(),
            other => return Err(format!("what is {other}?")),
        };
        match message.reply_to {
            Some(reply_to) => publish(&reply_to, &answer).map(drop),
            None => Ok(()),
        }
    }
}

fn publish(subject: &str, body: &str) -> Result<String, String> {
    let body = body.as_bytes().to_vec();
    let message = BrokerMessage { subject: subject.to_owned(), body, reply_to: None };
    consumer::publish(&message).map(|()| "published".to_owned())
}

fn outcome(result: Result<String, String>) -> String {
    result.unwrap_or_else(|error| format!("error: {error}"))
}
