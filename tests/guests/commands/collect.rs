//! `collect SUBJECT N MS` prints up to N messages on a subject, waits for them as long
//! as MS, and ends well only if all have come.

use std::time::Duration;

use simple_nats_guest::{Message, NatsClient};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let [_, subject, count, millis] = &std::env::args().collect::<Vec<_>>()[..] else {
        return Err("usage: collect SUBJECT N MS".into());
    };
    let (count, timeout) = (count.parse()?, Duration::from_millis(millis.parse()?));
    let nats = NatsClient::connect(None)?;
    nats.subscribe(subject, None, |message: Message| {
        println!("{}", String::from_utf8_lossy(message.payload()));
    })?;
    println!("collecting");
    match nats.wait(count, timeout)? {
        handled if handled == count => Ok(()),
        handled => Err(format!("{handled} of {count} came").into()),
    }
}
