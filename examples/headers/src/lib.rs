//! Answers a request on `headers` with what its headers said, and signs the path
//! it came by with one field more.

use simple_nats_guest::{Error, Message, NatsClient};

simple_nats_guest::plugin!(start);

fn start() -> Result<(), Error> {
    let nats = NatsClient::connect(None)?;
    nats.subscribe("headers", None, |message: Message| {
        let mut headers = message.headers();
        let fields = headers
            .iter()
            .map(|(name, value)| format!("{name}: {}\n", String::from_utf8_lossy(value)));
        let text: String = fields.collect();
        headers.append("Via", "headers");
        message.respond_with(headers, text)
    })?;
    println!("headers answers on headers");
    Ok(())
}
