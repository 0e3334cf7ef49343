//! Checks that the decimal numbers on `counter.in` increase strictly, and answers
//! `counter.report` with `{count, last, ordered}`.

use std::cell::Cell;
use std::rc::Rc;

use serde_json::json;
use simple_nats_guest::{Error, Message, NatsClient};

simple_nats_guest::plugin!(start);

#[derive(Clone, Copy)]
struct Seen {
    count: u64,
    last: Option<u64>,
    ordered: bool,
}

fn start() -> Result<(), Error> {
    let nats = NatsClient::connect(None)?;
    let seen = Rc::new(Cell::new(Seen { count: 0, last: None, ordered: true }));
    let reported = Rc::clone(&seen);
    nats.subscribe("counter.in", None, move |message: Message| {
        let number: u64 = message.json()?;
        let Seen { count, last, ordered } = seen.get();
        let ordered = ordered && last.is_none_or(|last| last < number);
        seen.set(Seen { count: count + 1, last: Some(number), ordered });
        Ok::<_, Error>(())
    })?;
    nats.subscribe("counter.report", None, move |message: Message| {
        let Seen { count, last, ordered } = reported.get();
        message.respond_json(&json!({ "count": count, "last": last, "ordered": ordered }))
    })?;
    Ok(())
}
