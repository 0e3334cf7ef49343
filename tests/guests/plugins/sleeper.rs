//! Waits for as many milliseconds as a message on `sleeper.in` says, by a request
//! that nobody answers, then answers `slept`.

use std::time::Duration;

use simple_nats_guest::{Error, Message, NatsClient};

simple_nats_guest::plugin!(start);

fn start() -> Result<(), Error> {
    let nats = NatsClient::connect(None)?;
    // A listener that keeps silent; without one there would be no responders.
    nats.subscribe("sleeper.silent", None, |_: Message| ())?;
    nats.subscribe("sleeper.in", None, move |message: Message| {
        let time = Duration::from_millis(message.json()?);
        match nats.request_and_wait("sleeper.silent", "", time) {
            Err(Error::Timeout) => message.respond("slept"),
            outcome => Err(outcome.err().unwrap_or(Error::Other("somebody answered".into()))),
        }
    })?;
    Ok(())
}
