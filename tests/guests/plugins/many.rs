//! Has very many subscriptions, or has had: subscribes in `start` to as many subjects
//! `many.N` as the variable `SUBSCRIPTIONS` says; at a number on `many.more` to as
//! many more; and at a message on `many.less` to none of them any longer. Answers
//! `many.count` with how many messages came by them.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use simple_nats_guest::{Error, Message, NatsClient, Sid};

simple_nats_guest::plugin!(start);

#[derive(Default)]
struct Many {
    sids: RefCell<Vec<Sid>>,
    messages: Cell<u64>,
}

impl Many {
    fn subscribe(self: &Rc<Self>, nats: &NatsClient, count: usize) -> Result<(), Error> {
        for _ in 0..count {
            let subject = format!("many.{}", self.sids.borrow().len());
            let many = Rc::clone(self);
            let sid = nats.subscribe(&subject, None, move |_: Message| {
                many.messages.set(many.messages.get() + 1);
            })?;
            self.sids.borrow_mut().push(sid);
        }
        Ok(())
    }
}

fn start() -> Result<(), Error> {
    let nats = NatsClient::connect(None)?;
    let many = Rc::new(Many::default());
    let count = std::env::var("SUBSCRIPTIONS").unwrap_or_default();
    many.subscribe(&nats, count.parse().unwrap_or_default())?;

    let all = Rc::clone(&many);
    nats.subscribe("many.more", None, move |message: Message| {
        all.subscribe(&nats, message.json()?)?;
        message.respond("done")
    })?;
    let all = Rc::clone(&many);
    nats.subscribe("many.less", None, move |message: Message| {
        for sid in all.sids.take() {
            nats.unsubscribe(sid, None)?;
        }
        message.respond("done")
    })?;
    nats.subscribe("many.trap", None, |message: Message| {
        assert!(!message.payload().is_empty(), "asked to trap");
    })?;
    nats.subscribe("many.count", None, move |message: Message| {
        message.respond(many.messages.get().to_string())
    })?;
    Ok(())
}
