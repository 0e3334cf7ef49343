//! For `{n, subject}` on `requester-blocking.go`, sends the numbers below n as requests,
//! one after the other, waits for each, and answers like `requester`.

use serde::Deserialize;
use serde_json::json;
use simple_nats_guest::{Error, Message, NatsClient, RequestOptions};

simple_nats_guest::plugin!(start);

#[derive(Deserialize)]
struct Go {
    n: u64,
    subject: String,
}

fn start() -> Result<(), Error> {
    let nats = NatsClient::connect(None)?;
    nats.subscribe("requester-blocking.go", None, move |message: Message| {
        let Go { n, subject } = message.json()?;
        let (mut ok, mut wrong, mut errors) = (0, 0, 0);
        for number in 0..n {
            let number = number.to_string();
            match nats.request_and_wait(&subject, &number, RequestOptions::new()) {
                Ok(answer) if answer.payload() == number.as_bytes() => ok += 1,
                Ok(_) => wrong += 1,
                Err(_) => errors += 1,
            }
        }
        message.respond_json(&json!({ "ok": ok, "wrong": wrong, "errors": errors }))
    })?;
    Ok(())
}
