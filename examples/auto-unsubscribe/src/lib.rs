//! Takes five messages on `offers` and no more: the server and the host both
//! count, so there is never a sixth.

use simple_nats_guest::{Error, Event, Message, NatsClient};

simple_nats_guest::plugin!(start);

fn start() -> Result<(), Error> {
    let nats = NatsClient::connect(None)?;
    nats.on_event(|event| {
        if let Event::SubscriptionEnded(_, reason) = event {
            println!("no more offers: {reason}");
        }
    });
    let sid = nats.subscribe("offers", None, |message: Message| {
        println!("an offer: {}", String::from_utf8_lossy(message.payload()));
    })?;
    nats.unsubscribe(sid, Some(5))?;
    println!("auto-unsubscribe takes five messages on offers");
    Ok(())
}
