//! Computes for as many rounds as a message on `worker.in` says, each of the order
//! of a microsecond, and answers how many messages this instance has had.

use std::hint::black_box;

use simple_nats_guest::{Error, Message, NatsClient};

simple_nats_guest::plugin!(start);

/// Steps of one round.
const STEPS: u64 = 400;

fn start() -> Result<(), Error> {
    let nats = NatsClient::connect(None)?;
    let mut count = 0;
    nats.subscribe("worker.in", None, move |message: Message| {
        let rounds: u64 = message.json()?;
        let mut sum = 1_u64;
        for step in 0..rounds * STEPS {
            sum = black_box(sum.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(step));
        }
        count += 1;
        match message.reply_to() {
            Some(_) => message.respond(count.to_string()),
            None => Ok(()),
        }
    })?;
    Ok(())
}
