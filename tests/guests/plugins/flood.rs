//! For a message N on `flood.go`, publishes the numbers below N to `flood.out`, all
//! in one callback, and answers with how many the host took.

use simple_nats_guest::{Error, Message, NatsClient};

simple_nats_guest::plugin!(start);

fn start() -> Result<(), Error> {
    let nats = NatsClient::connect(None)?;
    nats.subscribe("flood.go", None, move |message: Message| {
        let count: u64 = message.json()?;
        let publish = |number: &u64| nats.publish("flood.out", number.to_string()).is_ok();
        let taken = (0..count).take_while(publish).count();
        match message.reply_to() {
            Some(_) => message.respond(taken.to_string()),
            None => Ok(()),
        }
    })?;
    Ok(())
}
