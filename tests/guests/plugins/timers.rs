//! `once MS` on `timers.in` publishes `once` to `timers.out` after that time;
//! `repeat MS COUNT` publishes `1` to `COUNT`, each after that time again.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use simple_nats_guest::{Error, Message, NatsClient, cancel_timer, set_interval, set_timer};

simple_nats_guest::plugin!(start);

type Failure = Box<dyn std::error::Error>;

fn start() -> Result<(), Error> {
    let nats = NatsClient::connect(None)?;
    nats.subscribe("timers.in", None, move |message: Message| {
        let text = str::from_utf8(message.payload())?;
        match text.split(' ').collect::<Vec<_>>()[..] {
            ["once", millis] => once(nats, Duration::from_millis(millis.parse()?)),
            ["repeat", millis, count] => {
                repeat(nats, Duration::from_millis(millis.parse()?), count.parse()?)
            }
            _ => Err(format!("no such command: {text}").into()),
        }
    })?;
    Ok(())
}

fn once(nats: NatsClient, delay: Duration) -> Result<(), Failure> {
    set_timer(delay, move || nats.publish("timers.out", "once").expect("a publish"))?;
    Ok(())
}

fn repeat(nats: NatsClient, period: Duration, count: u64) -> Result<(), Failure> {
    let own_id = Rc::new(Cell::new(None));
    let id = Rc::clone(&own_id);
    let mut fired = 0;
    own_id.set(Some(set_interval(period, move || {
        fired += 1;
        nats.publish("timers.out", fired.to_string()).expect("a publish");
        if fired == count {
            id.take().into_iter().for_each(cancel_timer);
        }
    })?));
    Ok(())
}
