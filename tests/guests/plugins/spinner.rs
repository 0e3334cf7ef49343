//! Never comes back from a message `spin` on `spinner.in`; answers any other with
//! `still here`.

use std::hint::black_box;

use simple_nats_guest::{Error, Message, NatsClient};

simple_nats_guest::plugin!(start);

fn start() -> Result<(), Error> {
    let nats = NatsClient::connect(None)?;
    nats.subscribe("spinner.in", None, |message: Message| {
        while black_box(message.payload()) == b"spin" {}
        message.respond("still here")
    })?;
    Ok(())
}
