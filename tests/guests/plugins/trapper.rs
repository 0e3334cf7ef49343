//! Traps at a message `trap` on `trapper.in`; answers any other with the number of
//! messages that this instance has answered, and the payload: `2 hello`.

use simple_nats_guest::{Error, Message, NatsClient};

simple_nats_guest::plugin!(start);

fn start() -> Result<(), Error> {
    let nats = NatsClient::connect(None)?;
    let mut count = 0;
    nats.subscribe("trapper.in", None, move |message: Message| {
        assert_ne!(message.payload(), b"trap", "asked to trap");
        count += 1;
        message.respond(format!("{count} {}", String::from_utf8_lossy(message.payload())))
    })?;
    Ok(())
}
