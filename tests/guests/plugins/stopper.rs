//! Counts the messages on `stopper.in`, and publishes their number to
//! `stopper.stopped` when it is stopped.

use std::cell::Cell;

use simple_nats_guest::{Error, Message, NatsClient};

simple_nats_guest::plugin!(start, stop);

thread_local! {
    static COUNT: Cell<u64> = const { Cell::new(0) };
}

fn start() -> Result<(), Error> {
    let nats = NatsClient::connect(None)?;
    nats.subscribe("stopper.in", None, |_: Message| COUNT.set(COUNT.get() + 1))?;
    Ok(())
}

fn stop() {
    let nats = NatsClient::connect(None).expect("the connection that stands");
    nats.publish("stopper.stopped", COUNT.get().to_string()).expect("a publish");
}
