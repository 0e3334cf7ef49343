//! Calls `rpc.worker` every second with one number more, in MessagePack, and
//! prints what comes back.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use simple_nats_guest::{Message, NatsClient, set_interval};

simple_nats_guest::plugin!(start);

#[derive(Serialize)]
struct Call {
    numbers: Vec<f64>,
}

#[derive(Deserialize)]
struct Answer {
    sum: f64,
    mean: f64,
}

type Error = Box<dyn std::error::Error>;

fn start() -> Result<(), Error> {
    let nats = NatsClient::connect(None)?;
    let mut count = 0;
    set_interval(Duration::from_secs(1), move || {
        count += 1;
        if let Err(error) = call(nats, count) {
            println!("call {count} was not made: {error}");
        }
    })?;
    println!("rpc-caller calls rpc.worker every second");
    Ok(())
}

fn call(nats: NatsClient, count: u32) -> Result<(), Error> {
    let call = Call { numbers: (1..=count).map(f64::from).collect() };
    nats.request("rpc.worker", rmp_serde::to_vec_named(&call)?, move |answer| {
        match answer.map_err(Error::from).and_then(read) {
            Ok(Answer { sum, mean }) => println!("call {count}: sum {sum}, mean {mean}"),
            Err(error) => println!("call {count}: {error}"),
        }
    })?;
    Ok(())
}

fn read(message: Message) -> Result<Answer, Error> {
    if let Some(reason) = message.header("Nats-Service-Error") {
        return Err(reason.into());
    }
    Ok(rmp_serde::from_slice(message.payload())?)
}
