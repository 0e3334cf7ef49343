//! Subscribes and publishes to each subject of a JSON list in a message: answers with
//! those that it was allowed to.

use std::time::Duration;

use simple_nats_guest::{Error, Message, NatsClient};

simple_nats_guest::plugin!(start);

fn start() -> Result<(), Error> {
    let nats = NatsClient::connect(None)?;
    nats.subscribe("attack.in", None, move |message: Message| {
        let subjects: Vec<String> = message.json()?;
        let mut allowed = Vec::new();
        for subject in &subjects {
            let refused = |error: &Error| {
                matches!(error, Error::PermissionDenied(_) | Error::SubjectInvalid(_))
            };
            let outcomes = [
                ("subscribe", nats.subscribe(subject, None, |_: Message| ()).map(drop)),
                ("join", nats.subscribe(subject, Some("workers"), |_: Message| ()).map(drop)),
                ("publish", nats.publish(subject, "forged")),
                (
                    "request",
                    nats.request_and_wait(subject, "", Duration::from_millis(50)).map(drop),
                ),
            ];
            for (what, outcome) in outcomes {
                if !outcome.as_ref().is_err_and(refused) {
                    allowed.push(format!("{what} {subject}: {outcome:?}"));
                }
            }
        }
        message.respond_json(&allowed)
    })?;
    Ok(())
}
