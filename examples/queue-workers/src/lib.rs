//! Counts its share of the messages on `jobs`: of all the members of the queue
//! group `crew`, in this host or any other, one gets each message.

use simple_nats_guest::{Error, Message, NatsClient};

simple_nats_guest::plugin!(start);

fn start() -> Result<(), Error> {
    let nats = NatsClient::connect(None)?;
    let name = nats.name()?;
    let mut share = 0;
    nats.subscribe("jobs", Some("crew"), move |message: Message| {
        share += 1;
        println!("job {share} of {name}: {}", String::from_utf8_lossy(message.payload()));
    })?;
    println!("queue-workers takes jobs from jobs");
    Ok(())
}
