//! Answers a message on `clocks`, a second later by its own clock, with what its clocks
//! showed before and after, the milliseconds between, and a random number.

use std::time::{Duration, Instant, SystemTime};

use simple_nats_guest::{Error, Message, NatsClient};

simple_nats_guest::plugin!(start);

fn start() -> Result<(), Error> {
    let nats = NatsClient::connect(None)?;
    nats.subscribe("clocks", None, |message: Message| {
        let (before, begin) = (seconds(), Instant::now());
        std::thread::sleep(Duration::from_secs(1));
        let (after, passed) = (seconds(), begin.elapsed().as_millis());
        message.respond(format!("{before:.3} {after:.3} {passed} {}", random()))
    })?;
    Ok(())
}

fn seconds() -> f64 {
    SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .expect("a time after 1970")
        .as_secs_f64()
}

/// What the standard library mixes into its maps.
fn random() -> u64 {
    use std::hash::{BuildHasher, RandomState};
    RandomState::new().hash_one(0)
}
