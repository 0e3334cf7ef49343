//! Answers MessagePack calls on `rpc.worker`: a list of numbers with its sum and
//! its mean. As one of the queue group `workers`, it gets its share of the calls.

use serde::{Deserialize, Serialize};
use simple_nats_guest::{Message, NatsClient};

simple_nats_guest::plugin!(start);

#[derive(Deserialize)]
struct Call {
    numbers: Vec<f64>,
}

#[derive(Serialize)]
struct Answer {
    sum: f64,
    mean: f64,
}

type Error = Box<dyn std::error::Error>;

fn start() -> Result<(), Error> {
    let nats = NatsClient::connect(None)?;
    nats.subscribe("rpc.worker", Some("workers"), on_call)?;
    println!("rpc-worker answers on rpc.worker");
    Ok(())
}

fn on_call(message: Message) -> Result<(), Error> {
    let Call { numbers } = rmp_serde::from_slice(message.payload())?;
    if numbers.is_empty() {
        return Err("no numbers to add".into());
    }
    let sum = numbers.iter().sum();
    let answer = Answer { sum, mean: sum / numbers.len() as f64 };
    message.respond(rmp_serde::to_vec_named(&answer)?)?;
    Ok(())
}
