//! Its callback on `failing.in` answers every message with the error `refused TEXT`.

use simple_nats_guest::{Error, Message, NatsClient};

simple_nats_guest::plugin!(start);

fn start() -> Result<(), Error> {
    let nats = NatsClient::connect(None)?;
    nats.subscribe("failing.in", None, |message: Message| {
        Err::<(), _>(format!("refused {}", String::from_utf8_lossy(message.payload())))
    })?;
    Ok(())
}
