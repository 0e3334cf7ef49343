//! What benchmarks drive: for `[count, size]` on `bench.publish`, publishes so many
//! messages of so many bytes to `bench.out` and answers, outside any callback.

use std::cell::Cell;
use std::rc::Rc;

use simple_nats_guest::{Error, Message, NatsClient};

fn main() -> Result<(), Error> {
    let nats = NatsClient::connect(None)?;
    let order = Rc::new(Cell::new(None));
    let taken = Rc::clone(&order);
    nats.subscribe("bench.publish", None, move |message: Message| order.set(Some(message)))?;
    loop {
        match nats.wait(1, None) {
            Err(Error::Cancelled) => return Ok(()),
            outcome => outcome?,
        };
        let Some(message) = taken.take() else { continue };
        let (count, size): (u64, usize) = message.json()?;
        let payload = vec![b'x'; size];
        for _ in 0..count {
            nats.publish("bench.out", &payload)?;
        }
        message.respond("")?;
    }
}
