//! What benchmarks drive: counts on `bench.in` and tells count and bytes where asked,
//! echoes on `bench.echo`, and publishes in one callback on `bench.publish`.

use simple_nats_guest::{Error, Message, NatsClient};

simple_nats_guest::plugin!(start);

fn start() -> Result<(), Error> {
    let nats = NatsClient::connect(None)?;
    let (mut count, mut bytes) = (0_u64, 0_u64);
    nats.subscribe("bench.in", None, move |message: Message| {
        count += 1;
        bytes += message.payload().len() as u64;
        match message.reply_to() {
            Some(_) => message.respond(format!("{count} {bytes}")),
            None => Ok(()),
        }
    })?;
    nats.subscribe("bench.echo", None, |message: Message| message.respond(message.payload()))?;
    nats.subscribe("bench.publish", None, move |message: Message| {
        let (count, size): (u64, usize) = message.json()?;
        let payload = vec![b'x'; size];
        for _ in 0..count {
            nats.publish("bench.out", &payload)?;
        }
        message.respond("")
    })?;
    Ok(())
}
