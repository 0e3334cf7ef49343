//! Ends its subscription to `self-unsubscriber.in` in its own third callback, and
//! says on `self-unsubscriber.out` which callback it was.

use simple_nats_guest::{Error, Message, NatsClient};

simple_nats_guest::plugin!(start);

fn start() -> Result<(), Error> {
    let nats = NatsClient::connect(None)?;
    let mut count = 0;
    nats.subscribe("self-unsubscriber.in", None, move |message: Message| {
        count += 1;
        if count == 3 {
            nats.unsubscribe(message.sid(), None)?;
        }
        nats.publish("self-unsubscriber.out", count.to_string())
    })?;
    Ok(())
}
