//! Publishes on `publisher.out`, in one callback for each order on `publisher.in`:
//! - `mixed N`: numbers from 0, in every way that there is; then answers
//! - `trap N`: numbers from 0, then traps
//! - `spin`: `begun`, then works without end
//! - `sleep`: `begun`, then `woken` three seconds later
//! - `TEXT`: that, to the subject that is told in the reply-to

use std::thread;
use std::time::Duration;

use simple_nats_guest::{Error, Message, NatsClient, PublishOptions};

simple_nats_guest::plugin!(start);

const OUT: &str = "publisher.out";

fn start() -> Result<(), Error> {
    let nats = NatsClient::connect(None)?;
    nats.subscribe("publisher.in", None, move |message: Message| obey(nats, &message))?;
    Ok(())
}

fn obey(nats: NatsClient, message: &Message) -> Result<(), Error> {
    let order = String::from_utf8_lossy(message.payload());
    let (word, count) = order.split_once(' ').unwrap_or((&order, "0"));
    let count: usize = count.parse().unwrap_or(0);
    match word {
        "mixed" => {
            (0..count).try_for_each(|number| publish(nats, number))?;
            message.respond("done")
        }
        "trap" => {
            (0..count).try_for_each(|number| nats.publish(OUT, number.to_string()))?;
            panic!("asked to trap");
        }
        "spin" => {
            nats.publish(OUT, "begun")?;
            loop {
                std::hint::black_box(());
            }
        }
        "sleep" => {
            nats.publish(OUT, "begun")?;
            thread::sleep(Duration::from_secs(3));
            nats.publish(OUT, "woken")
        }
        text => message.respond(text),
    }
}

/// In a way that depends on the number.
fn publish(nats: NatsClient, number: usize) -> Result<(), Error> {
    let text = number.to_string();
    match number % 7 {
        1 => nats.publish(OUT, format!("{text} {}", "x".repeat(10_000))),
        2 => nats.publish_with(OUT, text, &PublishOptions::new().header("Way", "2")),
        3 => nats.publish_with(OUT, text, &PublishOptions::new().reply_to(OUT)),
        4 => nats.request(OUT, text, |_| ()).map(drop),
        5 => {
            nats.publish(OUT, text)?;
            nats.flush(Duration::from_secs(5))
        }
        _ => nats.publish(OUT, text),
    }
}
