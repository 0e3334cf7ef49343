//! `pump SUBJECT N` publishes the numbers below N and ends, without flushing.

use simple_nats_guest::NatsClient;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let [_, subject, count] = &std::env::args().collect::<Vec<_>>()[..] else {
        return Err("usage: pump SUBJECT N".into());
    };
    let nats = NatsClient::connect(None)?;
    for number in 0..count.parse::<u64>()? {
        nats.publish(subject, number.to_string())?;
    }
    Ok(())
}
