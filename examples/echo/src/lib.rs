//! Answers each request on `echo` with its own payload and headers.

use simple_nats_guest::{Error, Message, NatsClient};

simple_nats_guest::plugin!(start);

fn start() -> Result<(), Error> {
    let nats = NatsClient::connect(None)?;
    nats.subscribe("echo", None, |message: Message| {
        message.respond_with(message.headers(), message.payload())
    })?;
    println!("echo answers on echo");
    Ok(())
}
