//! What the examples in other languages do, to be compared with them.

use simple_nats_guest::{Error, Message, NatsClient};

simple_nats_guest::plugin!(start);

fn start() -> Result<(), Error> {
    let nats = NatsClient::connect(None)?;
    nats.subscribe("rpc.sum", Some("workers"), move |message: Message| {
        let answer = sum(&String::from_utf8_lossy(message.payload()))?.to_string();
        message.respond(&answer)?;
        nats.publish("rpc.sum.done", &answer)
    })?;
    println!("rpc-worker answers on rpc.sum");
    Ok(())
}

fn sum(text: &str) -> Result<i64, Error> {
    let integer = |word: &str| {
        word.parse::<i64>().map_err(|_| Error::Other(format!("{word:?} is no integer")))
    };
    text.split_whitespace().map(integer).sum()
}
