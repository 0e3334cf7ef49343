//! Puts what would be a second line of the protocol, and what is no name, into
//! every string that it can pass. Answers a message with those that were taken.

use std::time::Duration;

use simple_nats_guest::{Error, Message, NatsClient, PublishOptions};

simple_nats_guest::plugin!(start);

/// What must not get through anywhere.
const LINES: [&str; 5] = ["a\r\nPUB forged 0\r\n", "a\nPING", "a\rb", "a\0b", "\u{85}\r\n"];

/// What is no subject and no name either.
const NO_NAMES: [&str; 6] = ["", "a b", "a\tb", "a..b", ".a", "a."];

fn start() -> Result<(), Error> {
    let nats = NatsClient::connect(None)?;
    nats.subscribe("attack.in", None, move |message: Message| {
        let mut taken = Vec::new();
        for text in LINES.into_iter().chain(NO_NAMES) {
            taken.extend(taken_as_name(nats, text).map(|place| format!("{place} {text:?}")));
        }
        for text in LINES {
            taken.extend(taken_as_text(nats, text).map(|place| format!("{place} {text:?}")));
        }
        message.respond_json(&taken)
    })?;
    Ok(())
}

/// The places in which a text was taken as a name or subject.
fn taken_as_name(nats: NatsClient, text: &str) -> impl Iterator<Item = &'static str> {
    let reply = PublishOptions::new().reply_to(text);
    let second = Duration::from_secs(1);
    [
        ("subject", nats.publish(text, "").is_ok()),
        ("reply-to", nats.publish_with("attack.out", "", &reply).is_ok()),
        ("subscription", nats.subscribe(text, None, |_: Message| ()).is_ok()),
        ("queue group", nats.subscribe("attack.out", Some(text), |_: Message| ()).is_ok()),
        ("request", nats.request(text, "", |_| ()).is_ok()),
        ("waiting request", nats.request_and_wait(text, "", second).is_ok()),
        ("client name", NatsClient::builder().name(text).connect(None).is_ok()),
        ("inbox prefix", NatsClient::builder().inbox_prefix(text).connect(None).is_ok()),
        ("server", NatsClient::connect(text).is_ok()),
        ("header name", publish_header(nats, text, "value")),
    ]
    .into_iter()
    .filter_map(|(place, is_taken)| is_taken.then_some(place))
}

/// The places in which any text may stand, but on one line.
fn taken_as_text(nats: NatsClient, text: &str) -> impl Iterator<Item = &'static str> {
    publish_header(nats, "Name", text).then_some("header value").into_iter()
}

fn publish_header(nats: NatsClient, name: &str, value: &str) -> bool {
    let options = PublishOptions::new().header(name, value);
    nats.publish_with("attack.out", "", &options).is_ok()
}
