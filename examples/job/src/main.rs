//! Asks `echo` a question, publishes the answer to `job.done`, and ends; its
//! exit code tells whether that went well.

use std::time::Duration;

use simple_nats_guest::{Error, NatsClient};

fn main() -> Result<(), Error> {
    let nats = NatsClient::connect(None)?;
    println!("job asks echo");
    let answer = nats.request_and_wait("echo", "anybody there?", Duration::from_secs(2))?;
    nats.publish("job.done", answer.payload())?;
    nats.flush(Duration::from_secs(2))
}
