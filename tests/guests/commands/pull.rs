//! A program without the client library: takes typed deliveries from `inbox`. Echoes on
//! `pull.in`, reports a message `fail` as failed, and ends at a message `end`.

wit_bindgen::generate!({ world: "command", path: "../../wit" });

use simple_nats::client::client::{self, ConnectOptions};
use simple_nats::client::inbox::{self, Delivery};
use simple_nats::client::types::{Error, Message};
use simple_nats::client::{publisher, subscriber};

fn main() -> Result<(), Error> {
    let options = ConnectOptions { client_name: None, inbox_prefix: None, no_echo: false };
    let client = client::connect(None, &options)?;
    subscriber::subscribe(client, "pull.in", None)?;
    println!("pulling");
    let mut outcome = Ok(());
    loop {
        let delivery = inbox::next(outcome.as_ref().map(|_| ()).map_err(String::as_str), None)?;
        outcome = Ok(());
        match delivery {
            Some(Delivery::Message(message)) if message.payload == b"end" => return Ok(()),
            Some(Delivery::Message(message)) if message.payload == b"fail" => {
                outcome = Err("asked to fail".to_owned());
            }
            Some(Delivery::Message(message)) => echo(message)?,
            _ => {}
        }
    }
}

fn echo(message: Message) -> Result<(), Error> {
    match message.reply_to {
        Some(reply_to) => publisher::publish(message.client, &reply_to, &message.payload),
        None => Ok(()),
    }
}
