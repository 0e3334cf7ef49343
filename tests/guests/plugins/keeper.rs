//! Keeps the messages on `keeper.keep`, handles those on `keeper.drop`, and answers
//! `keeper.kept` with what it has kept.

use std::cell::RefCell;
use std::rc::Rc;

use simple_nats_guest::{Error, Message, NatsClient};

simple_nats_guest::plugin!(start);

fn start() -> Result<(), Error> {
    let nats = NatsClient::connect(None)?;
    let kept = Rc::new(RefCell::new(Vec::<Message>::new()));
    let told = Rc::clone(&kept);
    nats.subscribe("keeper.keep", None, move |message: Message| {
        acknowledge(&message)?;
        kept.borrow_mut().push(message);
        Ok::<_, Error>(())
    })?;
    nats.subscribe("keeper.drop", None, |message: Message| acknowledge(&message))?;
    nats.subscribe("keeper.kept", None, move |message: Message| {
        let kept = told.borrow();
        let payloads: Vec<&[u8]> = kept.iter().map(Message::payload).collect();
        message.respond(payloads.join(&b","[..]))
    })?;
    Ok(())
}

fn acknowledge(message: &Message) -> Result<(), Error> {
    if message.reply_to().is_some() { message.respond("") } else { Ok(()) }
}
