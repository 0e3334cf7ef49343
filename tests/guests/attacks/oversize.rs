//! Publishes payloads of the sizes in a JSON list in a message, and 8 MB of headers:
//! answers with what it got for each.

use simple_nats_guest::{Error, Message, NatsClient, PublishOptions};

simple_nats_guest::plugin!(start);

/// About as much as one call may pass to the host.
const LONG: usize = 8_000_000;

fn start() -> Result<(), Error> {
    let nats = NatsClient::connect(None)?;
    nats.subscribe("attack.in", None, move |message: Message| {
        let sizes: Vec<usize> = message.json()?;
        let mut outcomes: Vec<_> = sizes
            .into_iter()
            .map(|size| shown(nats.publish("attack.out", vec![b'x'; size])))
            .collect();
        let long = "x".repeat(LONG);
        for (name, value) in [("Name", long.as_str()), (long.as_str(), "value")] {
            let options = PublishOptions::new().header(name, value);
            outcomes.push(shown(nats.publish_with("attack.out", "", &options)));
        }
        outcomes.push(shown(nats.publish(&long, "")));
        outcomes.push(shown(nats.subscribe(&long, None, |_: Message| ()).map(drop)));
        outcomes.push(shown(nats.subscribe("attack.out", Some(&long), |_: Message| ()).map(drop)));
        outcomes.push(shown(NatsClient::builder().name(&*long).connect(None).map(drop)));
        outcomes.push(shown(NatsClient::connect(&*long).map(drop)));
        message.respond_json(&outcomes)
    })?;
    Ok(())
}

/// The case, as Rust writes it: what a text of 8 MB is told of would be long.
fn shown(outcome: Result<(), Error>) -> String {
    match outcome {
        Ok(()) => "ok".to_owned(),
        Err(error) => {
            let (text, debug) = (error.to_string(), format!("{error:?}"));
            let case = debug.split('(').next().unwrap_or_default();
            format!("{case} {}", if text.len() < 1000 { "short" } else { "long" })
        }
    }
}
