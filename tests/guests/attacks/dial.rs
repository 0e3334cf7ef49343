//! Connects to each server of a JSON list in a message: answers with what it got.

use simple_nats_guest::{Error, Message, NatsClient};

simple_nats_guest::plugin!(start);

fn start() -> Result<(), Error> {
    let nats = NatsClient::connect(None)?;
    nats.subscribe("attack.in", None, |message: Message| {
        let servers: Vec<String> = message.json()?;
        let outcomes = servers.iter().map(|server| match NatsClient::connect(server.as_str()) {
            Ok(_) => "connected".to_owned(),
            Err(error) => format!("{error:?}"),
        });
        message.respond_json(&outcomes.collect::<Vec<_>>())
    })?;
    Ok(())
}
